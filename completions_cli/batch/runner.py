"""Runs a batch: a limited number of workers take units, send them, and record the outcome of each row."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field

from completions_cli.batch.backlog import Backlog
from completions_cli.batch.formats import Outcome
from completions_cli.batch.journal import Log
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.pool.hedging import LOOK_SECONDS, Hedging
from completions_cli.batch.pool.member import Member, trouble
from completions_cli.batch.pool.roster import Roster, quiet
from completions_cli.batch.scribe import Scribe
from completions_cli.batch.sender import Sender
from completions_cli.batch.settling import Rules, Settler, counting
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.batch.units import Packer, Unit
from completions_cli.errors import CompletionsError, OutputError
from completions_cli.pacing.gate import Turns
from completions_cli.pacing.usage_estimate import UsageEstimate

_SYNC_SECONDS = 0.2
_CROWD = 16  # requests under way; with fewer, answers come one by one anyway


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with. The `gate` tells by its tickets which of the `members` a request is for."""

    members: Sequence[Member]
    gate: Turns
    journal: Log
    packer: Packer
    totals: Totals
    clock: Callable[[], float] = time.monotonic
    # What runs against one service share; a run by itself has its own.
    estimate: UsageEstimate | None = None
    models: ModelWatch = field(default_factory=ModelWatch)
    warn: Callable[[str], None] = quiet
    roster: Roster | None = None
    hedging: Hedging | None = None


class Runner:
    """Works through units. `run` returns when all are done or, after a stop, when requests in progress have ended."""

    def __init__(self, work: Iterator[Unit], tools: Tools, rules: Rules) -> None:
        self.totals = tools.totals
        self.ending: Ending | None = None
        self._members, self._gate, self._journal = tools.members, tools.gate, tools.journal
        self._clock, self._hedging = tools.clock, tools.hedging
        self._backlog = Backlog(work, tools.clock)
        self._workers: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self._scribe = Scribe(
            tools.journal,
            counting(tools.totals, rules.budget, self.stop),
            self._cannot_write,
            lambda: self._sender.under_way >= _CROWD,
        )
        roster = tools.roster or Roster(tools.members, tools.warn)
        self._settlers = [
            Settler(
                rules=rules,
                packer=tools.packer,
                totals=tools.totals,
                member=member,
                roster=roster,
                backlog=self._backlog,
                scribe=self._scribe,
                stop=self.stop,
                models=tools.models,
            )
            for member in tools.members
        ]
        self._sender = Sender(
            members=tools.members,
            gate=tools.gate,
            settlers=self._settlers,
            backlog=self._backlog,
            totals=tools.totals,
            budget=rules.budget,
            estimate=tools.estimate or UsageEstimate(),
            hedging=tools.hedging,
            clock=tools.clock,
        )

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self._gate.pace.in_flight

    @property
    def trouble(self) -> str | None:
        """What to tell the user while no server answers."""
        return trouble(self._members, self._clock())

    @property
    def is_drained(self) -> bool:
        """Whether every row has been sent at least once."""
        return self._backlog.is_drained

    async def run(self) -> None:
        """Work until no units are left or the run is stopped. A journal that cannot be written ends the run."""
        aside = [asyncio.create_task(self._keep_syncing())]
        if self._hedging is not None:
            aside.append(asyncio.create_task(self._keep_hedging(self._hedging)))
        try:
            self._start_workers()
            if self._workers:
                await self._over.wait()
        finally:
            for task in (*aside, *self._workers):
                task.cancel()
            await asyncio.gather(*aside, *self._workers, return_exceptions=True)
        for settler in self._settlers if self.ending is None else ():
            settler.settle_waiting(self._clock())
        self._scribe.flush()
        if self._failure is not None:
            raise self._failure
        await self._sync()
        self._check()

    def stop(self, ending: Ending) -> None:
        """Send no more requests and let those in progress end. The first reason given is kept."""
        if self.ending is None:
            self.ending = ending
            self.totals.stopped_by = ending.reason
        self._gate.close()
        self._backlog.close()

    def abort(self) -> None:
        """End now and abandon the requests in progress."""
        self._over.set()

    # Workers

    def _start_workers(self) -> None:
        """Start workers up to the number of requests that may be in flight."""
        while len(self._workers) < self._gate.pace.concurrency.limit and not self._backlog.is_empty:
            self._backlog.workers += 1
            self._employ(self._work())

    def _employ(self, work: Coroutine[None, None, None]) -> None:
        worker = asyncio.create_task(work)
        self._workers.add(worker)
        worker.add_done_callback(self._worker_ended)

    def _worker_ended(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._failure = self._failure or error
            self.abort()
        if not self._workers:
            self._over.set()

    async def _work(self) -> None:
        while (unit := self._take() or await self._wait_for_unit()) is not None:
            if unit.requests:
                await self._sender.send_in_turn(unit)
                if len(self._workers) < self._gate.pace.concurrency.limit:
                    self._start_workers()
            else:
                self._settlers[0].record(Outcome(unit.rows[0], error=unit.rows[0].error))
            if self._scribe.written is not None:
                await self._scribe.written

    async def _wait_for_unit(self) -> Unit | None:
        """Wait for the next unit; None if there is none and none can come back."""
        while (
            not self._backlog.is_empty or (self._sender.under_way and not self._backlog.is_closed) or self._hand_over()
        ):
            unit = self._take()
            if unit is not None:
                return unit
            if self._sender.under_way or not self._backlog.is_empty:
                await self._backlog.change()
        self._backlog.wake()
        return None

    def _hand_over(self) -> bool:
        """Hand rows that failed at one member to members that answer; return whether there are any."""
        if self._backlog.is_closed:
            return False
        handed_over = [settler.hand_over(self._clock()) for settler in self._settlers]  # each of them, not one
        return any(handed_over)

    def _take(self) -> Unit | None:
        if self._sender.is_tight:
            return None  # what is under way may use up the rest
        try:
            return self._settlers[0].due(self._backlog.take())
        except CompletionsError as error:  # the input cannot be read any further
            self.stop(Ending("input", error))
            return None

    async def _keep_hedging(self, hedges: Hedging) -> None:
        """Send the last rows of slow members to idle ones, too."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            while self._backlog.is_empty and not self._backlog.is_closed:
                found = hedges.second(self._clock())
                if found is None:
                    break
                self.totals.hedged += 1
                self._employ(self._sender.send_again(*found))

    # The journal

    async def _keep_syncing(self) -> None:
        while True:
            await asyncio.sleep(_SYNC_SECONDS)
            self._check()
            if self._journal.is_dirty:
                await self._sync()

    def _check(self) -> None:
        try:
            self._journal.check()
        except OutputError as error:
            self._cannot_write(error)

    async def _sync(self) -> None:
        try:
            await asyncio.to_thread(self._journal.sync)
        except OutputError as error:
            self._cannot_write(error)

    def _cannot_write(self, error: OutputError) -> None:
        self.stop(Ending("output", error))
        self.abort()
