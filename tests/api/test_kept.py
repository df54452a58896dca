"""What a server ignored, as far as its answer shows it; and no false alarm where it does not."""

from typing import Any

import pytest

from completions_cli.api.kept import Asked, ignored, ignored_by_all, may_ignore
from completions_cli.models import CompletionRequest

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FIGURES = {"tokens": ["x"], "token_logprobs": [-1.0], "top_logprobs": None, "text_offset": [0]}
LONG = "def f():\n    return 1\n" * 40


def choice(text: str, reason: str = "stop", logprobs: Any = None) -> dict[str, Any]:
    return {"index": 0, "text": text, "finish_reason": reason, "logprobs": logprobs}


@pytest.mark.parametrize(
    ("extra", "text", "names"),
    [
        ({"echo": True}, "Once upon a time", ()),
        ({"echo": True}, " Once upon", ()),
        ({"echo": True}, "<s>Once upon a", ()),
        ({"echo": True}, " a time", ("echo",)),
        ({"echo": False}, " a time", ()),
        ({"echo": None}, " a time", ()),
        ({"logprobs": 0}, "x", ("logprobs",)),
        ({"logprobs": 5}, "x", ("logprobs",)),
        ({"logprobs": True}, "x", ("logprobs",)),
        ({"logprobs": None}, "x", ()),
        ({"logprobs": False}, "x", ()),
        ({"logprobs": 5}, "", ()),
        ({"response_format": {"type": "json_object"}}, ' {"a": 1}\n', ()),
        ({"response_format": {"type": "json_object"}}, "Sure!", ("response_format",)),
        ({"response_format": {"type": "text"}}, "Sure!", ()),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, "no", ("response_format",)),
        ({"guided_json": SCHEMA}, "no", ("guided_json",)),
        ({"guided_json": '{"type":"object"}'}, "no", ("guided_json",)),
        ({"json_schema": SCHEMA}, "no", ("json_schema",)),
        ({"structured_outputs": {"json": SCHEMA}}, "no", ("structured_outputs",)),
        ({"structured_outputs": {"regex": "a+"}}, "no", ()),
        ({"format": "json"}, "no", ("format",)),
        ({"format": "text"}, "no", ()),
        ({"echo": True, "format": "json"}, 'Once upon{"a": 1}', ()),
        ({"echo": True, "logprobs": 1}, "no", ("echo", "logprobs")),
        ({"top_k": 5}, "no", ()),
    ],
)
def test_extras(extra: dict[str, Any], text: str, names: tuple[str, ...]) -> None:
    assert ignored(Asked(CompletionRequest("Once upon", extra=extra), "Once upon", [choice(text)])) == names


def test_figures_that_came() -> None:
    request = CompletionRequest("a", extra={"logprobs": 2})
    assert ignored(Asked(request, "a", [choice("x", logprobs=FIGURES)])) == ()
    assert ignored(Asked(request, "a", [choice("x"), choice("y", logprobs=FIGURES)])) == ()


def test_json_that_was_cut_off_is_nobodys_fault() -> None:
    request = CompletionRequest("a", extra={"guided_json": SCHEMA})
    assert ignored(Asked(request, "a", [choice('{"a": ', "length")])) == ()


@pytest.mark.parametrize(
    ("stop", "text", "is_ignored"),
    [
        ("\n", "one line", False),
        ("\n", "one line\n", False),
        ("\n", "one line\ntwo", True),
        (["END", "\n\n"], "one\n\ntwo", True),
        (["END", "\n\n"], "one\ntwo END", False),
        ([], "one", False),
        ("", "one", False),
        (None, "one", False),
    ],
)
def test_stop_sequences(stop: Any, text: str, *, is_ignored: bool) -> None:
    request = CompletionRequest("a\n\nEND", {"stop": stop})
    assert ignored(Asked(request, request.prompt, [choice(text)])) == (("stop",) if is_ignored else ())


def test_a_stop_sequence_in_the_echoed_prompt_is_none_in_the_text() -> None:
    request = CompletionRequest("a\nb", {"stop": "\n"}, {"echo": True})
    assert ignored(Asked(request, "a\nb", [choice("a\nb c")])) == ()
    assert ignored(Asked(request, "a\nb", [choice("a\nb c\nd")])) == ("stop",)


@pytest.mark.parametrize(
    ("suffix", "prompt_tokens", "is_ignored"),
    [(LONG, 4, True), (LONG, 200, False), (LONG, None, False), (LONG, 0, False), ("x", 1, False), (5, 1, False)],
)
def test_a_suffix_that_cannot_have_been_counted(suffix: Any, prompt_tokens: int | None, *, is_ignored: bool) -> None:
    request = CompletionRequest("def g():", extra={"suffix": suffix})
    assert ("suffix" in ignored(Asked(request, "def g():", [choice("x")], prompt_tokens))) is is_ignored


def test_what_cannot_be_told_is_not_said() -> None:
    assert ignored(Asked(CompletionRequest([1, 2], extra={"echo": True}), [1, 2], [choice("x")])) == ()
    assert ignored(Asked(CompletionRequest(" ", extra={"echo": True}), " ", [choice("x")])) == ()
    assert ignored(Asked(CompletionRequest(None, extra={"echo": True}), None, [choice("x")])) == ()
    assert ignored(Asked(CompletionRequest("a", extra={"echo": True}), "a", [])) == ()
    assert not may_ignore(CompletionRequest("a", {"temperature": 1}))


def test_each_prompt_is_looked_for_in_its_own_choices() -> None:
    request = CompletionRequest(["a", "b"], extra={"echo": True, "n": 2})
    right = [choice("a1"), choice("a2"), choice("b1"), choice("b2")]
    assert ignored_by_all(request, right) == ()
    assert ignored_by_all(request, [choice("x"), *right[1:]]) == ()
    assert ignored_by_all(request, [*right[:2], choice("x"), choice("y")]) == ("echo",)
    assert ignored_by_all(request, [right[0], right[2]]) == ("n",)
    seeded = CompletionRequest("a", extra={"echo": True})
    assert ignored_by_all(seeded, [choice("a1"), choice("a2")], turns=2) == ()
