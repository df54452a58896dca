"""Where requests of one worker wait for their turn: the turns are the coordinator's to give."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from completions_cli.batch.cluster.messages import LEASE_SECONDS, Ask, Event, Grant, Report
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.outage import Outage
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.pacing.gate import ClosedError
from completions_cli.pacing.pace import FULL, RATE_HEADERS, HeaderOf, Memory, Ticket

_FIRST_LIMIT = 16
_MOST_ASKS = 256  # in one report
_HEARTBEAT = 1.0
_SOONEST = 0.01
_TOUCH_SECONDS = 30.0  # longer than it takes to begin a coordinator anew


@dataclass(slots=True)
class LeasedLimit:
    """How many requests the whole cluster may have in flight."""

    limit: int = _FIRST_LIMIT


class LeasedPace:
    """Stands in for a `Pace`: writes down what it is told, for the coordinator, which has the real one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.counts_tokens = True  # until the coordinator says that nobody counts them
        self.concurrency = LeasedLimit()
        self.in_flight = 0
        self._events: list[Event] = []
        self._headers: dict[int, Mapping[str, str]] = {}
        self._paused_until = float("-inf")
        self._new_pause = float("-inf")
        self._narrowed = FULL

    def answered(self, now: float, ticket: Ticket, used: float | None) -> None:
        """Write down an answer."""
        self._over(Event("answered", ticket.number, ticket.sent_at, now, used=used))

    def refused(self, now: float, ticket: Ticket, retry_after: float | None) -> None:
        """Write down a 429."""
        self._over(Event("refused", ticket.number, ticket.sent_at, now, asked=retry_after))

    def failed(self, now: float, ticket: Ticket, *, overloaded: bool, retry_after: float | None = None) -> None:
        """Write down any other failure."""
        self._over(Event("failed", ticket.number, ticket.sent_at, now, asked=retry_after, overloaded=overloaded))

    def pause(self, until: float) -> None:
        """Let nothing out before `until`, here at once and elsewhere as soon as it is known."""
        self._paused_until = max(self._paused_until, until)
        self._new_pause = max(self._new_pause, until)

    def narrow(self, most: int | None) -> None:
        """Limit the requests in flight to `most` from here."""
        self._narrowed = FULL if most is None else most

    def read(self, now: float, ticket: Ticket, header: HeaderOf) -> None:
        """Write down the rate headers of an answer."""
        found = {name: value for name in RATE_HEADERS if (value := header(name)) is not None}
        if found:
            self._headers[ticket.number] = found

    def room(self, now: float) -> float:
        """Return how many more requests this worker may ask for."""
        return 0 if now < self._paused_until else max(0.0, self._narrowed - self.in_flight)

    def has_news(self) -> bool:
        """Return whether there is something to report."""
        return bool(self._events)

    def news(self, now: float) -> tuple[tuple[Event, ...], float]:
        """Return what was written down, times as seconds ago, and the pause that was asked for."""
        events, self._events = self._events, []
        headers, self._headers = self._headers, {}
        pause, self._new_pause = max(0.0, self._new_pause - now), float("-inf")
        return tuple(
            event._replace(
                sent_ago=now - event.sent_ago, ago=max(0.0, now - event.ago), headers=headers.get(event.ticket)
            )
            for event in events
        ), pause

    def _over(self, event: Event) -> None:
        self.in_flight -= 1
        self._events.append(event)


