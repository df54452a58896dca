"""Numbers: bounds above and below, no NaN, and advice for other notations."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.settings import numbers
from completions_cli.settings.numbers import OPTIONS, PARAMETERS, RETRIES, SECONDS, WAIT, Number, NumberError

ALL = {**OPTIONS, **PARAMETERS, "--timeout": SECONDS, "--max-wait": WAIT, "--retries": RETRIES}


@pytest.mark.parametrize("name", ALL)
def test_every_number_is_bounded_and_no_nan(name: str) -> None:
    number = ALL[name]
    for value in (math.nan, math.inf, -math.inf, 10**400, -(10**400), True, "5", None):
        with pytest.raises(ValueError, match="number"):
            number.check(value)
    for text in ("nan", "inf", "-inf", "1e400", "9" * 400, "1e99999", "", " 5", "5 ", "0x10", "1_000", "٣", "five"):
        with pytest.raises(ValueError, match="number"):
            number.parse(text)
    assert number.parse(str(number.high)) == number.high
    if name in PARAMETERS:
        return
    for value in (number.high * 2 + 1, number.high + 1, number.low - 1):
        with pytest.raises(ValueError, match=r"from|at most"):
            number.check(value)


@pytest.mark.parametrize(
    ("number", "text", "advice"),
    [
        (RETRIES, "1,000", "without separators: 1000"),
        (RETRIES, "1_000", "without separators: 1000"),
        (RETRIES, "1 000", "without separators: 1000"),
        (OPTIONS["--limit"], "1,000,000", "without separators: 1000000"),
        (SECONDS, "0,5", "with a point: 0.5"),
        (SECONDS, "30s", "without a unit: 30"),
        (SECONDS, "500ms", "without a unit: 0.5"),
        (SECONDS, "5 min", "without a unit: 300"),
        (OPTIONS["--limit"], "10k", "without a unit: 10000"),
    ],
)
def test_other_notations_are_told_how_they_are_written_here(number: Number, text: str, advice: str) -> None:
    with pytest.raises(NumberError) as caught:
        number.parse(text)
    assert advice in str(caught.value.hint)


@given(st.text(max_size=20) | st.floats().map(str) | st.integers().map(str))
def test_any_text_is_a_number_within_bounds_or_refused(text: str) -> None:
    for number in ALL.values():
        try:
            value = number.parse(text)
        except ValueError:
            continue
        assert number.low <= value <= number.high
        assert isinstance(value, int) or not number.is_whole


def test_words_name_both_bounds() -> None:
    assert numbers.OPTIONS["--samples"].words == "a whole number from 1 to 10,000"
    assert PARAMETERS["integer"].words == "a whole number"
    assert SECONDS.words == "a positive number of seconds, at most 1,000,000"
    assert numbers.OPTIONS["--rpm"].words == "a number from 0.001 to 1,000,000,000"
