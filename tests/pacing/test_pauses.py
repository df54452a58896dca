"""While everything is refused, requests stop for a while instead of becoming ever rarer."""

import pytest

from completions_cli.pacing.learned import LearnedRate
from completions_cli.pacing.pauses import Pauses

_DELAY = 0.004  # seconds until a refusal arrives


def test_each_pause_is_twice_as_long_until_something_is_taken() -> None:
    pauses = Pauses()
    assert [pauses.begin(100.0 * number, rate=4.0) for number in range(7)] == [0.25, 0.5, 1, 2, 4, 8, 10]
    pauses.taken()
    assert pauses.begin(1000.0, rate=4.0) == 0.25


def test_a_pause_ends() -> None:
    pauses = Pauses()
    assert pauses.left(0.0) == 0
    pauses.begin(10.0, rate=2.0)
    assert [pauses.left(10.0), pauses.left(10.25), pauses.left(10.5), pauses.left(99.0)] == [0.5, 0.25, 0, 0]


def test_what_was_sent_before_a_pause_begins_no_other() -> None:
    pauses = Pauses()
    assert pauses.is_new(5.0)
    pauses.begin(10.0, rate=2.0)
    assert not pauses.is_new(9.9)
    assert pauses.is_new(10.6)


@pytest.mark.parametrize(("up", "down"), [(10, 2), (30, 5)])
def test_a_server_that_is_away_now_and_then_is_not_taken_for_one_that_others_fill(up: int, down: int) -> None:
    learned = LearnedRate()
    learned.recall(0.0, 20.0)
    now, taken = 0.0, 0
    while now < 300.0:
        now += max(learned.wait(now), 1e-6)
        learned.take(now)
        if now % (up + down) >= up or (learned.rate(now) or 0.0) > 25.0:
            learned.history.refused(now)
            learned.refused(now + _DELAY, now)
        else:
            taken += 1
        now += _DELAY
    assert taken >= 0.6 * 20.0 * 300.0 * up / (up + down)
