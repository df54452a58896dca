"""A server that refuses the first attempt of each row says nothing about the pace by that."""

import heapq
import itertools
import math
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


def windows_refused(*, count: int, window: float, phase: float, latency: float, rounded: bool) -> list[int]:
    """Play a server that takes `count` requests a window; return how many it refused in each of eight windows.

    All answers take equally long, so that they come in bunches.
    """
    pace = Pace(Concurrency(), None, None, 0.0)
    under_way: list[tuple[float, int, Ticket, bool]] = []
    waiting: list[float] = []
    now, number, current, left = 0.0, 0, 0, count
    refused = [0] * 8
    while now < 8 * window - phase:
        if (wait := pace.wait(now, 0, 0)) <= 0:
            is_repeat = bool(waiting and waiting[0] <= now)
            if is_repeat:
                heapq.heappop(waiting)
            number += 1
            ticket = pace.leave(now, 0, 0)._replace(is_repeat=is_repeat)
            if int((now + phase) // window) != current:
                current, left = int((now + phase) // window), count
            left -= 1
            refused[current] += left < 0
            heapq.heappush(under_way, (now + (latency if left >= 0 else 0.004), number, ticket, left >= 0))
            now += 1e-4
        elif not under_way or now + wait < under_way[0][0]:
            now += max(wait, 1e-6)
        else:
            end, _, ticket, is_taken = heapq.heappop(under_way)
            now = max(now, end)
            if is_taken:
                pace.answered(now, ticket, None)
            else:
                asked = window - (now + phase) % window
                asked = math.ceil(asked) if rounded else asked
                heapq.heappush(waiting, now + asked)
                pace.refused(now, ticket, asked)
    return refused


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("latency", [0.3, 1.0])
@pytest.mark.parametrize("phase", [0.0, 2.1, 4.3, 6.5, 8.7])
def test_a_window_is_not_taken_for_refused_first_attempts(phase: float, latency: float, rounded: bool) -> None:
    """It takes the rows that waited for it first, and refuses others when it is full: in that order."""
    refused = windows_refused(count=200, window=10.0, phase=phase, latency=latency, rounded=rounded)
    assert max(refused) < 200, refused
    assert max(refused[3:]) <= 10, refused  # nor is all refused again and again that is in flight at a time


def test_a_limit_is_not_taken_for_refused_first_attempts() -> None:
    """It takes first attempts, too, or refuses repeated ones."""
    firsts, dice = FirstAttempts(), random.Random(1)
    for now in range(10_000):
        firsts.refused(now, is_repeat=dice.random() < 0.5)
        firsts.answered(now + 1, now + 0.5, is_repeat=dice.random() < 0.5)
        assert not firsts.are_refused


def test_what_was_sent_before_the_refusals_says_nothing_of_them() -> None:
    firsts = FirstAttempts()
    for at in range(100):
        firsts.answered(200, at, is_repeat=True)
    for at in range(100, 200):
        firsts.refused(at, is_repeat=False)
    assert not firsts.are_refused


def test_first_attempts_have_to_be_refused_again_once_repeated_ones_were_answered() -> None:
    firsts = FirstAttempts()
    for at in range(100):
        firsts.refused(at, is_repeat=False)
    for at in range(100, 200):
        firsts.answered(300, at, is_repeat=True)
    for at in range(200, 300):
        firsts.refused(at, is_repeat=False)
    assert not firsts.are_refused  # others sent by then may have been taken
    for at in range(301, 310):
        firsts.refused(at, is_repeat=False)
    assert firsts.are_refused


def test_one_repeated_row_that_is_refused_makes_for_more_doubt_the_next_time() -> None:
    firsts, clock = FirstAttempts(), itertools.count()

    def rows_until_sure() -> int:
        for rows in itertools.count(1):
            firsts.refused(next(clock), is_repeat=False)
            sent_at = next(clock)
            firsts.answered(next(clock), sent_at, is_repeat=True)
            if firsts.are_refused:
                return rows
        raise AssertionError

    once = rows_until_sure()
    firsts.refused(next(clock), is_repeat=True)
    assert not firsts.are_refused
    assert once + 10 < rows_until_sure() < 100
    firsts.answered(next(clock), next(clock), is_repeat=False)  # the server takes first attempts now
    assert not firsts.are_refused
