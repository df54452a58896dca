"""Whom the wait that a refusal asks for holds: everybody while what is sent since is refused, too."""

import heapq
import random
from collections import Counter
from collections.abc import Callable

import pytest

from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.pace import Pace, Ticket
from completions_cli.pacing.retry_after import RetryAfter

IN_FLIGHT = 64
ANSWER, REFUSAL = 0.05, 0.01  # seconds that they take


def played(refuses: Callable[[float], bool], status: int, asked: float, seconds: float) -> Counter[bool]:
    """Play a server that says of a moment whether it refuses; return how many were taken and refused after a third."""
    pace = Pace(Concurrency(IN_FLIGHT), None, None, 0.0)
    under_way: list[tuple[float, int, Ticket, bool]] = []
    seen = Counter[bool]()
    now, number = 0.0, 0
    while now < seconds:
        while (wait := pace.wait(now, 0, 0)) <= 0 and now < seconds:
            number += 1
            refused = refuses(now)
            seen[not refused] += now > seconds / 3
            end = now + (REFUSAL if refused else ANSWER)
            heapq.heappush(under_way, (end, number, pace.leave(now, 0, 0), refused))
            now += 1e-4  # nothing leaves at the same moment
        if not under_way or now + wait < under_way[0][0]:
            now += max(wait, 1e-6)
            continue
        end, _, ticket, refused = heapq.heappop(under_way)
        now = max(now, end)
        if not refused:
            pace.answered(now, ticket, None)
        elif status == 429:
            pace.refused(now, ticket, asked)
        else:
            pace.failed(now, ticket, overloaded=status != 500, retry_after=asked)
    return seen


@pytest.mark.parametrize("asked", [1.0, 5.0])
@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_refusals_by_chance_hold_nobody_else(share: float, status: int, asked: float) -> None:
    dice = random.Random(1)
    seen = played(lambda _: dice.random() < share, status, asked, seconds=30.0)
    a_request = ANSWER * (1 - share) + REFUSAL * share
    assert seen[True] > 0.5 * 20 * IN_FLIGHT / a_request * (1 - share)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_window_that_is_used_up_holds_everybody(status: int) -> None:
    """300 requests in every ten seconds; what is refused asks to wait until the next ten begin."""
    taken = Counter[int]()

    def refuses(now: float) -> bool:
        taken[int(now // 10)] += 1
        return taken[int(now // 10)] > 300

    refused = sum(played(refuses, status, 10.0, seconds=60.0).values()) - 300 * 4
    assert refused <= 0.5 * 300 * 4


def test_a_wait_ends_when_what_was_sent_after_the_refused_request_is_taken() -> None:
    wait = RetryAfter()
    for moment in (0.0, 0.1, 0.2):
        wait.sent(moment)
    assert not wait.asked(0.3, 0.1, 5.0)
    wait.taken(0.31, 0.0)  # sent before it
    assert wait.wait(0.31) > 0
    wait.taken(0.32, 0.2)
    assert wait.wait(0.32) == 0.0
    held, wasted = wait.held(0.4)
    assert held == wasted == pytest.approx(0.02)


def test_a_request_sent_since_is_taken_when_it_is_not_refused_in_time() -> None:
    wait = RetryAfter()
    wait.sent(0.0)
    wait.sent(0.1)
    wait.asked(0.11, 0.0, 30.0)
    assert wait.wait(0.11) == pytest.approx(0.32)  # three times what the refusal took
    assert wait.wait(0.44) == 0.0


def test_a_row_of_refusals_that_chance_explains_holds_nobody() -> None:
    """Half of all are refused: five in a row mean nothing, twenty do."""
    wait, dice = RetryAfter(), random.Random(1)
    now = 0.0
    for _ in range(400):
        now += 0.01
        wait.sent(now)
        if dice.random() < 0.5:
            wait.asked(now, now, 30.0)
        else:
            wait.taken(now, now)
    for row in range(20):
        now += 0.01
        wait.sent(now)
        wait.asked(now, now, 30.0)
        assert row >= 5 or wait.wait(now) == 0.0
    assert wait.wait(now) > 0.0


def test_waits_that_hold_are_kept_whole() -> None:
    wait = RetryAfter()
    for moment in (0.0, 0.1, 0.2):
        wait.sent(moment)
    for moment in (0.0, 0.1, 0.2):
        wait.asked(0.3, moment, 5.0)
    assert wait.wait(0.3) == pytest.approx(5.0)
    assert wait.left(0.3) == pytest.approx(5.0)
