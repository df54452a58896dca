"""Paces the calls of one program: each attempt waits for its turn, and its outcome teaches the pace."""

import asyncio
import time
from collections.abc import Callable

from completions_cli.client import attempts
from completions_cli.client.incoming import Head
from completions_cli.errors import CompletionsError, RateLimitError, ServiceError
from completions_cli.models import CompletionRequest, Usage
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.gate import ClosedError, Gate
from completions_cli.pacing.pace import Pace, Ticket
from completions_cli.pacing.usage_estimate import UsageEstimate
from completions_cli.transport import reports


class Pacer:
    """The pace of one client, for all calls of one event loop. Times are monotonic seconds.

    It continues `after` another one at the rate that this has found.
    """

    def __init__(
        self, max_wait: float, after: "Pacer | None" = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pace = Pace(Concurrency(), None, None, clock())
        if after is not None:
            self._pace.recall(clock(), after._pace.memory(clock()))  # noqa: SLF001 - of this class
        self._gate = Gate(self._pace, clock)
        self._clock = clock
        self._max_wait = max_wait
        self._estimate = UsageEstimate()
        self._answered_at = float("-inf")

    def call(self, request: CompletionRequest) -> "PacedCall":
        """Begin a call, behind all others."""
        return PacedCall(self, request, self._gate.place(), self._clock())

    async def turn(self, request: CompletionRequest, place: int, left: float | None, *, is_repeat: bool) -> "Turn":
        """Wait until a request may go out, for `left` seconds at most. Raises TimeoutError, and UsageError."""
        tokens, most = self._estimate.of(request) if self._pace.counts_tokens else (0.0, 0.0)
        try:
            async with asyncio.timeout(left):
                ticket = await self._gate.enter(tokens, most, place)
                return Turn(self, request, ticket._replace(is_repeat=is_repeat))
        except ClosedError:
            raise reports.closed() from None

    def close(self) -> None:
        """End the calls that wait for their turn."""
        self._gate.close()

    def is_free(self, error: CompletionsError, started: float) -> bool:
        """Return whether a refusal costs a call, begun at `started`, none of its retries.

        That is so for a 429 unless nothing but 429s has come for `max_wait` seconds.
        """
        is_limit = isinstance(error, RateLimitError) and error.retryable
        return is_limit and self._clock() - max(started, self._answered_at) < self._max_wait

    def answered(self, request: CompletionRequest, ticket: Ticket, usage: Usage | None) -> None:
        """Record a whole answer."""
        now = self._answered_at = self._clock()
        self._pace.answered(now, ticket, self._estimate.learn(request, usage))
        self._gate.pump()

    def failed(self, ticket: Ticket, error: CompletionsError | None) -> None:
        """Record a failure; None for a call that was given up."""
        now = self._clock()
        asked = error.retry_after if isinstance(error, ServiceError) else None
        if isinstance(error, RateLimitError):
            self._pace.refused(now, ticket, asked)
        else:
            overloaded = error is not None and attempts.is_overload(error)
            self._pace.failed(now, ticket, overloaded=overloaded, retry_after=asked)
        self._gate.pump()

    def read(self, ticket: Ticket, head: Head) -> None:
        """Record the rate headers of an answer."""
        self._pace.read(self._clock(), ticket, head.headers.get)


class Unpaced:
    """The turn of an attempt that nothing paces."""

    def read(self, head: Head) -> None:
        """Do nothing."""

    def lent(self, seconds: float) -> None:
        """Do nothing."""

    def answered(self, usage: Usage | None) -> None:
        """Do nothing."""

    def failed(self, error: CompletionsError | None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Turn(Unpaced):
    """The turn of one attempt. One of `answered` and `failed` ends it; `close` gives it up unless it has ended."""

    def __init__(self, pacer: Pacer, request: CompletionRequest, ticket: Ticket) -> None:
        self._pacer = pacer
        self._request = request
        self._ticket = ticket
        self._is_over = False

    def read(self, head: Head) -> None:
        """Record the rate headers of the answer."""
        self._pacer.read(self._ticket, head)

    def lent(self, seconds: float) -> None:
        """Leave time that the program itself took, between two pieces of a stream, out of the answer's."""
        self._ticket = self._ticket._replace(sent_at=self._ticket.sent_at + seconds)

    def answered(self, usage: Usage | None) -> None:
        """End with a whole answer."""
        self._is_over = True
        self._pacer.answered(self._request, self._ticket, usage)

    def failed(self, error: CompletionsError | None) -> None:
        """End with a failure."""
        self._is_over = True
        self._pacer.failed(self._ticket, error)

    def close(self) -> None:
        """End what has not ended yet: the call was cancelled, or its stream left."""
        if not self._is_over:
            self.failed(None)


class UnpacedCall:
    """A call that nothing paces."""

    async def turn(self, left: float | None) -> Unpaced:
        """Return at once."""
        return Unpaced()

    def is_free(self, error: CompletionsError) -> bool:
        """Return False."""
        return False


class PacedCall(UnpacedCall):
    """A call with its place in the line, which it keeps for all its attempts: the oldest call goes first."""

    def __init__(self, pacer: Pacer, request: CompletionRequest, place: int, started: float) -> None:
        self._pacer = pacer
        self._request = request
        self._place = place
        self._started = started
        self._is_repeat = False

    async def turn(self, left: float | None) -> Unpaced:
        """Wait for the turn of the next attempt, for `left` seconds at most. Raises TimeoutError, and UsageError."""
        is_repeat, self._is_repeat = self._is_repeat, True
        return await self._pacer.turn(self._request, self._place, left, is_repeat=is_repeat)

    def is_free(self, error: CompletionsError) -> bool:
        """Return whether a refusal costs none of the call's retries."""
        return self._pacer.is_free(error, self._started)
