"""How fast to ask: limits are kept, nothing waits for ever, and what the server says is obeyed."""

import heapq
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.pacing.bucket import Bucket
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.learned import LearnedRate
from completions_cli.pacing.mirror import Mirror
from completions_cli.pacing.pace import FULL, Memory, Pace, Ticket

costs = st.lists(st.floats(min_value=0.1, max_value=5000), min_size=1, max_size=60)
rates = st.floats(min_value=0.5, max_value=100_000)


@given(rates, costs, st.lists(st.floats(min_value=0, max_value=20), min_size=60, max_size=60))
def test_a_bucket_is_never_overdrawn_by_more_than_one_request(
    per_minute: float, amounts: list[float], idles: list[float]
) -> None:
    bucket = Bucket(per_minute, 0.0)
    now = 0.0
    taken: list[tuple[float, float]] = []
    for cost, idle in zip(amounts, idles, strict=False):
        now += idle
        now += bucket.wait(now, cost)
        assert bucket.wait(now, cost) < 1e-6
        bucket.take(now, cost)
        taken.append((now, cost))
    for start in range(len(taken)):
        span = taken[-1][0] - taken[start][0]
        total = sum(cost for _, cost in taken[start:])
        assert total <= bucket.rate * span * (1 + 1e-9) + bucket.capacity + max(amounts) + 1e-6


@given(rates, st.floats(min_value=0, max_value=1e9))
def test_what_is_larger_than_the_whole_budget_waits_a_bounded_time(per_minute: float, cost: float) -> None:
    bucket = Bucket(per_minute, 0.0, start=0.0)
    wait = bucket.wait(0.0, cost)
    assert wait <= bucket.capacity / bucket.rate + 1e-6


def test_a_refund_is_given_but_not_hoarded() -> None:
    bucket = Bucket(60, 0.0)
    bucket.take(0.0, 2.0)
    assert bucket.wait(0.0, 1.0) == pytest.approx(1.0)
    bucket.take(0.0, -1.0)
    assert bucket.wait(0.0, 1.0) == 0.0
    bucket.take(0.0, -100.0)
    assert bucket.wait(0.0, 2.0) == 0.0
    bucket.take(0.0, 2.0)
    assert bucket.wait(0.0, 1.0) > 0.9


@pytest.mark.parametrize("remaining", [-61.0, -1e9, float("-inf")])
def test_a_debt_beyond_reason_is_waited_for_two_minutes_at_most(remaining: float) -> None:
    mirror = Mirror()
    mirror.read(0.0, 60.0, remaining, 0.0)
    assert mirror.wait(0.0, 1.0) == pytest.approx(61.0)


RATE_HEADERS = {
    "x-ratelimit-limit-requests": "60",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-limit-tokens": "6000",
    "x-ratelimit-remaining-tokens": "-100",
}


@pytest.mark.parametrize(
    ("changes", "wait", "counts_tokens"),
    [
        ({"x-ratelimit-remaining-tokens": None}, 1.0, False),
        ({"x-ratelimit-remaining-requests": None}, 2.12, True),
        ({}, 2.12, True),
        ({"x-ratelimit-remaining-requests": "60", "x-ratelimit-remaining-tokens": "6000"}, 0.0, True),
        ({"x-ratelimit-limit-requests": None, "x-ratelimit-limit-tokens": "many"}, 0.0, True),
        ({"x-ratelimit-remaining-requests": "1.5", "x-ratelimit-remaining-tokens": "\u00b2"}, 0.0, True),
    ],
)
def test_what_a_server_says_is_left_is_waited_for(
    changes: dict[str, str | None], wait: float, *, counts_tokens: bool
) -> None:
    pace = Pace(Concurrency(8), None, None, 0.0)
    ticket = pace.leave(0.0, 10.0, 100.0)
    pace.read(0.0, ticket, {**RATE_HEADERS, **changes}.get)
    assert pace.wait(0.0, 10.0, 100.0) == pytest.approx(wait)
    assert pace.counts_tokens is counts_tokens


def test_a_mirror_takes_off_what_was_sent_after_the_request_it_hears_of() -> None:
    mirror = Mirror()
    for _ in range(10):
        mirror.take(0.0, 1.0)
    assert mirror.wait(0.0, 1.0) == 0.0
    mirror.read(0.0, 600, 5, charged_then=4.0)  # then six more went out: one too many
    assert mirror.wait(0.0, 1.0) == pytest.approx((1 + 1) / 10)
    mirror.read(0.0, 600, 500, charged_then=3.0)  # an older answer
    assert mirror.wait(0.0, 1.0) > 0
    mirror.read(0.0, 600, 500, charged_then=10.0)
    assert mirror.wait(0.0, 1.0) == 0.0
    mirror.read(0.0, 600, -50, charged_then=10.0)
    assert mirror.wait(0.0, 1.0) > 5