class LeasedGate:
    """Lets requests out as the coordinator allows. For one event loop; `keep_reporting` must run in it."""

    def __init__(
        self,
        worker: str,
        exchange: Callable[[Report], Awaitable[Grant]],
        outage: Outage,
        clock: Callable[[], float] = time.monotonic,
        models: ModelWatch | None = None,
    ) -> None:
        self.models = models or ModelWatch()
        self.pace = LeasedPace(clock)
        self.totals: dict[str, Totals] = {}  # of the blocks under way
        self.ending: Ending | None = None  # a latch: once set, it stays
        self.on_close: Callable[[], None] = lambda: None
        self._listeners: list[Callable[[Ending], None]] = []
        self._worker, self._exchange, self._outage, self._clock = worker, exchange, outage, clock
        self._waiting: deque[tuple[asyncio.Future[Ticket], Ask]] = deque()
        self._news = asyncio.Event()
        self.is_dismissed = False  # given up by the driver: what is here is no longer ours to write
        self.is_retired = False  # our machine is about to go
        self._heard_at = float("-inf")
        self._incarnation = ""
        self._models: tuple[str, ...] = ()  # that the coordinator knows of
        self._memory = Memory()
        self._is_closed = False

    async def enter(self, tokens: float, most: float) -> Ticket:
        """Wait for the turn of a request that will use about `tokens`, `most` at worst. Raises ClosedError."""
        if self._is_closed or self.ending is not None:
            raise ClosedError
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, Ask(tokens, most)))
        self._news.set()
        return await turn

    @property
    def is_in_touch(self) -> bool:
        """True when the coordinator was heard of lately, and has not said that we are given up."""
        return not self.is_dismissed and self._clock() - self._heard_at < _TOUCH_SECONDS

    def pump(self) -> None:
        """Report soon what has ended."""
        self._news.set()

    def end(self, ending: Ending) -> None:
        """Let nothing more out, and have the others do the same."""
        if self.ending is None:
            self.ending = ending
            self._turn_away()
            for told in self._listeners.copy():
                told(ending)
        self._news.set()

    def retire(self) -> None:
        """Let nothing more out; the others go on."""
        if self.ending is None:
            self.is_retired = True
            self.end(Ending("retired"))

    @contextmanager
    def listening(self, told: Callable[[Ending], None]) -> Iterator[None]:
        """Have `told` called once with the ending, at once if it has come already, for the length of a block."""
        self._listeners.append(told)
        try:
            if self.ending is not None:
                told(self.ending)
            yield
        finally:
            self._listeners.remove(told)

    def close(self) -> None:
        """Send all who wait away."""
        self._is_closed = True
        self._turn_away()
        self.on_close()

    async def keep_reporting(self) -> None:
        """Report and ask again and again, until cancelled."""
        while True:
            again = await self._report()
            self._news.clear()
            await asyncio.sleep(again)
            if not (self._waiting or self.pace.has_news()):
                try:
                    await asyncio.wait_for(self._news.wait(), _HEARTBEAT)
                except TimeoutError:
                    continue

    async def _report(self) -> float:
        asked_at = self._clock()
        asks = self._asks(asked_at)
        events, pause = self.pace.news(asked_at)
        grant = await self._exchange(
            Report(
                worker=self._worker,
                incarnation=self._incarnation,
                under_way=self.pace.in_flight,
                asks=asks,
                events=events,
                pause=pause,
                totals=dict(self.totals),
                is_alive=self._outage.was_alive,
                ending=None if self.is_retired else self.ending,
                memory=self._memory,
                models=tuple(model for model in self.models.recorded if model not in self._models),
            )
        )
        self._take(grant, asked_at)
        return max(_SOONEST, grant.again)

    def _asks(self, now: float) -> tuple[Ask, ...]:
        while self._waiting and self._waiting[0][0].done():  # its worker was cancelled
            self._waiting.popleft()
        most = min(_MOST_ASKS, self.pace.room(now))
        return tuple(ask for _, ask in list(self._waiting)[: int(most)])

    def _take(self, grant: Grant, asked_at: float) -> None:
        if grant.is_dismissed:
            self.is_dismissed = True
            self.end(Ending("dismissed"))
            return
        self._heard_at = asked_at
        self._incarnation, self._memory, self._models = grant.incarnation, grant.memory, grant.models
        for model in grant.models:
            self.models.accept(model)
        pace = self.pace
        pace.concurrency.limit, pace.counts_tokens = grant.limit, grant.counts_tokens
        self._outage.was_alive = self._outage.was_alive or grant.is_alive
        now = self._clock()
        is_late = now - asked_at > LEASE_SECONDS
        for number in grant.tickets:
            ticket = Ticket(now, 0.0, number=number)
            pace.in_flight += 1
            turn = None if is_late else self._next()
            if turn is None:
                pace.failed(now, ticket, overloaded=False)
            else:
                turn.set_result(ticket)
        if grant.ending is not None:
            self.end(grant.ending)

    def _turn_away(self) -> None:
        while (turn := self._next()) is not None:
            turn.set_exception(ClosedError())

    def _next(self) -> "asyncio.Future[Ticket] | None":
        while self._waiting:
            turn, _ = self._waiting.popleft()
            if not turn.done():
                return turn
        return None
