"""The reference's parameters: their types, and a word about values outside its ranges."""

import math
from typing import Any

import pytest

from completions_cli.api.parameters import PARAMETERS, warnings


@pytest.mark.parametrize(
    ("name", "right", "wrong", "words"),
    [
        ("max_tokens", [0, 1, -1, 10**30], [1.0, "1", True, None, [1]], "an integer"),
        ("seed", [0, -5, 2**64], [1.5, "1", False, None], "an integer"),
        ("temperature", [0, 1, 0.5, -3, 7], ["1", True, None, [], {}, math.nan, math.inf, -math.inf], "a number"),
        ("top_p", [0, 1.0, 0.1], ["0.1", False], "a number"),
        ("frequency_penalty", [-2, 2, 0.5], ["0", None], "a number"),
        ("presence_penalty", [-2, 2, 0.5], ["0", None], "a number"),
        ("stop", ["", "a", ["a", "b"], []], [5, None, ["a", 1], [None], {"a": 1}], "a string or an array of strings"),
    ],
)
def test_types_are_checked(name: str, right: list[Any], wrong: list[Any], words: str) -> None:
    assert {PARAMETERS[name].type_error(value) for value in right} == {None}
    assert {PARAMETERS[name].type_error(value) for value in wrong} == {words}


@pytest.mark.parametrize(
    ("name", "inside", "outside", "bounds"),
    [
        ("temperature", [0, 1.5, 2], [-0.1, 2.1, 1e300], "0 to 2"),
        ("top_p", [0, 0.5, 1], [-1, 1.01], "0 to 1"),
        ("frequency_penalty", [-2, 0, 2], [-2.1, 3], "-2 to 2"),
        ("presence_penalty", [-2, 0, 2], [-2.1, 3], "-2 to 2"),
        ("max_tokens", [0, 256, 10**9], [-1], "0 or more"),
        ("seed", [-(10**9), 0, 10**9], [], ""),
    ],
)
def test_a_value_outside_the_references_range_is_a_warning(
    name: str, inside: list[float], outside: list[float], bounds: str
) -> None:
    assert [warnings({name: value}) for value in inside] == [[] for _ in inside]
    for value in outside:
        assert warnings({name: value}) == [f"{name} is {value}; the API reference allows {bounds}"]


def test_temperature_and_top_p_together_are_a_warning() -> None:
    assert warnings({"temperature": 1, "top_p": 1, "stop": "a"}) == [
        "temperature and top_p are both set; the API reference recommends altering only one"
    ]
    assert len(warnings({"temperature": 3, "top_p": 3})) == 3


def test_other_parameters_are_no_business_of_the_reference() -> None:
    assert warnings({"top_k": -5, "stop": ["a"]}) == []
