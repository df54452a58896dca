"""Where requests wait for their turn: first come, first served."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

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


class Gate:
    """Lets requests out as the pace allows. For one event loop."""

    def __init__(self, pace: Sending, clock: Callable[[], float]) -> None:
        self.pace = pace
        self._clock = clock
        self._waiting: deque[tuple[asyncio.Future[Ticket], float, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.on_failure: Callable[[CompletionsError], None] = lambda _: None  # nothing here can fail

    async def enter(self, tokens: float, most: float) -> Ticket:
        """Wait for the turn of a request that will use about `tokens`, `most` at worst. Raises ClosedError."""
        if self._is_closed:
            raise ClosedError
        if not self._waiting:
            now = self._clock()
            wait = self.pace.wait(now, tokens, most)
            if wait <= 0:
                return self.pace.leave(now, tokens, most)
            self._call_later(wait)
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, tokens, most))
        try:
            return await turn
        except asyncio.CancelledError:
            # Cancelled in the same moment in which its turn came: the turn is given back.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.pace.failed(self._clock(), turn.result(), overloaded=False)
                self.pump()
            raise

    def pump(self) -> None:
        """Let out whoever may go; to be called whenever the pace may have changed."""
        while self._waiting:
            turn, tokens, most = self._waiting[0]
            if turn.done():  # its worker was cancelled
                self._waiting.popleft()
                continue
            now = self._clock()
            wait = self.pace.wait(now, tokens, most)
            if wait > 0:
                self._call_later(wait)
                return
            self._waiting.popleft()
            turn.set_result(self.pace.leave(now, tokens, most))

    def close(self) -> None:
        """Send all who wait away."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        while self._waiting:
            turn, _, _ = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(ClosedError())

    def _call_later(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds != FULL:
            self._timer = asyncio.get_running_loop().call_later(seconds, self.pump)
