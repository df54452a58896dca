"""Runs a batch: a bounded number of workers take units, ask, and hand each row's outcome to the journal."""

import asyncio
import heapq
import random
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from completions_cli.api.retry import RetryPolicy
from completions_cli.batch import units
from completions_cli.batch.budget import Budget
from completions_cli.batch.exchange import Exchange, Failure, Reply
from completions_cli.batch.formats import Outcome, OutputFormat, is_retryable, line
from completions_cli.batch.gate import ClosedError, Gate
from completions_cli.batch.journal import Journal
from completions_cli.batch.outage import Outage
from completions_cli.batch.pacing.pace import Ticket
from completions_cli.batch.scribe import Scribe
from completions_cli.batch.totals import Totals
from completions_cli.batch.units import Packer, Unit
from completions_cli.batch.usage_estimate import UsageEstimate
from completions_cli.errors import (
    AuthError,
    BatchStoppedError,
    CompletionsError,
    MalformedResponseError,
    NetworkError,
    NotFoundError,
    OutputError,
    RateLimitError,
    RequestTimeoutError,
    ServiceError,
)

_SYNC_SECONDS = 0.2
_OVERLOADED = (503, 504, 408)
_PROBES = 2  # requests under way while an outage is suspected
_DELAYED = 64  # units that may wait for their next try beside those under way
_REFUSED_PACKS = 3  # after so many, and none taken, the server does not know arrays


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a run stopped before its input did: a word for the summary, and the error to report (None for a signal)."""

    reason: str
    error: CompletionsError | None = None


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
        self._work = work
        self._is_drained = False  # of new units
        self._exchange, self._gate, self._journal = tools.exchange, tools.gate, tools.journal
        self._packer, self._clock = tools.packer, tools.clock
        self._policy, self._budget, self._format = rules.policy, rules.budget, rules.output_format
        self._outage = Outage(rules.policy.retries, rules.policy.max_wait)
        self._estimate = UsageEstimate()
        self._ready: deque[Unit] = deque()
        self._delayed: list[tuple[float, int, Unit]] = []
        self._order = 0
        self._parked: list[tuple[Unit, CompletionsError]] = []
        self._under_way = 0
        self._idle: deque[asyncio.Future[None]] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self._failure: BaseException | None = None
        self._scribe = Scribe(tools.journal, self._cannot_write)
        self._packs = {"taken": 0, "refused": 0}

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self._gate.pace.in_flight

    async def run(self) -> None:
        """Work until there is nothing left, or the run is stopped. Raises OutputError, or UsageError for the input."""
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
        self._wake()

    def abort(self) -> None:
        """End now: what is under way is given up."""
        self._over.set()

    # Workers

    def _hire(self) -> None:
        """Have as many workers as requests may be in flight."""
        while len(self._workers) < self._gate.pace.concurrency.limit and not self._is_drained and self.ending is None:
            worker = asyncio.create_task(self._labour())
            self._workers.add(worker)
            worker.add_done_callback(self._retire)

    def _retire(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if not worker.cancelled() and (error := worker.exception()) is not None:
            self._failure = self._failure or error
            self.abort()
        if not self._workers:
            self._over.set()

    async def _labour(self) -> None:
        while (unit := self._at_hand() or await self._next()) is not None:
            if not unit.requests:
                self._record(Outcome(unit.rows[0], error=unit.rows[0].error))
            else:
                self._under_way += 1
                try:
                    await self._ask(unit)
                finally:
                    self._under_way -= 1
                    if self._idle:
                        self._wake()
                if len(self._workers) < self._gate.pace.concurrency.limit:
                    self._hire()
            if self._scribe.written is not None:
                await self._scribe.written

    def _at_hand(self) -> Unit | None:
        """Give the unit to ask next, None when there is none right now."""
        if self.ending is not None:
            return None
        if self._ready:
            return self._ready.popleft()
        if self._delayed and self._delayed[0][0] <= self._clock():
            return heapq.heappop(self._delayed)[2]
        if not self._is_drained and len(self._delayed) < _DELAYED + len(self._workers):
            return self._take_new()
        return None

    async def _next(self) -> Unit | None:
        """Wait for the unit to ask next; None when there is none and none can come back."""
        while self.ending is None:
            unit = self._at_hand()
            if unit is not None:
                return unit
            if not self._delayed and not self._under_way and not self._ready:
                break
            await self._wait_for_work()
        self._wake()
        return None

    def _take_new(self) -> Unit | None:
        try:
            unit = next(self._work, None)
        except CompletionsError as error:  # the input cannot be read any further
            self.stop(Ending("input", error))
            return None
        self._is_drained = unit is None
        return unit

    async def _wait_for_work(self) -> None:
        idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._idle.append(idle)
        timer = None
        if self._delayed:
            wait = max(0.0, self._delayed[0][0] - self._clock())
            timer = asyncio.get_running_loop().call_later(wait, _resolve, idle)
        try:
            await idle
        finally:
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        while self._idle:
            _resolve(self._idle.popleft())

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
        used = self._estimate.learn(unit.request, reply.usage)
        self._gate.pace.answered(now, ticket, used)
        self._gate.pace.read(now, ticket, reply.answer.header)
        self._is_alive()
        unit.latency = now - ticket.sent_at
        unit.replies.append(reply)
        unit.is_repeat = False
        self.totals.use(reply.usage)
        if len(unit.rows) > 1:
            self._packs["taken"] += 1
        if unit.is_answered:
            self._share_out(unit, ticket.sent_at)
        else:
            self._ready.appendleft(unit)
        spent = self._budget.spent(self.totals.prompt_tokens, self.totals.completion_tokens)
        if spent is not None:
            self.stop(Ending(spent, BatchStoppedError(_BUDGET_WORDS[spent], hint=_RESUME_HINT)))

    def _share_out(self, unit: Unit, sent_at: float) -> None:
        try:
            found, missing = units.outcomes(unit)
        except MalformedResponseError as error:
            unit.replies.clear()
            unit.is_repeat = True
            self._try_again(unit, error, None, sent_at)
            return
        for outcome in found:
            self._record(outcome)
        if missing:
            parts = [[row] for row in missing] if len(missing) == len(unit.rows) else [missing]
            for rows in reversed(parts):
                self._ready.appendleft(self._packer.again(rows, unit))

    # What fails

    def _failed(self, unit: Unit, failure: Failure, ticket: Ticket) -> None:
        now = self._clock()
        unit.is_repeat = True
        error, answer = failure.error, failure.answer
        pace = self._gate.pace
        asked = error.retry_after if isinstance(error, ServiceError) else None
        if isinstance(error, RateLimitError):
            self.totals.throttled += 1
            pace.refused(now, ticket, asked)
        else:
            slow = isinstance(error, RequestTimeoutError) or (
                isinstance(error, ServiceError) and error.status in _OVERLOADED
            )
            pace.failed(now, ticket, overloaded=slow)
        if answer is not None:
            pace.read(now, ticket, answer.header)
        if asked is not None and asked > self._policy.max_wait and is_retryable(error):
            self._stop_for_wait(error, asked)
        elif isinstance(error, RateLimitError):
            self._throttled(unit, error, now)
        elif is_retryable(error):
            if isinstance(error, MalformedResponseError | RequestTimeoutError):
                self.totals.maybe_billed += 1
            self._try_again(unit, error, asked, ticket.sent_at)
        elif isinstance(error, AuthError | NotFoundError | NetworkError) or not isinstance(error, ServiceError):
            self._refused(unit, error)
        else:
            self._rejected(unit, error)

    def _throttled(self, unit: Unit, error: CompletionsError, now: float) -> None:
        """Ask again as soon as the pace allows: a 429 costs a row nothing."""
        self._outage.throttled(now)
        self._ready.appendleft(unit)
        if self._outage.is_exhausted(now):
            error.hint = "Nothing but 429 came for longer than --max-wait; the same command goes on later."
            self.stop(Ending("max_wait", error))

    def _try_again(self, unit: Unit, error: CompletionsError, asked: float | None, sent_at: float) -> None:
        now = self._clock()
        self._outage.failed(now, sent_at)
        if asked is not None:
            self._gate.pace.pause(now + asked)
        if self._outage.is_suspected:
            # No row is to blame: all wait, and now and then one goes and looks.
            left = self._outage.patience_left(now)
            if left <= 0:
                self._stop_for_outage(error)
                return
            wait = self._policy.backoff(self._outage.probes - 1, 0.5 + random.random() / 2)  # noqa: S311 - jitter
            self._gate.pace.narrow(_PROBES)
            self._gate.pace.pause(now + min(wait, left))
            self._ready.append(unit)
            return
        unit.tries += 1
        if unit.tries > self._policy.retries:
            self._give_up(unit, error)
            return
        wait = asked if asked is not None else self._policy.backoff(unit.tries - 1, random.random())  # noqa: S311
        self._order += 1
        heapq.heappush(self._delayed, (now + wait, self._order, unit))

    def _give_up(self, unit: Unit, error: CompletionsError) -> None:
        """Let a row fail, if anything else still succeeds; the rows of a pack get one more chance each."""
        if len(unit.rows) > 1:
            for part in reversed(self._packer.split(unit)):
                part.tries = self._policy.retries
                self._ready.appendleft(part)
        else:
            self._parked.append((unit, error))

    def _refused(self, unit: Unit, error: CompletionsError) -> None:
        """Key, route or model: the first such answer ends the run, later ones may be about the row."""
        self._outage.refused()
        if not self._outage.was_alive or self._outage.is_route_lost:
            self.stop(Ending(error.kind, error))
        else:
            self._parked.append((unit, error))

    def _rejected(self, unit: Unit, error: CompletionsError) -> None:
        self._is_alive()
        if len(unit.rows) == 1:
            self._record(_failed_outcome(unit, error))
            return
        self._packs["refused"] += 1
        knows_no_arrays = not self._packs["taken"] and self._packs["refused"] >= _REFUSED_PACKS
        if knows_no_arrays:
            self._packer.size = 1
        parts = self._packer.split(unit, len(unit.rows) if knows_no_arrays else 2)
        self._ready.extendleft(reversed(parts))

    def _settle_parked(self) -> None:
        """Decide on the rows that failed while nothing else succeeded: theirs or the server's fault."""
        parked, self._parked = self._parked, []
        if self._outage.was_alive:
            for unit, error in parked:
                for row in unit.rows:
                    self._record(_failed_outcome(Unit([row], unit.requests, sent=unit.sent), error))
        elif parked:
            self._stop_for_outage(parked[-1][1])

    def _is_alive(self) -> None:
        """Take note that the server works."""
        self._outage.alive()
        self._gate.pace.narrow(None)
        if self._parked:
            self._settle_parked()

    def _stop_for_wait(self, error: CompletionsError, asked: float) -> None:
        error.hint = (
            f"The server asks to wait {asked:g} s, over --max-wait {self._policy.max_wait:g}; "
            "the same command goes on later."
        )
        kind = error if isinstance(error, RateLimitError) else _as_rate_limit(error)
        self.stop(Ending("max_wait", kind))

    def _stop_for_outage(self, error: CompletionsError) -> None:
        status = f"{error.status} " if isinstance(error, ServiceError) else ""
        self.stop(
            Ending(
                "outage",
                BatchStoppedError(
                    f"nothing succeeds any more: {status}{error.message}",
                    hint="No row was marked as failed for it; the same command goes on when the service is back.",
                ),
            )
        )

    # What is done

    def _record(self, outcome: Outcome) -> None:
        totals = self.totals
        self._scribe.add(line(outcome, self._format))
        if outcome.error is None:
            totals.ok += 1
            reason = outcome.choices[0].get("finish_reason") if outcome.choices else None
            totals.finish_reasons[reason or "unknown"] += 1
            return
        totals.failed[outcome.error.kind] += 1
        totals.new_failures += 1
        limit = self._budget.errors
        if limit is not None and self.ending is None and limit.is_reached(totals.new_failures, totals.new_rows):
            self.stop(
                Ending(
                    "max_errors",
                    BatchStoppedError(
                        f"{totals.new_failures} rows failed (--max-errors); the last: {outcome.error.message}",
                        hint=_RESUME_HINT,
                    ),
                )
            )

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


def _as_rate_limit(error: CompletionsError) -> CompletionsError:
    status = error.status if isinstance(error, ServiceError) else 0
    return RateLimitError(error.message, status=status, hint=error.hint)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
