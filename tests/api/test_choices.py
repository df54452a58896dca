"""Choices count only when they are exactly those that were asked for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api.choices import misfit
from completions_cli.models import CompletionRequest

JSON = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)


@pytest.mark.parametrize(
    ("indices", "expected", "wrong"),
    [
        ([0], 1, None),
        ([0, 1, 2], 3, None),
        ([2, 0, 1], 3, None),
        ([], 1, "the response contains 0 choices, not 1"),
        ([0], 3, "the response contains 1 choice, not 3"),
        ([0, 1, 2], 2, "the response contains 3 choices, not 2"),
        ([1, 2], 2, "the choices are not numbered from 0 to 1"),
        ([0, 0], 2, "the choices are not numbered from 0 to 1"),
        ([-1, 0], 2, "the choices are not numbered from 0 to 1"),
        ([0, 10**30], 2, "the choices are not numbered from 0 to 1"),
        (["0", "1"], 2, "the choices are not numbered"),
        ([0.0, 1.0], 2, "the choices are not numbered"),
        ([False, True], 2, "the choices are not numbered"),
        ([None, 1], 2, "the choices are not numbered"),
        ([[0], {}], 2, "the choices are not numbered"),
    ],
)
def test_numbers_that_fit(indices: list[Any], expected: int, wrong: str | None) -> None:
    assert misfit([{"index": index} for index in indices], expected) == wrong


def test_choices_without_a_number() -> None:
    assert misfit([{"text": "a"}, {"index": 1}], 2) == "the choices are not numbered"


@given(st.lists(JSON, max_size=5), st.integers(0, 5))
def test_only_a_permutation_fits(indices: list[Any], expected: int) -> None:
    fits = misfit([{"index": index} for index in indices], expected) is None
    integers = [index for index in indices if type(index) is int]
    assert fits == (integers == indices and sorted(integers) == list(range(expected)))


@pytest.mark.parametrize(
    ("extra", "prompt", "choices", "generations"),
    [
        ({}, "a", 1, 1),
        ({}, ["a", "b"], 2, 2),
        ({}, [1, 2], 1, 1),
        ({"n": 3}, "a", 3, 3),
        ({"n": 3}, ["a", "b"], 6, 6),
        ({"n": 3}, [[1], [2]], 6, 6),
        ({"n": 2, "best_of": 5}, ["a", "b"], 4, 10),
        ({"best_of": 5}, ["a"], 1, 5),
        ({"n": 4, "best_of": 2}, "a", 4, 4),
        ({"n": None}, "a", 1, 1),
        ({"n": 0}, "a", 1, 1),
        ({"n": -5, "best_of": True}, "a", 1, 1),
        ({"n": "2"}, "a", 2, 2),
        ({"n": 2.0}, "a", 2, 2),
        ({"n": "many"}, "a", 1, 1),
        ({"n": [2]}, "a", 1, 1),
        ({"n": {}}, "a", 1, 1),
        ({"n": float("inf")}, "a", 1, 1),
        ({"n": float("nan")}, "a", 1, 1),
        ({"n": 10**400}, "a", 2**31, 2**31),
    ],
)
def test_choices_and_texts_that_a_request_asks_for(
    extra: dict[str, Any], prompt: Any, choices: int, generations: int
) -> None:
    request = CompletionRequest(prompt, extra=extra)
    assert (request.choice_count, request.generation_count) == (choices, generations)
