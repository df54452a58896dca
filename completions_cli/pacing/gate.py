"""Where requests wait for their turn: first come, first served; one that is sent again keeps its place."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import NamedTuple, Protocol

from completions_cli.errors import CompletionsError
from completions_cli.pacing.pace import FULL, HeaderOf, Ticket


class ClosedError(Exception):
    """The run is ending: nothing more goes out."""


class Limit(Protocol):
    """How many requests may be in flight."""

    @property
    def limit(self) -> int:
        """Requests at most."""


class Pacing(Protocol):
    """What a run tells of its requests, and what it must know: a `Pace`, or what stands in for one elsewhere."""

    @property
    def counts_tokens(self) -> bool:
        """Whether the tokens of a request matter."""

    @property
    def in_flight(self) -> int:
        """Requests under way."""

    @property
    def concurrency(self) -> Limit:
        """How many may be."""

    def answered(self, now: float, ticket: Ticket, used: float | None) -> None:
        """Record an answer."""

    def refused(self, now: float, ticket: Ticket, retry_after: float | None) -> None:
        """Record a 429."""

    def failed(self, now: float, ticket: Ticket, *, overloaded: bool, retry_after: float | None = None) -> None:
        """Record any other failure."""

    def pause(self, until: float) -> None:
        """Send nothing before `until`."""

    def narrow(self, most: int | None) -> None:
        """Limit the requests in flight to `most`; None ends it."""

    def read(self, now: float, ticket: Ticket, header: HeaderOf) -> None:
        """Record the rate headers of an answer."""


class Sending(Pacing, Protocol):
    """A pace that says when requests may go: a `Pace`, or several of them as one."""

    def wait(self, now: float, tokens: float, most: float) -> float:
        """Return the seconds until a request may go out; FULL while too many are in flight."""

    def leave(self, now: float, tokens: float, most: float) -> Ticket:
        """Count a request that goes out now."""


class Turns(Protocol):
    """Where requests wait for their turn."""

    @property
    def pace(self) -> Pacing:
        """What holds them back."""

    async def enter(self, tokens: float, most: float) -> Ticket:
        """Wait for the turn of a request. Raises ClosedError."""

    def pump(self) -> None:
        """Look again: the pace may have changed."""

    def close(self) -> None:
        """Send all who wait away."""


class Waiting(NamedTuple):
    """A request in the line. Places are unique, so nothing behind them is ever compared."""

    place: int
    turn: asyncio.Future[Ticket]
    tokens: float
    most: float


class Gate:
    """Lets requests out as the pace allows. For one event loop."""

    def __init__(self, pace: Sending, clock: Callable[[], float]) -> None:
        self.pace = pace
        self._clock = clock
        self._places = itertools.count()
        self._waiting: list[Waiting] = []  # a heap
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.on_failure: Callable[[CompletionsError], None] = lambda _: None  # nothing here can fail

    def place(self) -> int:
        """Return the last place in the line, for a request that may have to enter more than once."""
        return next(self._places)

    async def enter(self, tokens: float, most: float, place: int | None = None) -> Ticket:
        """Wait for the turn of a request that will use about `tokens`, `most` at worst. Raises ClosedError.

        It waits at its `place`, else behind all others. No two requests may wait at one place.
        """
        if self._is_closed:
            raise ClosedError
        if not self._waiting:
            now = self._clock()
            wait = self.pace.wait(now, tokens, most)
            if wait <= 0:
                return self.pace.leave(now, tokens, most)
            self._call_later(wait)
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        waiting = Waiting(self.place() if place is None else place, turn, tokens, most)
        heapq.heappush(self._waiting, waiting)
        if len(self._waiting) > 1 and self._waiting[0] is waiting:
            self.pump()  # what was first before may need more tokens
        try:
            return await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.done() and turn.exception() is None:
                # Cancelled in the same moment in which its turn came: the turn is given back.
                self.pace.failed(self._clock(), turn.result(), overloaded=False)
                self.pump()
            elif self._waiting and self._waiting[0] is waiting:
                self.pump()
            raise

    def pump(self) -> None:
        """Let out whoever may go; to be called whenever the pace may have changed."""
        while self._waiting:
            _, turn, tokens, most = self._waiting[0]
            if turn.done():  # whoever waited was cancelled
                heapq.heappop(self._waiting)
                continue
            now = self._clock()
            wait = self.pace.wait(now, tokens, most)
            if wait > 0:
                self._call_later(wait)
                return
            heapq.heappop(self._waiting)
            turn.set_result(self.pace.leave(now, tokens, most))

    def close(self) -> None:
        """Send all who wait away."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for waiting in self._waiting:
            if not waiting.turn.done():
                waiting.turn.set_exception(ClosedError())
        self._waiting.clear()

    def _call_later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds != FULL:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.pump)
