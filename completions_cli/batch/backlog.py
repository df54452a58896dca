"""The units still to be sent: new ones, those to send again now, and those that wait before they are sent again."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

_MOST_DELAYED = 4096  # units that may wait for their next try, beside as many as there are workers

Unit = TypeVar("Unit")


class Backlog(Generic[Unit]):
    """Hands out units. `closed` means that no more are to be had, whatever is left."""

    def __init__(self, new: Iterator[Unit], clock: Callable[[], float]) -> None:
        self._new = new
        self._clock = clock
        self._ready: deque[Unit] = deque()
        self._delayed: list[tuple[float, int, Unit]] = []
        self._order = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self.is_drained = False  # of new units
        self.is_closed = False
        self.workers = 0

    def take(self) -> Unit | None:
        """Return the next unit to send, or None if there is none now. Raises the errors of reading the input."""
        if self.is_closed:
            return None
        if self._ready:
            return self._ready.popleft()
        if self._delayed and self._is_due():
            return heapq.heappop(self._delayed)[2]
        if not self.is_drained and len(self._delayed) < _MOST_DELAYED + self.workers:
            unit = next(self._new, None)
            self.is_drained = unit is None
            return unit
        return None

    def swap(self, unit: Unit) -> Unit | None:
        """Return a unit whose wait is over, and keep `unit` in its place; None if no wait is over."""
        if not self._delayed or self.is_closed or not self._is_due():
            return None
        other = heapq.heappop(self._delayed)[2]
        self.first(unit)
        self.wake()
        return other

    def _is_due(self) -> bool:
        return self._delayed[0][0] <= self._clock()

    @property
    def is_empty(self) -> bool:
        """True if nothing is left except units in progress."""
        return self.is_closed or (self.is_drained and not self._ready and not self._delayed)

    def first(self, *units: Unit) -> None:
        """Put units in front of all others, in their order."""
        self._ready.extendleft(reversed(units))

    def last(self, unit: Unit) -> None:
        """Put a unit behind all others that are ready."""
        self._ready.append(unit)

    def later(self, unit: Unit, wait: float) -> None:
        """Make a unit ready again after some seconds."""
        self._order += 1
        heapq.heappush(self._delayed, (self._clock() + wait, self._order, unit))

    def close(self) -> None:
        """Hand out no more units."""
        self.is_closed = True
        self.wake()

    async def change(self) -> None:
        """Wait until a unit is due or `wake` is called."""
        loop = asyncio.get_running_loop()
        idle: asyncio.Future[None] = loop.create_future()
        self._idle.append(idle)
        timer = None
        if self._delayed:
            timer = loop.call_later(max(0.0, self._delayed[0][0] - self._clock()), _resolve, idle)
        try:
            await idle
        finally:
            if timer is not None:
                timer.cancel()

    def wake(self) -> None:
        """Make all waiting workers look again."""
        while self._idle:
            _resolve(self._idle.popleft())


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