def test_a_mirror_fills_between_two_answers_and_is_drained_by_what_is_sent() -> None:
    mirror = Mirror(reserve=0.002)
    mirror.read(100.0, 0, 50, charged_then=0.0)  # no limit at all says nothing
    assert not mirror.is_known
    mirror.read(100.0, 600, 0, charged_then=0.0)
    assert mirror.wait(100.0, 10.0) == pytest.approx(1.12)
    assert mirror.wait(101.0, 10.0) == pytest.approx(0.12)
    assert mirror.wait(102.0, 10.0) == 0.0
    mirror.take(102.0, 10.0)
    mirror.take(103.0, 10.0)
    assert mirror.wait(103.0, 10.0) == pytest.approx(0.12)
    mirror.take(900.0, 590.0)  # by then it is full, and no fuller
    assert mirror.wait(900.0, 10.0) == pytest.approx(0.12)


def test_a_server_that_saves_nothing_up_is_sent_a_request_as_soon_as_one_is_due() -> None:
    pace = Pace(Concurrency(8), None, None, 0.0)
    headers = {"x-ratelimit-limit-requests": "1800", "x-ratelimit-remaining-requests": "0"}
    pace.read(0.0, pace.leave(0.0, 1.0, 1.0), headers.get)
    assert pace.wait(0.0, 1.0, 1.0) == pytest.approx(1 / 30)


def test_a_mirror_of_a_limit_of_one_lets_one_through() -> None:
    mirror = Mirror()
    mirror.read(0.0, 1, 1, charged_then=0.0)
    assert mirror.wait(0.0, 1.0) == 0.0
    mirror.take(0.0, 1.0)
    assert mirror.wait(0.0, 1.0) == pytest.approx(60.0)


def test_the_user_rate_is_kept_evenly_from_the_start() -> None:
    pace = Pace(Concurrency(1000), 600, None, 0.0)
    sent = _send_until(pace, 60.0)
    assert len(sent) == pytest.approx(600, abs=2)
    assert max(len([at for at in sent if start <= at < start + 1]) for start in range(60)) <= 11


def test_a_token_rate_holds_although_guesses_are_wrong() -> None:
    pace = Pace(Concurrency(1000), None, 6000, 0.0)
    used = 0.0
    for at in _steps(120.0):
        if pace.wait(at, 300.0, 300.0) <= 0:
            ticket = pace.leave(at, 300.0, 300.0)
            pace.answered(at, ticket, 100.0)
            used += 100.0
    assert used == pytest.approx(12_000, rel=0.05)


def test_one_retry_after_holds_everybody() -> None:
    pace = Pace(Concurrency(10), None, None, 0.0)
    tickets = [pace.leave(0.0, 0, 0) for _ in range(5)]
    pace.refused(1.0, tickets[0], 7.0)
    pace.answered(1.0, tickets[1], None)
    assert pace.wait(1.0, 0, 0) == pytest.approx(7.0)
    assert pace.wait(7.9, 0, 0) > 0
    assert pace.wait(8.1, 0, 0) == 0.0


def test_no_test_of_a_wait_shortens_a_pause() -> None:
    pace = Pace(Concurrency(10), None, None, 0.0)
    pace.refused(0.0, pace.leave(0.0, 0, 0), 1.0)  # the first wait is kept whole
    pace.refused(2.0, pace.leave(2.0, 0, 0), 8.0)  # the second is tested
    assert pace.wait(6.5, 0, 0) == 0.0
    pace.pause(9.0)
    assert pace.wait(6.5, 0, 0) == pytest.approx(2.5)
    assert pace.wait(9.0, 0, 0) == 0.0
    pace.pause(20.0)
    assert pace.wait(12.0, 0, 0) == pytest.approx(8.0)


def test_a_shorter_wait_does_not_shorten_a_longer_one() -> None:
    pace = Pace(Concurrency(10), None, None, 0.0)
    one, other = pace.leave(0.0, 0, 0), pace.leave(0.0, 0, 0)
    pace.refused(0.0, one, 30.0)
    pace.refused(0.0, other, 1.0)
    assert pace.wait(2.0, 0, 0) == pytest.approx(28.0)


