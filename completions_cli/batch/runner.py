"""Runs a batch: a bounded number of workers take units, ask, and hand each row's outcome to the journal."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from completions_cli.api.retry import RetryPolicy
from completions_cli.batch import units
from completions_cli.batch.backlog import Backlog
from completions_cli.batch.budget import Budget
from completions_cli.batch.exchange import Exchange, Failure, Reply
from completions_cli.batch.formats import Outcome, OutputFormat, line
from completions_cli.batch.gate import ClosedError, Gate
from completions_cli.batch.journal import Journal
from completions_cli.batch.pacing.pace import Ticket
from completions_cli.batch.scribe import Scribe
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending, Triage, Verdict
from completions_cli.batch.units import Packer, Unit
from completions_cli.batch.usage_estimate import UsageEstimate
from completions_cli.errors import (
    BatchStoppedError,
    CompletionsError,
    MalformedResponseError,
    OutputError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
)

_SYNC_SECONDS = 0.2
_OVERLOADED = (503, 504, 408)
_PROBES = 2  # requests under way while an outage is suspected


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run works with."""

    exchange: Exchange
    gate: Gate
    journal: Journal
    packer: Packer
    totals: Totals
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run goes by."""

    policy: RetryPolicy
    budget: Budget
    output_format: OutputFormat = "native"


class Runner:
    """Works through units. `run` returns when all are done, or when it was stopped and what was under way has ended."""

    def __init__(self, work: Iterator[Unit], tools: Tools, rules: Rules) -> None:
        self.totals = tools.totals
        self.ending: Ending | None = None
        self._exchange, self._gate, self._journal = tools.exchange, tools.gate, tools.journal
        self._packer, self._clock = tools.packer, tools.clock
        self._budget, self._format = rules.budget, rules.output_format
        self._backlog = Backlog(work, tools.clock)
        self._triage = Triage(rules.policy)
        self._estimate = UsageEstimate()
        self._parked: list[tuple[Unit, CompletionsError]] = []
        self._under_way = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self._scribe = Scribe(tools.journal, self._cannot_write)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self._gate.pace.in_flight

    async def run(self) -> None:
        """Work until there is nothing left, or the run is stopped. Raises OutputError when the journal is full."""
        syncing = asyncio.create_task(self._keep_syncing())
        try:
            self._hire()
            if self._workers:
                await self._over.wait()
        finally:
            syncing.cancel()
            for worker in self._workers:
                worker.cancel()
            await asyncio.gather(syncing, *self._workers, return_exceptions=True)
        if self.ending is None:
            self._settle_parked()
        self._scribe.flush()
        if self._failure is not None:
            raise self._failure
        self._journal.sync()

    def stop(self, ending: Ending) -> None:
        """Send nothing more; what is under way may end. The first reason given counts."""
        if self.ending is None:
            self.ending = ending
            self.totals.stopped_by = ending.reason
        self._gate.close()
        self._backlog.close()

    def abort(self) -> None:
        """End now: what is under way is given up."""
        self._over.set()

    # Workers

    def _hire(self) -> None:
        """Have as many workers as requests may be in flight."""
        while len(self._workers) < self._gate.pace.concurrency.limit and not self._backlog.is_empty:
            worker = asyncio.create_task(self._labour())
            self._workers.add(worker)
            self._backlog.workers += 1
            worker.add_done_callback(self._retire)

    def _retire(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._failure = self._failure or error
            self.abort()
        if not self._workers:
            self._over.set()

    async def _labour(self) -> None:
        while (unit := self._take() or await self._wait_for_unit()) is not None:
            if unit.requests:
                self._under_way += 1
                try:
                    await self._ask(unit)
                finally:
                    self._under_way -= 1
                    self._backlog.wake()
                if len(self._workers) < self._gate.pace.concurrency.limit:
                    self._hire()
            else:
                self._record(Outcome(unit.rows[0], error=unit.rows[0].error))
            if self._scribe.written is not None:
                await self._scribe.written

    async def _wait_for_unit(self) -> Unit | None:
        """Wait for the unit to ask next; None when there is none and none can come back."""
        while not self._backlog.is_empty or (self._under_way and not self._backlog.is_closed):
            unit = self._take()
            if unit is not None:
                return unit
            if self._under_way or not self._backlog.is_empty:
                await self._backlog.change()
        self._backlog.wake()
        return None

    def _take(self) -> Unit | None:
        if self._budget.is_limited and self._under_way and self._is_tight():
            return None  # what is under way may use up the rest
        try:
            return self._backlog.take()
        except CompletionsError as error:  # the input cannot be read any further
            self.stop(Ending("input", error))
            return None

    def _is_tight(self) -> bool:
        totals = self.totals
        return self._budget.is_tight(totals.total_tokens, totals.cost, totals.answers, self._under_way)

    # One request

    async def _ask(self, unit: Unit) -> None:
        tokens, most = self._estimate.of(unit.request) if self._gate.pace.counts_tokens else (0.0, 0.0)
        try:
            ticket = await self._gate.enter(tokens, most)
        except ClosedError:
            return
        self.totals.requests += 1
        self.totals.retries += unit.is_repeat
        unit.sent += 1
        try:
            reply = await self._exchange.send(unit.request)
        except Failure as failure:
            self._failed(unit, failure, ticket)
        except BaseException:
            self._gate.pace.failed(self._clock(), ticket, overloaded=False)
            raise
        else:
            self._answered(unit, reply, ticket)
        self._gate.pump()

    def _answered(self, unit: Unit, reply: Reply, ticket: Ticket) -> None:
        now = self._clock()
        totals = self.totals
        used = self._estimate.learn(unit.request, reply.usage)
        self._gate.pace.answered(now, ticket, used)
        self._gate.pace.read(now, ticket, reply.answer.header)
        self._is_alive()
        unit.latency = now - ticket.sent_at
        unit.replies.append(reply)
        unit.is_repeat = False
        totals.use(reply.usage)
        self._packer.taken(unit)
        if unit.is_answered:
            self._share_out(unit, ticket.sent_at)
        else:
            self._backlog.first(unit)
        spent = self._budget.spent(totals.total_tokens, totals.cost) if self._budget.is_limited else None
        if spent is not None:
            self.stop(Ending(spent, BatchStoppedError(_BUDGET_WORDS[spent], hint=_RESUME_HINT)))

    def _share_out(self, unit: Unit, sent_at: float) -> None:
        try:
            found, missing = units.outcomes(unit)
        except MalformedResponseError as error:
            unit.replies.clear()
            unit.is_repeat = True
            verdict = self._triage.judge(error, now=self._clock(), sent_at=sent_at, tries=unit.tries)
            self._carry_out(verdict, unit, error)
            return
        for outcome in found:
            self._record(outcome)
        if missing:
            parts = [[row] for row in missing] if len(missing) == len(unit.rows) else [missing]
            self._backlog.first(*[self._packer.again(rows, unit) for rows in parts])

    # What fails

    def _failed(self, unit: Unit, failure: Failure, ticket: Ticket) -> None:
        now = self._clock()
        unit.is_repeat = True
        error, pace = failure.error, self._gate.pace
        asked = error.retry_after if isinstance(error, ServiceError) else None
        if isinstance(error, RateLimitError):
            self.totals.throttled += 1
            pace.refused(now, ticket, asked)
        else:
            slow = isinstance(error, ServiceError) and error.status in _OVERLOADED
            pace.failed(now, ticket, overloaded=slow or isinstance(error, RequestTimeoutError))
            if asked is not None:
                pace.pause(now + asked)
        if failure.answer is not None:
            pace.read(now, ticket, failure.answer.header)
        self.totals.maybe_billed += isinstance(error, MalformedResponseError | RequestTimeoutError)
        verdict = self._triage.judge(error, now=now, sent_at=ticket.sent_at, tries=unit.tries)
        self._carry_out(verdict, unit, error)

    def _carry_out(self, verdict: Verdict, unit: Unit, error: CompletionsError) -> None:
        kind, wait, ending = verdict
        if kind == "now":
            self._backlog.first(unit)
        elif kind == "later":
            unit.tries += 1
            self._backlog.later(unit, wait)
        elif kind == "probe":
            self._gate.pace.narrow(_PROBES)
            self._gate.pace.pause(self._clock() + wait)
            self._backlog.last(unit)
        elif kind == "spent" and len(unit.rows) > 1:
            # One of them may spoil it for the others: one more chance for each half.
            self._backlog.first(*self._packer.split(unit, last_try=unit.tries))
        elif kind in ("spent", "route"):
            self._parked.append((unit, error))
        elif kind == "rejected":
            self._rejected(unit, error)
        elif ending is not None:
            self.stop(ending)

    def _rejected(self, unit: Unit, error: CompletionsError) -> None:
        self._is_alive()
        if len(unit.rows) == 1:
            self._record(_failed_outcome(unit, error))
        else:
            self._backlog.first(*self._packer.refused(unit))

    def _is_alive(self) -> None:
        """Take note that the server works."""
        self._triage.outage.alive()
        self._gate.pace.narrow(None)
        if self._parked:
            self._settle_parked()

    def _settle_parked(self) -> None:
        """Decide on the rows that failed while nothing else succeeded: theirs or the server's fault."""
        parked, self._parked = self._parked, []
        if self._triage.outage.was_alive:
            for unit, error in parked:
                for row in unit.rows:
                    self._record(_failed_outcome(Unit([row], unit.requests, sent=unit.sent), error))
        elif parked:
            self.stop(self._triage.nothing_succeeds(parked[-1][1]))

    # What is done

    def _record(self, outcome: Outcome) -> None:
        self._scribe.add(line(outcome, self._format))
        totals = self.totals
        totals.count(outcome)
        limit = self._budget.errors
        if outcome.error is None or limit is None or self.ending is not None:
            return
        if limit.is_reached(totals.new_failures, totals.new_rows):
            words = f"{totals.new_failures} rows failed (--max-errors); the last: {outcome.error.message}"
            self.stop(Ending("max_errors", BatchStoppedError(words, hint=_RESUME_HINT)))

    async def _keep_syncing(self) -> None:
        while True:
            await asyncio.sleep(_SYNC_SECONDS)
            if self._journal.is_dirty:
                try:
                    await asyncio.to_thread(self._journal.sync)
                except OutputError as error:
                    self._cannot_write(error)
                    return

    def _cannot_write(self, error: OutputError) -> None:
        self._failure = self._failure or error
        self.stop(Ending("output", error))
        self.abort()


_RESUME_HINT = "The same command goes on where this run stopped."
_BUDGET_WORDS = {
    "max_tokens_total": "the tokens allowed are used up (--max-tokens-total)",
    "max_cost": "the money allowed is spent (--max-cost)",
}


def _failed_outcome(unit: Unit, error: CompletionsError) -> Outcome:
    request_id = error.request_id if isinstance(error, ServiceError) else None
    return Outcome(unit.rows[0], error=error, request_id=request_id, attempts=unit.sent, latency=unit.latency)
