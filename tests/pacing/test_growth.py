"""A rate grows while nothing is refused: carefully, but not for hours."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.pacing import crowd, growth
from completions_cli.pacing.learned import LearnedRate

_DELAY = 0.004  # seconds until a refusal arrives
RATES = st.floats(0.1, 100.0)


@given(RATES)
def test_a_rate_doubles_in_a_minute_and_a_half_however_low(rate: float) -> None:
    assert growth.after_measuring(rate, 90.0) >= 2 * rate


@given(RATES)
def test_a_rate_among_others_doubles_in_four_minutes(rate: float) -> None:
    assert crowd.grown(rate, 240.0) >= 2 * rate


@given(RATES, st.floats(0.0, 1000.0), st.floats(0.0, 1000.0))
def test_a_rate_never_falls_by_growing(rate: float, earlier: float, later: float) -> None:
    for grown in (growth.after_measuring, growth.doubling, crowd.grown):
        assert grown(rate, min(earlier, later)) <= grown(rate, max(earlier, later)) * (1 + 1e-9)


@given(st.floats(1.0, 100.0))
def test_the_first_growth_is_no_more_than_a_few_requests_bear(rate: float) -> None:
    assert growth.after_measuring(rate, max(5.0, 25 / rate)) <= rate * (1 + 1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_run_is_back_some_minutes_after_a_bad_one(share: float, seed: int) -> None:
    """A minute in which the server refused a share of all requests must not cost the run an hour."""
    learned, dice = LearnedRate(), random.Random(seed)
    learned.recall(0.0, 20.0)
    now = 0.0
    for end, refuses in ((10.0, 0.0), (70.0, share), (670.0, 0.0)):
        while now < end and (learned.rate(now) or 0.0) < 40.0:
            now += max(learned.wait(now), 1e-6)
            learned.take(now)
            if dice.random() < refuses:
                learned.history.refused(now)
                learned.refused(now + _DELAY, now)
            now += _DELAY
    assert (learned.rate(now) or 0.0) >= 10.0