def test_a_longer_wait_counts_even_right_after_a_shorter_one() -> None:
    pace = Pace(Concurrency(10), None, None, 0.0)
    one, other = pace.leave(0.0, 0, 0), pace.leave(0.0, 0, 0)
    pace.refused(0.0, one, 1.0)
    pace.refused(0.1, other, 30.0)
    assert pace.wait(2.0, 0, 0) == pytest.approx(28.1)


def test_no_more_are_in_flight_than_allowed() -> None:
    pace = Pace(Concurrency(3), None, None, 0.0)
    tickets = [pace.leave(0.0, 0, 0) for _ in range(3)]
    assert pace.wait(0.0, 0, 0) == FULL
    pace.answered(0.1, tickets[0], None)
    assert pace.wait(0.1, 0, 0) == 0.0
    pace.narrow(2)
    assert pace.wait(0.1, 0, 0) == FULL
    pace.narrow(None)
    assert pace.wait(0.1, 0, 0) == FULL  # what waits does not come all at once
    pace.answered(0.2, tickets[1], None)
    assert pace.wait(0.2, 0, 0) == 0.0
    tickets.append(pace.leave(0.2, 0, 0))
    pace.answered(0.3, tickets[2], None)
    tickets.append(pace.leave(0.3, 0, 0))
    assert pace.wait(0.3, 0, 0) == 0.0
    pace.leave(0.3, 0, 0)
    assert pace.wait(0.3, 0, 0) == FULL


def test_after_an_outage_it_starts_as_at_the_beginning() -> None:
    pace = Pace(Concurrency(), None, None, 0.0)
    for step in range(2000):
        pace.answered(step / 10 + 0.1, pace.leave(step / 10, 0, 0), None)
    grown = pace.concurrency
    for _ in range(400):
        grown.answered(0.1, grown.limit)
    assert grown.limit > 100
    pace.narrow(2)
    pace.narrow(None)
    assert grown.limit == Concurrency().limit


def test_concurrency_grows_while_latency_stays_and_shrinks_where_it_rises() -> None:
    concurrency = Concurrency()
    start = concurrency.limit
    for _ in range(200):
        concurrency.answered(0.1, concurrency.limit)
    grown = concurrency.limit
    assert grown > 4 * start
    for _ in range(2000):
        concurrency.answered(0.1 * concurrency.limit / start, concurrency.limit)
    assert concurrency.limit < 2 * start


def test_concurrency_stops_where_requests_only_queue() -> None:
    concurrency = Concurrency()
    for _ in range(20_000):
        # A server with eight places: more in flight only wait longer.
        concurrency.answered(0.1 * max(1.0, concurrency.limit / 8), concurrency.limit)
    assert 8 <= concurrency.limit <= 24


def test_longer_work_is_no_reason_to_slow_down() -> None:
    concurrency = Concurrency()
    for _ in range(3000):
        concurrency.answered(0.1, concurrency.limit)
    grown = concurrency.limit
    for _ in range(10_000):
        concurrency.answered(1.0, concurrency.limit)
    assert concurrency.limit >= grown


def test_what_is_set_does_not_adapt() -> None:
    concurrency = Concurrency(5)
    for moment in range(1000):
        concurrency.answered(0.1 if moment < 500 else 5.0, 5)
    assert concurrency.limit == 5


def _answers_a_second(*, share: float = 0.0, places: int | None = None) -> float:
    """Play a server of which a share of the answers are 503, and all beyond its places; return what gets through."""
    pace, chance = Pace(Concurrency(most=256), None, None, 0.0), random.Random(1)
    under_way: list[tuple[float, int, Ticket, bool]] = []  # when it ends, its number, and whether it fails
    now, number, working, answered = 0.0, 0, 0, 0
    while now < 90.0:
        while (wait := pace.wait(now, 0, 0)) <= 0:
            failing = chance.random() < share or (places is not None and working >= places)
            working += not failing
            number += 1
            end = now + (0.02 if failing else chance.uniform(0.15, 0.25))
            heapq.heappush(under_way, (end, number, pace.leave(now, 0, 0), failing))
        if not under_way or now + wait < under_way[0][0]:
            now += max(wait, 1e-6)
            continue
        now, _, ticket, failing = heapq.heappop(under_way)
        if failing:
            pace.failed(now, ticket, overloaded=True)
        else:
            working -= 1
            answered += now > 60.0
            pace.answered(now, ticket, None)
    return answered / 30


