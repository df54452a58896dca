"""A whole answer is read the same way whether it takes the short path or the long one."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import document
from completions_cli.api.reader import ResponseReader
from completions_cli.errors import CompletionsError, MalformedResponseError
from completions_cli.models import Usage

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
scalars = st.none() | st.booleans() | st.integers(-5, 2**70) | st.text(max_size=5) | st.floats(allow_nan=False)
choices = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(-1, 3) | scalars,
        "text": st.text(max_size=8) | scalars,
        "finish_reason": st.sampled_from(["stop", "length"]) | scalars,
    },
)
counts = st.integers(0, 100) | scalars
bodies = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(choices | scalars, max_size=3) | scalars,
        "usage": scalars
        | st.fixed_dictionaries(
            {}, optional={"prompt_tokens": counts, "completion_tokens": counts, "total_tokens": counts}
        ),
        "error": scalars,
        "object": st.sampled_from(["error", "text_completion"]) | scalars,
        "message": scalars,
        "timings": scalars,
    },
)


def long_way(body: bytes) -> object:
    """Read with the reader alone: texts and usage, or the error."""
    reader = ResponseReader()
    try:
        chunks = [*reader.feed(body), *reader.close()]
    except CompletionsError as error:
        return type(error), error.message
    return [delta.text for chunk in chunks for delta in chunk.deltas], reader.usage


def short_way(body: bytes) -> object:
    """Read it as batches do."""
    try:
        whole = document.read(body)
    except CompletionsError as error:
        return type(error), error.message
    return [choice["text"] for choice in whole.response["choices"]], whole.usage


@given(bodies, st.booleans())
def test_both_ways_agree(value: dict[str, Any], ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert short_way(body) == long_way(body)


USUAL = {
    "choices": [{"index": 0, "text": "é", "finish_reason": "stop"}, {"text": ""}],
    "usage": {"prompt_tokens": 0, "completion_tokens": 2, "total_tokens": 2, "x": {}},
    "object": "text_completion",
    "error": None,
}


def bytes_of(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def test_the_usual_answer_takes_the_short_way() -> None:
    assert document._usual(bytes_of(USUAL)) == (USUAL, Usage(0, 2, 2)) == document._any(bytes_of(USUAL), 1)
    most = {"prompt_tokens": 1, "completion_tokens": 2**53 - 2, "total_tokens": 2**53 - 1}
    assert document._usual(bytes_of(USUAL | {"usage": most})) == (USUAL | {"usage": most}, Usage(*most.values()))


UNUSUAL: dict[str, list[Any]] = {
    "error": [{"message": "m"}],
    "object": ["error"],
    "timings": [{}],
    "choices": [None, [], {}, [5], [{}], [{"text": 1}], [{"text": "", "index": None}]],
    "usage": [
        *(None, [], {}, {**USAGE, "total_tokens": 2**53}),
        *({**USAGE, name: odd} for name in USAGE for odd in (None, 1.0, True, "1", -1)),
    ],
}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: {}\n\n",
        b" " + bytes_of(USUAL),
        bytes_of([USUAL]),
        bytes_of(USUAL)[:-1],
        bytes_of(USUAL)[:-1] + b"\xff}",
        json.dumps(USUAL).encode(),
        *(bytes_of(USUAL | {name: odd}) for name, odds in UNUSUAL.items() for odd in odds),
    ],
)
def test_any_other_takes_the_long_one(body: bytes) -> None:
    assert document._usual(body) is None
    assert short_way(body) == long_way(body)


def test_the_long_way_keeps_usage_and_counts_the_choices() -> None:
    odd = USUAL | {"timings": {}}
    assert document.read(bytes_of(odd)) == (odd, Usage(0, 2, 2))
    stream = b'data: {"choices":[{"text":"a","finish_reason":"stop"}],"usage":{"total_tokens":3}}\n\n'
    whole = document.read(stream)
    assert whole.response["usage"] == {"total_tokens": 3}
    with pytest.raises(MalformedResponseError, match="before it was finished"):
        document.read(stream, 2)


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    whole = document.read(b'{"choices":[{"index":0,"text":"a\\ud83d","finish_reason":"stop"}],"usage":null}')
    assert whole.response["choices"][0]["text"] == "a\ufffd"


def test_a_stream_is_put_together() -> None:
    events = [
        {"id": "x", "choices": [{"index": 1, "text": "c"}]},
        {"id": "x", "choices": [{"index": 0, "text": "a", "finish_reason": "stop"}]},
        {"id": "x", "choices": [{"index": 1, "text": "d", "finish_reason": "stop"}], "usage": {"total_tokens": 3}},
    ]
    body = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"
    whole = document.read(body, 2)
    assert [choice["text"] for choice in whole.response["choices"]] == ["a", "cd"]
    assert whole.usage
    assert whole.usage.total_tokens == 3
