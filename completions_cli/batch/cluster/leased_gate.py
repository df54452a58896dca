"""Where requests of one worker wait for their turn, which the coordinator grants."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from completions_cli.batch.cluster.leased_pace import LeasedPace
from completions_cli.batch.cluster.leased_roster import LeasedRoster
from completions_cli.batch.cluster.messages import LEASE_SECONDS, Ask, Grant, MemberNews, MemberState, Report
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.pacing.gate import ClosedError
from completions_cli.pacing.pace import Ticket

_MOST_ASKS = 256  # in one report
_HEARTBEAT = 1.0
_SOONEST = 0.01
_TOUCH_SECONDS = 30.0  # longer than it takes to begin a coordinator anew


class LeasedGate:
    """Releases requests as the coordinator allows. For one event loop, in which `keep_reporting` must run."""

    def __init__(
        self,
        worker: str,
        exchange: Callable[[Report], Awaitable[Grant]],
        members: int = 1,
        clock: Callable[[], float] = time.monotonic,
        models: ModelWatch | None = None,
    ) -> None:
        self.models = models or ModelWatch()
        self.pace = LeasedPace(clock, members)
        self.is_drained: Callable[[], bool] = lambda: False  # whether no rows are left here that nobody was asked yet
        self.totals: dict[str, Totals] = {}  # of the blocks under way
        self.ending: Ending | None = None  # a latch: once set, it stays
        self.on_close: Callable[[], None] = lambda: None
        self._listeners: list[Callable[[Ending], None]] = []
        self._worker, self._exchange, self._clock = worker, exchange, clock
        self._roster: LeasedRoster | None = None  # until the members can be reached
        self._waiting: deque[tuple[asyncio.Future[Ticket], Ask]] = deque()
        self._news = asyncio.Event()
        self.is_dismissed = False  # given up by the driver: what is here is no longer ours to write
        self.is_retired = False  # our machine is about to go
        self._heard_at = float("-inf")
        self._incarnation = ""
        self._models: tuple[str, ...] = ()  # that the coordinator knows of
        self._states: tuple[MemberState, ...] = ()
        self._is_closed = False

    async def enter(self, tokens: float, most: float) -> Ticket:
        """Wait for the turn of a request that will use about `tokens`, `most` at worst. Raises ClosedError."""
        if self._is_closed or self.ending is not None:
            raise ClosedError
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._waiting.append((turn, Ask(tokens, most)))
        self._news.set()
        return await turn

    def reach(self, roster: LeasedRoster) -> None:
        """Report on these members from now on, and pass on what the coordinator says of them."""
        self._roster = roster
        roster.take(self._states, self._clock())

    @property
    def is_in_touch(self) -> bool:
        """True if the coordinator answered lately, and has not dismissed this worker."""
        return not self.is_dismissed and self._clock() - self._heard_at < _TOUCH_SECONDS

    def pump(self) -> None:
        """Send a report soon."""
        self._news.set()

    def end(self, ending: Ending) -> None:
        """Release no more requests, on any worker."""
        if self.ending is None:
            self.ending = ending
            self._turn_away()
            for told in self._listeners.copy():
                told(ending)
        self._news.set()

    def retire(self) -> None:
        """Release no more requests on this worker; the others continue."""
        if self.ending is None:
            self.is_retired = True
            self.end(Ending("retired"))

    @contextmanager
    def listening(self, told: Callable[[Ending], None]) -> Iterator[None]:
        """Have `told` called once with the ending, at once if there is one already, for the length of a block."""
        self._listeners.append(told)
        try:
            if self.ending is not None:
                told(self.ending)
            yield
        finally:
            self._listeners.remove(told)

    def close(self) -> None:
        """Raise ClosedError in all who wait."""
        self._is_closed = True
        self._turn_away()
        self.on_close()

    async def keep_reporting(self) -> None:
        """Report and ask repeatedly, until cancelled."""
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
        events = self.pace.news(asked_at)
        grant = await self._exchange(
            Report(
                worker=self._worker,
                incarnation=self._incarnation,
                asks=asks,
                events=events,
                members=self._news_of_members(asked_at),
                totals=dict(self.totals),
                ending=None if self.is_retired else self.ending,
                states=self._states,
                is_drained=self.is_drained(),
                models=tuple(model for model in self.models.recorded if model not in self._models),
                trouble=self._roster.trouble(asked_at) if self._roster is not None else None,
            )
        )
        self._take(grant, asked_at)
        return max(_SOONEST, grant.again)

    def _news_of_members(self, now: float) -> tuple[MemberNews, ...]:
        under_way, pauses = zip(*((hold.in_flight, hold.news(now)) for hold in self.pace.holds), strict=True)
        if self._roster is None:
            return tuple(MemberNews(count, pause) for count, pause in zip(under_way, pauses, strict=True))
        return self._roster.news(now, under_way, pauses)

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
        self._incarnation, self._states, self._models = grant.incarnation, grant.states, grant.models
        for model in grant.models:
            self.models.accept(model)
        pace = self.pace
        pace.concurrency.limit, pace.counts_tokens = grant.limit, grant.counts_tokens
        now = self._clock()
        if self._roster is not None and grant.ending is None:
            self._roster.take(grant.states, now)
        is_late = now - asked_at > LEASE_SECONDS
        for number, member in zip(grant.tickets, grant.assigned or itertools.repeat(0), strict=False):
            ticket = Ticket(now, 0.0, number=number, member=member)
            pace.holds[member].in_flight += 1
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
