"""The line of those who wait: the oldest place goes first, whatever is cancelled, sent again or closed meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.gate import ClosedError, Gate
from completions_cli.pacing.pace import Pace, Ticket


class OneAtATime:
    """A gate that lets one request through at a time, and the order in which requests went."""

    def __init__(self) -> None:
        self.pace = Pace(Concurrency(1), None, None, 0.0)
        self.gate = Gate(self.pace, lambda: 0.0)
        self.went: list[int] = []
        self.ticket: Ticket | None = None

    async def enter(self, name: int, place: int | None = None) -> None:
        """Wait for a turn, and stay in flight."""
        self.ticket = await self.gate.enter(0.0, 0.0, place)
        self.went.append(name)

    async def end(self) -> None:
        """End the request in flight; the next one goes."""
        assert self.ticket
        ticket, self.ticket = self.ticket, None
        self.pace.answered(0.0, ticket, None)
        self.gate.pump()
        await settle()


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def run(play: Callable[[OneAtATime], Awaitable[None]]) -> list[int]:
    """Play with a gate; return the order in which requests went."""

    async def main() -> list[int]:
        line = OneAtATime()
        await play(line)
        return line.went

    return asyncio.run(main())


def test_a_request_that_is_sent_again_goes_before_those_that_came_later() -> None:
    async def play(line: OneAtATime) -> None:
        place = line.gate.place()
        await line.enter(0, place)
        others = [asyncio.create_task(line.enter(name)) for name in range(1, 4)]
        await settle()
        again = asyncio.create_task(line.enter(0, place))
        for _ in range(4):
            await settle()
            await line.end()
        await asyncio.gather(again, *others)

    assert run(play) == [0, 0, 1, 2, 3]


@given(st.permutations(range(8)), st.sets(st.integers(min_value=0, max_value=7)))
def test_the_oldest_that_was_not_cancelled_goes_first(order: list[int], cancelled: set[int]) -> None:
    async def play(line: OneAtATime) -> None:
        places = [line.gate.place() for _ in range(9)]
        await line.enter(8, places[8])
        tasks = {name: asyncio.create_task(line.enter(name, places[name])) for name in order}
        await settle()
        for name in cancelled:
            tasks[name].cancel()
        for _ in range(9 - len(cancelled)):
            await line.end()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert line.pace.in_flight == 0

    assert run(play) == [8, *(name for name in range(8) if name not in cancelled)]


def test_a_request_cancelled_when_its_turn_has_come_leaves_it_to_the_next() -> None:
    async def play(line: OneAtATime) -> None:
        await line.enter(0)
        first = asyncio.create_task(line.enter(1))
        second = asyncio.create_task(line.enter(2))
        await settle()
        assert line.ticket
        line.pace.answered(0.0, line.ticket, None)
        line.gate.pump()
        first.cancel()
        await settle()
        assert first.cancelled()
        await second
        assert line.pace.in_flight == 1

    assert run(play) == [0, 2]


def test_an_older_request_goes_at_once_where_the_first_in_the_line_needs_more() -> None:
    async def play(line: OneAtATime) -> None:
        line.pace = line.gate.pace = Pace(Concurrency(9), None, 600.0, 0.0)  # two seconds' worth: 20 tokens
        place = line.gate.place()
        first = await line.gate.enter(15.0, 15.0, place)
        large = asyncio.create_task(line.gate.enter(15.0, 15.0))
        await settle()
        assert not large.done()
        await line.gate.enter(5.0, 5.0, place)
        assert line.pace.in_flight == 2
        line.pace.failed(0.0, first, overloaded=False)
        line.gate.pump()
        await large

    run(play)


def test_closing_ends_all_who_wait_and_those_who_come() -> None:
    async def play(line: OneAtATime) -> None:
        await line.enter(0)
        waiting = [asyncio.create_task(line.enter(name)) for name in range(1, 4)]
        await settle()
        waiting[1].cancel()
        line.gate.close()
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in ended] == [ClosedError, asyncio.CancelledError, ClosedError]
        with pytest.raises(ClosedError):
            await line.enter(4)
        await line.end()

    assert run(play) == [0]
