"""What is read at once of an echo is what a closer look at it finds."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.models import CompletionRequest
from completions_cli.scoring import alignment, plain_echo
from completions_cli.scoring.methods import ECHO
from tests.scoring.model_server import WRONG, ModelServer, latin, replaced, spelled

_TEXT = st.text(st.sampled_from("ab \n\té🙂\\x"), min_size=1, max_size=8)
_Shown = Callable[[Sequence[bytes]], list[str]]


@given(
    prompt=_TEXT,
    text=_TEXT,
    wrong=st.sampled_from(sorted(WRONG)),
    shown=st.sampled_from([replaced, spelled, latin]),
    has_bos=st.booleans(),
    longest=st.integers(1, 9),
)
def test_a_closer_look_finds_the_same(
    prompt: str, text: str, wrong: str, shown: _Shown, has_bos: bool, longest: int
) -> None:
    server = ModelServer(shown, WRONG[wrong], has_bos, longest=longest)
    answer = server.answer(ECHO.request(CompletionRequest(""), [prompt + text]))
    score = plain_echo.score(answer, prompt, text)
    if score is None:
        return
    reading = ECHO.read(answer, [prompt + text])
    assert reading is not None
    assert reading.is_proven
    tokens, is_merged = alignment.cut(reading.laid[0], prompt)
    assert (list(score.tokens), score.boundary_merged) == (list(tokens), is_merged)


@pytest.mark.parametrize(("prompt", "text"), [("The answer is", " no."), ("An answer", "s are"), ("a" * 50, "b" * 50)])
def test_a_right_answer_needs_no_closer_look(prompt: str, text: str) -> None:
    answer = ModelServer().answer(ECHO.request(CompletionRequest(""), [prompt + text]))
    assert plain_echo.score(answer, prompt, text) is not None


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"choices": None, "usage": None},
        {"choices": [{"logprobs": None}], "usage": {}},
        {"choices": [{"logprobs": "tokens"}], "usage": {}},
        {"choices": [{"logprobs": dict.fromkeys(("tokens", "token_logprobs", "text_offset", "top_logprobs"), "ab")}]},
    ],
    ids=str,
)
def test_what_is_no_echo_is_left_to_the_closer_look(answer: dict[str, object]) -> None:
    assert plain_echo.score(answer, "a", "b") is None
