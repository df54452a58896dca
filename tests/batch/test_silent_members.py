"""Members of a pool that answer nothing: how many requests they get while others answer."""

from heapq import heappop, heappush

import pytest

from completions_cli.batch.pool.member import Health
from completions_cli.batch.pool.pace import PoolPace
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.pace import Pace, Ticket

NEVER = float("inf")


class Played:
    """A run on simulated members: `latencies` are how long each takes for a request, and may change."""

    def __init__(self, *latencies: float, in_flight: int = 8, rpm: float | None = None) -> None:
        self.now, self.latencies = 0.0, list(latencies)
        paces = [
            Pace(Concurrency(None, 1000), rpm if number == 0 else None, None, 0.0) for number in range(len(latencies))
        ]
        self.members = [Health(str(number), pace) for number, pace in enumerate(paces)]
        self.pool = PoolPace(list(zip(self.members, paces, strict=True)), Pace(Concurrency(in_flight), None, None, 0.0))
        self.paces, self.sent, self.done = paces, [0] * len(latencies), [0] * len(latencies)
        self._under_way: list[tuple[float, Ticket]] = []

    def go(self, seconds: float) -> None:
        """Send whatever may go for so long."""
        ends = self.now + seconds
        while self.now < ends:
            while self.pool.wait(self.now, 0, 0) <= 0:
                ticket = self.pool.leave(self.now, 0, 0)
                self.sent[ticket.member] += 1
                heappush(self._under_way, (self.now + self.latencies[ticket.member], ticket))
            self.now += 0.01
            while self._under_way and self._under_way[0][0] <= self.now:
                _, ticket = heappop(self._under_way)
                self.answer(ticket)

    def answer(self, ticket: Ticket) -> None:
        """Have a request answered."""
        self.done[ticket.member] += 1
        self.pool.answered(self.now, ticket, None)
        self.members[ticket.member].answered(self.now - ticket.sent_at)

    def wake(self, member: int) -> None:
        """Have a member answer what it has."""
        found = [ticket for _, ticket in self._under_way if ticket.member == member]
        self._under_way = [one for one in self._under_way if one[1].member != member]
        for ticket in found:
            self.answer(ticket)


@pytest.mark.parametrize("rpm", [None, 600.0])
def test_a_member_that_never_answers_leaves_the_others_their_share(rpm: float | None) -> None:
    run = Played(0.1, NEVER, rpm=rpm)
    run.go(60)
    assert run.sent[1] <= 4
    assert run.done[0] >= (590 if rpm else 0.9 * 4 / 0.1 * 60)


@pytest.mark.parametrize("rpm", [None, 600.0])
def test_a_member_that_hangs_after_a_while_does_not_keep_all_requests(rpm: float | None) -> None:
    run = Played(0.1, 0.1, rpm=rpm)
    run.go(30)
    sent, done = run.sent.copy(), run.done.copy()
    run.latencies[1] = NEVER
    run.go(60)
    assert run.sent[1] - sent[1] < 8
    assert run.paces[1].in_flight < 8
    assert run.done[0] - done[0] >= (500 if rpm else 0.9 * 3 / 0.1 * 60)


def test_one_that_gives_a_sign_again_is_asked_again() -> None:
    run = Played(0.1, NEVER)
    run.go(30)
    run.latencies[1] = 0.1
    run.wake(1)
    run.go(65)
    before = run.done.copy()
    run.go(30)
    assert run.done[1] - before[1] == pytest.approx(run.done[0] - before[0], rel=0.2)


def test_a_slow_one_is_tried_now_and_then() -> None:
    run = Played(0.1, 20.0)
    run.go(600)
    assert 5 <= run.done[1] <= 20
    assert run.done[0] >= 0.85 * 8 / 0.1 * 600


def test_one_that_is_only_slow_does_all_that_it_can() -> None:
    run = Played(0.1, 20.0, in_flight=1000, rpm=60.0)
    run.go(200)
    assert run.done[0] == pytest.approx(200, rel=0.05)
    assert run.done[1] >= 16 * 8  # what a limit of 16 that does not grow would let it do, its first answer waited for


def test_when_no_other_answers_it_is_asked_all_the_same() -> None:
    run = Played(NEVER, 0.1)
    run.go(20)
    run.latencies[1] = NEVER
    run.go(5)
    run.latencies[0] = 0.1
    run.members[1].is_gone = True
    run.wake(1)
    run.wake(0)
    before = run.done.copy()
    run.go(10)
    assert run.done[0] - before[0] > 500
