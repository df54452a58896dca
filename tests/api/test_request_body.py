"""Request bodies as bytes, and JSON as strictly as it is sent."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import wire
from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest, Prompt

ALL = {
    "top_p": 1,
    "temperature": 0,
    "stop": "<|endoftext|>",
    "seed": 42,
    "max_tokens": 256,
    "presence_penalty": 0,
    "frequency_penalty": 0,
}


def sent(request: CompletionRequest) -> bytes:
    return wire.encode(wire.body(request))


def test_the_references_sample_request() -> None:
    assert sent(CompletionRequest("This is a very good text", ALL)) == (
        b'{"prompt":"This is a very good text","frequency_penalty":0,"presence_penalty":0,"max_tokens":256,"seed":42,'
        b'"stop":"<|endoftext|>","temperature":0,"top_p":1}'
    )


def test_what_is_not_set_is_absent() -> None:
    assert sent(CompletionRequest(None)) == b"{}"
    assert sent(CompletionRequest("a")) == b'{"prompt":"a"}'
    assert sent(CompletionRequest("")) == b'{"prompt":""}'
    assert sent(CompletionRequest("a", stream=False)) == b'{"prompt":"a"}'


def test_model_comes_first_and_extras_last() -> None:
    request = CompletionRequest("a", {"seed": 1}, {"top_k": 5, "nested": {"b": [None]}}, "m", stream=True)
    assert sent(request) == (b'{"model":"m","prompt":"a","seed":1,"stream":true,"top_k":5,"nested":{"b":[null]}}')


@pytest.mark.parametrize(
    ("prompt", "body"),
    [
        ("a", b'"a"'),
        (["a", "b"], b'["a","b"]'),
        ([1, 2], b"[1,2]"),
        ([[1, 2], [3]], b"[[1,2],[3]]"),
        ('é\u2028😀\x00\x7f"\\\n', '"é\u2028😀\\u0000\x7f\\"\\\\\\n"'.encode()),
        ("\ud83d", rb'"\ud83d"'),
        (["é", "\udcff"], rb'["\u00e9","\udcff"]'),
        (10**30, b"1000000000000000000000000000000"),
    ],
)  # fmt: skip
def test_prompts_in_every_form(prompt: Any, body: bytes) -> None:
    assert sent(CompletionRequest(prompt)) == b'{"prompt":' + body + b"}"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, b"0"), (0.0, b"0.0"), (1, b"1"), (0.7, b"0.7"), (-2, b"-2"), (1e-7, b"1e-07"), (10**20, b"1" + b"0" * 20)],
)
def test_numbers_stay_as_they_were_typed(value: float, text: bytes) -> None:
    assert sent(CompletionRequest(None, {"temperature": value})) == b'{"temperature":' + text + b"}"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_cannot_express_is_refused(value: float) -> None:
    for extra in ({"x": value}, {"x": [{"y": value}]}):
        with pytest.raises(UsageError, match="not finite"):
            sent(CompletionRequest("a", extra=extra))
    with pytest.raises(UsageError, match="not finite"):
        wire.dumps({"x": value, "\ud83d": 1}, indent=2)


@pytest.mark.parametrize("value", [{1}, b"x", object(), {(1, 2): 3}, 1j])
def test_what_is_no_json_is_refused(value: object) -> None:
    extra: Any = {"x": [value]}
    with pytest.raises(UsageError, match="not one that JSON can express"):
        sent(CompletionRequest("a", extra=extra))


def test_what_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(UsageError, match="contains itself"):
        wire.dumps(endless)


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for indent in (None, 2):
        with pytest.raises(UsageError, match="too deeply"):
            wire.dumps(deep, indent=indent)
    while deep:  # taken apart by hand: freeing it at once would recurse as well
        deep = deep.pop()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None, exclude_categories=[])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def test_json_is_indented_on_demand() -> None:
    assert wire.dumps({"a": ["é", 1]}, indent=2) == '{\n  "a": [\n    "é",\n    1\n  ]\n}'
    assert wire.dumps({"a": "\ud83d"}, indent=2) == '{\n  "a": "\\ud83d"\n}'


@given(anything, st.sampled_from([None, 2]))
def test_json_comes_back_as_it_was(value: object, indent: int | None) -> None:
    text = wire.dumps(value, indent=indent)
    text.encode()
    assert json.loads(text) == value
    assert wire.loads(text) == value
    assert indent is not None or "\n" not in text


@pytest.mark.parametrize(
    "text",
    ["", " ", "{", "[1,]", '{"a":1}x', '{"a":1} {"b":2}', "NaN", "-Infinity", '{"a":Infinity}', "1e999", "[-1e999]",
     "[" * 100_000, '{"a":' * 100_000, "9" * 5000, '{"a":' + "9" * 5000 + "}", "\ufeff{}", "'a'", "tru"],
)  # fmt: skip
def test_what_is_not_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        wire.loads(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ['{"a":1}', ' {"a":1}', '{"a":1}\n', '\t{"a":0,"a":1} '])
def test_white_space_around_json_is_none_of_it(text: str) -> None:
    assert wire.loads(text) == {"a": 1}


@pytest.mark.parametrize("prompt", ["", "a", ["a"], ["", "b"], [0], [1, 2], [[1]], [[1, 2], [3]], [10**30]])
def test_the_four_forms_of_a_prompt_are_taken(prompt: Prompt) -> None:
    assert wire.prompt_from_json(prompt) is prompt


@pytest.mark.parametrize(
    "value",
    [None, True, 5, 1.5, {}, {"prompt": "a"}, [], [[]], [[], [1]], [None], [True], [1, True], [1.0], [-1], ["a", 1],
     [1, "a"], ["a", None], [["a"]], [[1], "a"], [[1], 2], [[[1]]], [[1, True]], [[1, -1]], [{}]],
)  # fmt: skip
def test_no_other_form_is(value: object) -> None:
    with pytest.raises(UsageError) as caught:
        wire.prompt_from_json(value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("prompt", "count"),
    [(None, 1), ("a", 1), (["a"], 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2], [3]], 3), ([], 1)],
)
def test_a_request_knows_how_many_prompts_it_carries(prompt: Prompt | None, count: int) -> None:
    assert CompletionRequest(prompt).prompt_count == count
