"""A score is a number that the server gave for this text, or an error."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from completions_cli.client.dialogue import conclude
from completions_cli.errors import LogprobsError, MisfitError, RejectedError, UnscorableError
from completions_cli.models import CompletionRequest
from completions_cli.scoring.methods import ECHO
from completions_cli.scoring.scores import Scores
from completions_cli.scoring.steps import Scorer
from tests.scoring.model_server import (
    CONTRADICTED,
    WRONG,
    ModelServer,
    are_characters,
    held,
    latin,
    pieces,
    rejected,
    replaced,
    spelled,
    true_score,
)

BASE = CompletionRequest("", {}, {"top_k": 5, "n": 2, "logprobs": 0}, "named")
_TEXT = st.text(st.sampled_from("ab \n\té中🙂🏳\u200d🌈\u0301\ufffd"), min_size=1, max_size=8)
_REFUSED = ("echo", "max_tokens 0", "prompt_logprobs")
_Shown = Callable[[Sequence[bytes]], list[str]]


def _scores(server: ModelServer, prompt: str, *texts: str, scorer: Scorer | None = None) -> Scores:
    return conclude((scorer or Scorer()).continuations(BASE, prompt, texts), server.answer)


@given(
    prompt=_TEXT,
    continuation=_TEXT,
    wrong=st.sampled_from(sorted(WRONG)),
    shown=st.sampled_from([replaced, spelled, held, latin]),
    has_bos=st.booleans(),
    has_usage=st.booleans(),
    longest=st.integers(1, 9),
    refuses=st.sets(st.sampled_from(_REFUSED)),
    knows_echo=st.booleans(),
)
@example("ab", "a", "echo ignored", replaced, False, False, 9, set(), False)
@example("🙂", "🙂", "right", replaced, False, True, 3, set(), False)
@example("a", "\u200d", "middle missing", replaced, False, True, 1, set(), False)
@example("ab", "cd", "figures of other tokens", replaced, False, True, 1, set(), False)
@example("ab", "cd", "figures of the token before", replaced, False, True, 1, {"max_tokens 0"}, False)
@example("ab", "cd", "figures of the token after", replaced, False, True, 1, {"max_tokens 0"}, False)
@example("a\u200d", "a", "tokens with all before", replaced, False, True, 4, set(), False)
@example("ab", "cd", "all zero", replaced, False, True, 1, set(), False)
@example("ab", "a", "echo ignored", replaced, False, False, 9, set(), True)
@example("ab", "cd", "figures of other tokens", replaced, False, True, 1, set(), True)
@example("a\u200d", "a", "tokens with all before", replaced, False, True, 4, set(), True)
@example("ab", "cd", "all zero", replaced, False, True, 1, set(), True)
def test_a_score_is_right_or_an_error(
    prompt: str,
    continuation: str,
    wrong: str,
    shown: _Shown,
    has_bos: bool,
    has_usage: bool,
    longest: int,
    refuses: set[str],
    knows_echo: bool,
) -> None:
    # An answer without a token that shows nothing is one that a server of another tokenizer gives.
    assume(not (wrong == "first missing" and shown is held))
    assume(wrong not in CONTRADICTED or are_characters(pieces(prompt + continuation, longest)))
    server = ModelServer(shown, WRONG[wrong], has_bos, has_usage, longest, frozenset(refuses))
    try:
        scores = _scores(server, prompt, continuation, scorer=Scorer(method=ECHO if knows_echo else None))
    except (LogprobsError, RejectedError, MisfitError):
        return
    (score,) = scores.continuations
    logprob, count, merged = true_score(prompt, continuation, longest)
    assert (score.token_count, score.boundary_merged) == (count, merged)
    assert math.isclose(score.logprob, logprob)
    assert score.greedy is not False or scores.method == "prompt_logprobs"


@pytest.mark.parametrize("shown", [replaced, spelled, held, latin])
@pytest.mark.parametrize("has_bos", [True, False])
@pytest.mark.parametrize(
    ("refuses", "method"),
    [
        (set(), "echo"),
        ({"max_tokens 0"}, "echo"),
        ({"echo"}, "prompt_logprobs"),
    ],
)
def test_a_server_that_gives_the_figures_is_scored(
    shown: _Shown, has_bos: bool, refuses: set[str], method: str
) -> None:
    server = ModelServer(shown, has_bos=has_bos, refuses=frozenset(refuses))
    texts = [" Paris", "aris", " 🙂é", "\n"]
    prompt = "The capital of France is"
    scores = _scores(server, prompt, *texts)
    assert scores.method == method
    assert scores.model == "made-up"
    for score, text in zip(scores.continuations, texts, strict=True):
        logprob, count, merged = true_score(prompt, text)
        assert (score.text, score.token_count, score.boundary_merged) == (text, count, merged)
        assert math.isclose(score.logprob, logprob)
        assert math.isclose(score.mean, logprob / count)
        assert math.isclose(score.per_byte, logprob / len(text.encode()))


def test_the_method_is_found_out_once() -> None:
    server, said = ModelServer(refuses=frozenset({"echo"})), list[str]()
    scorer = Scorer(said.append)
    _scores(server, "prompt ", "one", "two", scorer=scorer)
    _scores(server, "prompt ", "three", scorer=scorer)
    assert [next(iter(request.extra.keys() - {"top_k"} - {"logprobs"})) for request in server.requests] == [
        "echo",
        "echo",
        *["prompt_logprobs"] * 3,
    ]
    assert said == ["prompt_logprobs (prompt_logprobs 0, max_tokens 1)"]


def test_what_asks_for_text_is_not_sent_and_the_rest_is() -> None:
    server = ModelServer()
    _scores(server, "prompt ", "one")
    (request,) = server.requests
    assert request == CompletionRequest(
        "prompt one", {"max_tokens": 0}, {"top_k": 5, "echo": True, "logprobs": 1}, "named"
    )


def test_a_server_that_repeats_the_text_is_found_out_by_another_one() -> None:
    server = ModelServer(wrong=WRONG["echo ignored"], has_usage=False)
    with pytest.raises(UnscorableError, match="gives no log-probabilities of text that it did not generate"):
        _scores(server, "ha", "ha")


def test_an_echo_without_usage_is_made_sure_of_once() -> None:
    server = ModelServer(has_usage=False, longest=1)
    scores = _scores(server, "ha", "ha", "ho")
    assert len(scores.continuations) == 2
    assert len(server.requests) == 3


def test_a_refusal_that_is_not_about_figures_is_reported_as_it_is() -> None:
    def refuse(request: CompletionRequest) -> dict[str, object]:
        requests.append(request)
        raise rejected("model")

    requests: list[CompletionRequest] = []
    with pytest.raises(RejectedError, match="model is not supported"):
        conclude(Scorer().continuations(BASE, "a", ["b"]), refuse)
    assert requests[-1].extra == BASE.extra


def test_a_server_that_refuses_all_ways_is_said_to_lack_them() -> None:
    server = ModelServer(refuses=frozenset({"echo", "prompt_logprobs"}))
    with pytest.raises(UnscorableError, match=r"echo is not supported.*prompt_logprobs is not supported"):
        _scores(server, "a", "b")


def test_nothing_precedes_the_first_token() -> None:
    with pytest.raises(LogprobsError, match="nothing precedes it"):
        _scores(ModelServer(longest=9), "", "b")
    with pytest.raises(LogprobsError, match="nothing precedes it"):
        conclude(Scorer().text(BASE, "b"), ModelServer(longest=9).answer)
    assert _scores(ModelServer(longest=9, has_bos=True), "", "b").continuations[0].token_count == 1


def test_a_text_is_scored_by_itself() -> None:
    text = "Once upon 🙂"
    with_bos = conclude(Scorer().text(BASE, text), ModelServer(has_bos=True).answer)
    logprob, count, _ = true_score("", text)
    assert math.isclose(with_bos.logprob, logprob)
    assert with_bos.token_count == count
    assert math.isclose(with_bos.perplexity, math.exp(-logprob / count))
    assert math.isclose(with_bos.bits_per_byte, -logprob / math.log(2) / len(text.encode()))
    without = conclude(Scorer().text(BASE, text), ModelServer().answer)
    assert without.token_count == count
    assert without.tokens[0].logprob is None
    assert math.isclose(without.perplexity, math.exp(-without.logprob / (count - 1)))


def test_two_tokens_of_one_text_are_no_contradiction() -> None:
    def other_likelier(answer: dict[str, Any], _: str) -> dict[str, Any]:
        (choice,) = answer["choices"]
        tops = choice["logprobs"]["top_logprobs"]
        tops[-1] = dict.fromkeys(tops[-1], 0.0)  # that of another token, which is shown the same
        return answer

    (score,) = _scores(ModelServer(wrong=other_likelier, longest=1), "abc", "de").continuations
    logprob, _, _ = true_score("abc", "de", longest=1)
    assert math.isclose(score.logprob, logprob)
    assert score.greedy is False
