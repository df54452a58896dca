"""What waited goes out one after another, so that a limit refuses a few requests and not a whole bunch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.pacing.spread import Spread


def spread(*, delay: float, level: int, asked: float, latency: float) -> list[float]:
    """Return when twice as many requests as were in flight go out after a refusal, in seconds."""
    spread, now, sent = Spread(), 100.0, []
    spread.answered(latency)
    spread.refused(delay, level, asked)
    for _ in range(2 * level):
        now += spread.wait(now)
        spread.sent(now)
        sent.append(now - 100.0)
    return sent


def test_nothing_is_spaced_out_before_the_first_refusal() -> None:
    fresh = Spread()
    for _ in range(100):
        assert fresh.wait(1.0) == 0
        fresh.sent(1.0)


def test_few_requests_go_out_until_a_refusal_arrives() -> None:
    sent = spread(delay=0.004, level=100, asked=10.0, latency=1.0)
    assert sum(at < 0.004 for at in sent) <= 3


@given(
    delay=st.floats(0.0001, 10.0),
    level=st.integers(1, 200),
    asked=st.floats(0.001, 100.0),
    latency=st.floats(0.001, 60.0),
)
def test_little_time_is_lost_by_it(delay: float, level: int, asked: float, latency: float) -> None:
    sent = spread(delay=delay, level=level, asked=asked, latency=latency)
    assert sent[-1] <= min(latency / 2, asked / 20) * 1.001


def test_it_ends_with_what_was_in_flight_before() -> None:
    sent = spread(delay=0.01, level=10, asked=60.0, latency=1.0)
    assert sent[9] == pytest.approx(0.045)
    assert len(set(sent[10:])) == 1