@pytest.mark.parametrize("share", [0.02, 0.5])
def test_failures_that_going_slower_does_not_cure_do_not_slow_it_down(share: float) -> None:
    assert _answers_a_second(share=share) >= 0.6 * 256 / 0.2 * (1 - share)


@pytest.mark.parametrize("places", [1, 16])
def test_failures_beyond_what_the_server_has_room_for_find_its_room(places: int) -> None:
    assert 0.75 * places / 0.2 <= _answers_a_second(places=places) <= 1.05 * places / 0.2


@pytest.mark.parametrize("limit", [2.0, 10.0, 100.0])
def test_bare_refusals_teach_the_rate(limit: float) -> None:
    taken, refused = _against_a_bucket(limit, seconds=200.0, change=lambda _: limit)
    late = [at for at in taken if at >= 60]
    assert len(late) >= 0.9 * limit * 140
    assert len([at for at in refused if at >= 60]) < 0.05 * len(late)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_limit_that_changed_is_found_within_fifteen_seconds(factor: float) -> None:
    taken, _ = _against_a_bucket(20.0, seconds=140.0, change=lambda now: 20.0 * (factor if now > 100 else 1.0))
    assert len([at for at in taken if 115 <= at < 125]) >= 0.9 * 20.0 * factor * 10


@given(st.integers(min_value=0, max_value=2**32), st.floats(min_value=0.0, max_value=0.9))
def test_no_pattern_of_refusals_stops_everything(seed: int, share: float) -> None:
    chance = random.Random(seed)
    rate = LearnedRate()
    now, waited = 0.0, 0.0
    for _ in range(300):
        began = now
        while (wait := rate.wait(now)) > 0:
            now += wait + 1e-6
        waited = max(waited, now - began)
        rate.take(now)
        sent_at, now = now, now + 0.01
        if chance.random() < share:
            rate.refused(now, sent_at)
    assert waited <= 75.0


def _steps(seconds: float) -> list[float]:
    return [step / 100 for step in range(int(seconds * 100))]


def _send_until(pace: Pace, end: float) -> list[float]:
    sent = []
    for at in _steps(end):
        while pace.wait(at, 0, 0) <= 0:
            pace.answered(at, pace.leave(at, 0, 0), None)
            sent.append(at)
    return sent


def _against_a_bucket(
    limit: float, *, seconds: float, change: Callable[[float], float]
) -> tuple[list[float], list[float]]:
    """Play a server that has a minute's worth saved up and says nothing but 429; requests take 50 ms."""
    pace = Pace(Concurrency(), None, None, 0.0)
    level, taken, refused = limit * 60, list[float](), list[float]()
    answers: list[tuple[float, Ticket, bool]] = []
    for at in _steps(seconds):
        level = min(limit * 60, level + change(at) / 100)
        while answers and answers[0][0] <= at:
            _, ticket, accepted = answers.pop(0)
            if accepted:
                pace.answered(at, ticket, None)
            else:
                pace.refused(at, ticket, None)
        while pace.wait(at, 0, 0) <= 0:
            accepted = level >= 1
            level -= accepted
            (taken if accepted else refused).append(at)
            answers.append((at + 0.05, pace.leave(at, 0, 0), accepted))
    return taken, refused


def test_a_pace_that_takes_over_is_no_faster_than_the_one_before() -> None:
    before = Pace(Concurrency(100), 600, None, now=0.0)
    before.pause(3.0)
    after = Pace(Concurrency(100), 600, None, now=50.0)
    after.recall(60.0, before.memory(1.0))
    assert after.wait(60.0, 0, 0) == pytest.approx(2.0)
    assert after.wait(62.0, 0, 0) == 0.0  # two seconds filled it; nothing was left from the ten before
    sent = 0
    while after.wait(62.0, 0, 0) == 0:
        after.leave(62.0, 0, 0)
        sent += 1
    assert sent == 20


def test_a_learned_rate_is_handed_over() -> None:
    taught, fresh = LearnedRate(), Pace(Concurrency(100), None, None, now=0.0)
    taught.recall(0.0, 10.0)
    assert taught.rate(5.0) == pytest.approx(10.0)
    fresh.recall(0.0, Memory(0.0, taught.rate(5.0)))
    assert fresh.memory(5.0).rate == pytest.approx(10.0)
    assert fresh.wait(0.0, 0, 0) > 0
