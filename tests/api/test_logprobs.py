"""Log-probabilities are read from every shape that servers give them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import logprobs
from completions_cli.api.logprobs import Token


def test_the_legacy_shape_is_read() -> None:
    choice = {
        "text": "Hi you",
        "logprobs": {
            "tokens": ["Hi", " you"],
            "token_logprobs": [None, -1.5],
            "top_logprobs": [None, {" there": -0.5, " you": -1.5}],
            "text_offset": [0, 2],
        },
    }
    assert list(logprobs.read(choice) or ()) == [
        Token("Hi", None, offset=0),
        Token(" you", -1.5, offset=2, top=((" there", -0.5), (" you", -1.5))),
    ]


def test_what_the_legacy_shape_may_lack_is_absent() -> None:
    found = logprobs.read({"logprobs": {"tokens": ["a"], "token_logprobs": [-1], "top_logprobs": None}})
    assert list(found or ()) == [Token("a", -1.0)]


def test_a_piece_of_a_character_is_read_as_its_bytes() -> None:
    found = logprobs.read({"logprobs": {"tokens": ["bytes:\\xf0\\x9f", "token_id:42"], "token_logprobs": [-1, -2]}})
    assert list(found or ()) == [
        Token("\N{REPLACEMENT CHARACTER}", -1.0, raw=b"\xf0\x9f"),
        Token("token_id:42", -2.0, id=42),
    ]


def test_the_list_of_objects_is_read() -> None:
    content = [
        {"token": "é", "logprob": -0.5, "id": 7, "bytes": [195, 169], "top_logprobs": [{"token": "e", "logprob": -0.4}]}
    ]
    assert logprobs.read({"logprobs": {"content": content}}) == [
        Token("é", -0.5, id=7, raw=b"\xc3\xa9", top=(("e", -0.4),))
    ]


def test_the_prompt_of_vllm_is_read() -> None:
    positions = [
        None,
        {
            "42": {"logprob": -3.5, "rank": 9, "decoded_token": " you"},
            "7": {"logprob": -0.5, "rank": 1, "decoded_token": "x"},
        },
    ]
    assert logprobs.of_prompt({"prompt_logprobs": positions}) == [
        Token("", None),
        Token(" you", -3.5, id=42, rank=9, top=(("x", -0.5),)),
    ]


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), float("-inf"), 0.5, True, "-1", "-Infinity", None, [], {}, -9999.0, -1e9, -(10**400)],
    ids=lambda value: str(value)[:9],
)
def test_what_can_be_no_log_probability_is_none(value: Any) -> None:
    found = logprobs.read({"logprobs": {"tokens": ["a"], "token_logprobs": [value]}})
    assert list(found or ()) == [Token("a", None)]


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"logprobs": None},
        {"logprobs": {}},
        {"logprobs": {"tokens": ["a"], "token_logprobs": []}},
        {"logprobs": {"tokens": [1], "token_logprobs": [-1]}},
        {"logprobs": {"content": [{"logprob": -1}]}},
        {"logprobs": {"content": [None]}},
    ],
    ids=json.dumps,
)
def test_what_is_no_list_of_tokens_is_none(choice: Any) -> None:
    assert logprobs.read(choice) is None


@pytest.mark.parametrize("positions", [None, [], [{}], [{"1": {"logprob": -1}}], [{"1": -1}], [3]], ids=json.dumps)
def test_a_position_without_its_text_is_none(positions: Any) -> None:
    assert logprobs.of_prompt({"prompt_logprobs": positions}) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["tokens", "token_logprobs", "top_logprobs", "text_offset", "content", "token", "logprob", "bytes", "1"]
            ),
            inner,
            max_size=4,
        )
    ),
)


@given(_JSON)
def test_nothing_that_a_server_sends_breaks_the_reader(value: Any) -> None:
    choice = {"logprobs": value, "prompt_logprobs": value}
    for token in [*(logprobs.read(choice) or []), *(logprobs.of_prompt(choice) or [])]:
        assert token.logprob is None or token.logprob <= 1e-5
