"""A server that refuses the first attempt of each row says nothing about the pace by that."""

import heapq
import random

import pytest

from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.first_attempts import FirstAttempts
from completions_cli.pacing.pace import Pace, Ticket


def rows_taken(*, asked: float | None, status: int, seconds: float) -> int:
    """Play a server that takes each row the second time; refused rows go first when their wait is over."""
    pace = Pace(Concurrency(32), None, None, 0.0)
    under_way: list[tuple[float, int, Ticket]] = []
    waiting: list[float] = []
    now, number, taken = 0.0, 0, 0
    while now < seconds:
        while (wait := pace.wait(now, 0, 0)) <= 0 and now < seconds:
            is_repeat = bool(waiting and waiting[0] <= now)
            if is_repeat:
                heapq.heappop(waiting)
            number += 1
            ticket = pace.leave(now, 0, 0)._replace(is_repeat=is_repeat)
            heapq.heappush(under_way, (now + (0.05 if is_repeat else 0.01), number, ticket))
            now += 1e-4
        if not under_way or now + wait < under_way[0][0]:
            now += max(wait, 1e-6)
            continue
        end, _, ticket = heapq.heappop(under_way)
        now = max(now, end)
        if ticket.is_repeat:
            taken += 1
            pace.answered(now, ticket, None)
        else:
            heapq.heappush(waiting, now + (asked or 0.0))
            if status == 429:
                pace.refused(now, ticket, asked)
            else:
                pace.failed(now, ticket, overloaded=True, retry_after=asked)
    return taken


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("asked", [None, 0.15, 1.0, 5.0])
def test_refused_first_attempts_do_not_slow_a_run_down(asked: float | None, status: int) -> None:
    unpaced = 32 / 0.06
    assert rows_taken(asked=asked, status=status, seconds=20.0) >= 0.8 * unpaced * (20.0 - 2 * (asked or 0.0) - 1.0)


def test_a_limit_is_not_taken_for_refused_first_attempts() -> None:
    """It takes first attempts, too, or refuses repeated ones."""
    firsts, dice = FirstAttempts(), random.Random(1)
    for _ in range(10_000):
        firsts.refused(is_repeat=dice.random() < 0.5)
        firsts.answered(is_repeat=dice.random() < 0.5)
        assert not firsts.are_refused


def test_one_repeated_row_that_is_refused_makes_for_more_doubt_the_next_time() -> None:
    firsts = FirstAttempts()

    def are_refused_after(rows: int) -> bool:
        for _ in range(rows):
            firsts.refused(is_repeat=False)
            firsts.answered(is_repeat=True)
        return firsts.are_refused

    assert [are_refused_after(15), are_refused_after(1)] == [False, True]
    firsts.refused(is_repeat=True)
    assert [are_refused_after(31), are_refused_after(1)] == [False, True]
    firsts.answered(is_repeat=False)  # the server takes first attempts now
    assert not firsts.are_refused
