"""Several clients at one limit: their refusals are told from chance, and their rates even out."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.pacing import crowd
from completions_cli.pacing.crowd import Crowd
from completions_cli.pacing.history import History
from completions_cli.pacing.learned import LearnedRate

_DELAY = 0.004  # seconds until a refusal arrives


@pytest.mark.parametrize("share", [0.01, 0.05, 0.1, 0.5, 0.9])
def test_refusals_by_chance_may_be_chance(share: float) -> None:
    dice = random.Random(7)
    verdicts = [
        Crowd().may_be_chance(_history([dice.random() < share for _ in range(1000)]), 100.0) for _ in range(100)
    ]
    assert verdicts.count(False) <= 1


@pytest.mark.parametrize(("taken", "refused"), [(60, 12), (30, 10), (200, 6), (12, 40)])
def test_refusals_that_come_in_bursts_are_no_chance(taken: int, refused: int) -> None:
    period = [False] * taken + [True] * refused
    assert not Crowd().may_be_chance(_history(list(itertools.islice(itertools.cycle(period), 1000))), 100.0)


@given(st.lists(st.booleans(), max_size=39))
def test_few_requests_tell_nothing(refused: list[bool]) -> None:
    assert Crowd().may_be_chance(_history(refused), 100.0)


def test_what_is_long_past_tells_nothing() -> None:
    history = _history(([False] * 60 + [True] * 12) * 10)
    assert not Crowd().may_be_chance(history, 100.0)
    assert Crowd().may_be_chance(history, 1000.0)


@given(st.floats(min_value=5.5, max_value=50.0), st.floats(min_value=5.5, max_value=50.0))
def test_two_rates_even_out_where_both_see_the_same_share_refused(first: float, second: float) -> None:
    rates, due = [first, second], [0.0, 0.0]
    for _ in range(3000):  # tenths of a second
        share = max(0.0, 1 - 40.0 / sum(rates))
        for which, rate in enumerate(rates):
            due[which] += rate * 0.1 * share
            rates[which] = crowd.cut(rate) if due[which] >= 1 else crowd.grown(rate, 0.1)
            due[which] %= 1
    assert max(rates) <= 1.35 * min(rates)


def test_what_others_cause_for_a_while_is_not_taken_for_chance() -> None:
    learned = LearnedRate()
    learned.begin(0.0, 20.0)
    assert max(_noises(learned, [*[False] * 200, *[False, True] * 15] * 5)) == 0.0


def test_others_are_remembered_through_minutes_without_a_sign() -> None:
    others = Crowd()
    others.noticed(0.0, 20.0)
    assert others.is_here(150.0)


def test_what_was_no_crowd_is_judged_by_its_last_requests_alone() -> None:
    """A share over all the time since the first sign would be tiny, and take thousands of requests to try."""
    dice, others = random.Random(17), Crowd()
    others.noticed(0.0, 20.0)
    history = _history([*[False] * 900, *[dice.random() < 0.5 for _ in range(60)]])
    assert others.was_mistaken(history, 96.0)
    sent, refused = history.counts(others.since, 96.0)
    assert refused > 0.3 * sent


def test_refusals_by_chance_are_still_found() -> None:
    dice, learned = random.Random(11), LearnedRate()
    learned.begin(0.0, 20.0)
    assert _noises(learned, [dice.random() < 0.5 for _ in range(1000)])[-1] > 0.3


def test_refusals_by_chance_that_begin_late_are_found() -> None:
    dice, learned = random.Random(13), LearnedRate()
    learned.begin(0.0, 20.0)
    assert _noises(learned, [*[False] * 400, *[dice.random() < 0.5 for _ in range(200)]])[-1] > 0.3


def _history(refused: list[bool]) -> History:
    """Return a history of requests that ends after 100 s at the latest, ten a second."""
    history = History()
    for number, is_refused in enumerate(refused):
        history.sent(number / 10)
        if is_refused:
            history.refused(number / 10)
    return history


def _noises(learned: LearnedRate, refused: list[bool]) -> list[float]:
    """Send a request as soon as the rate allows, each refused or not whatever the rate; return the noise after each."""
    now, noises = 0.0, []
    for is_refused in refused:
        while (wait := learned.wait(now)) > 0:
            now += max(wait, 1e-6)
        learned.take(now)
        if is_refused:
            learned.history.refused(now)
            learned.refused(now + _DELAY, now)
        now += _DELAY
        noises.append(learned.noise)
    return noises
