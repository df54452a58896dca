"""Runs the core of the batch on blocks: one worker of a cluster, without Ray."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from completions_cli.api.retry import RetryPolicy
from completions_cli.batch.budget import Budget
from completions_cli.batch.cluster import environment, splits, writers
from completions_cli.batch.cluster.fencing import FencedError, Writer
from completions_cli.batch.cluster.leased_gate import LeasedGate
from completions_cli.batch.cluster.leased_roster import LeasedRoster
from completions_cli.batch.cluster.messages import Done, Orders
from completions_cli.batch.cluster.part_log import PartLog
from completions_cli.batch.cluster.parts import PartEntry, PartKind
from completions_cli.batch.cluster.reach import Calls, Terms, reached
from completions_cli.batch.cluster.splits import Block, Split
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.recovery import Retry
from completions_cli.batch.rows import Defaults
from completions_cli.batch.runner import Runner, Tools
from completions_cli.batch.settling import Rules
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.batch.units import Packer
from completions_cli.errors import BatchStoppedError, ConfigError, OutputError
from completions_cli.pacing.usage_estimate import UsageEstimate
from completions_cli.version import __version__

_RENEWAL_SECONDS = 30.0
_POLL_SECONDS = 0.2
_TOUCH_SECONDS = 8.0  # that a last commit waits for news of the coordinator
_DRAIN_SECONDS = 15.0  # for what is under way when a run ends: 30 s all in all, with the news and the last commit


@dataclass(frozen=True, slots=True)
class Job:
    """What every worker is given once; nothing in it is secret."""

    version: str
    output: str
    epoch: str
    kind: PartKind
    output_format: OutputFormat
    defaults: Defaults
    members: tuple[Terms, ...]
    samples: int
    pack: int
    retry: Retry | None
    limits_errors: bool = False
    limits_usage: bool = False
    known_models: tuple[str, ...] = ()
    mixed_models: bool = False
    has_store: bool = False  # that the driver's variables open

    @property
    def policy(self) -> RetryPolicy:
        """The retry policy."""
        return self.members[0].policy


class Worker:
    """Works on blocks, several at a time, in one event loop with one connection pool and one gate."""

    def __init__(self, job: Job, name: str, calls: Calls, writer: Writer | None = None) -> None:
        self._job, self._name, self._calls = job, name, calls
        self._writer = writer
        self._estimate = UsageEstimate()
        self._packer = Packer(job.defaults, job.samples, job.pack)
        self._models = ModelWatch(job.known_models, mixed=job.mixed_models, several=len(job.members) > 1)
        self._gate = LeasedGate(self._name, calls.exchange, len(job.members), models=self._models)
        self._gate.on_close = self._closed
        self._gate.is_drained = lambda: all(runner.is_drained for runner in self._runners)
        self._runners: set[Runner] = set()
        self._connecting: asyncio.Task[LeasedRoster | None] | None = None
        self._reporting: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    async def begin(self) -> Ending | None:
        """Check that parts can be written, and report to the coordinator. Return why the run must end, if it must."""
        if self._job.version != __version__:
            return Ending("version", _version_error(self._job.version))
        try:
            await asyncio.to_thread(self._open_writer)
        except OutputError as error:
            return Ending("output", error)
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        return None

    def _open_writer(self) -> Writer:
        """Open the writer of this worker with the driver's access to the store, and try it."""
        if self._job.has_store:
            orders = self._first_orders()
            environment.use(orders.store if orders is not None else {})
        self._writer = self._writer or writers.writer(self._job.output, self._job.epoch, self._name)
        self._writer.probe()
        return self._writer

    async def work(self, work: Block | Split) -> Done:
        """Send the rows of a block and commit its part. The result says why the run must end, if it must."""
        block = work if isinstance(work, Block) else await asyncio.to_thread(splits.block, work)
        attempt = f"{self._name}-{uuid.uuid4().hex}"
        has_prices = any(terms.prices is not None for terms in self._job.members)
        totals, entry, is_fenced = Totals(spent=0.0 if has_prices else None), None, False
        if self._gate.ending is None:
            try:
                entry = await self._run(block, attempt, totals)
            except FencedError:
                is_fenced = True
            except OutputError as error:
                self._gate.end(Ending("output", error))
        if self._failure is not None:
            raise self._failure
        return Done(
            block.part,
            attempt,
            entry,
            totals,
            None if self._gate.is_retired else self._gate.ending,
            is_fenced,
            self._gate.is_retired and not is_fenced,
            tuple(self._models.recorded),
        )

    def retire(self) -> None:
        """Send no more requests, as this machine is about to go. Those in flight end; others do the rest."""
        self._gate.retire()

    async def _run(self, block: Block, attempt: str, totals: Totals) -> PartEntry | None:
        roster = await self._connected()
        if roster is None:
            return None
        log = await asyncio.to_thread(self._open, block.part)
        rows = [row for row in block.rows if row.number not in log]
        runner = Runner(
            self._packer.units(iter(rows)),
            Tools(
                roster.reached,
                self._gate,
                log,
                self._packer,
                totals,
                estimate=self._estimate,
                models=self._models,
                roster=roster,
            ),
            Rules(
                self._job.policy,
                Budget(),
                self._job.output_format,
                limits_errors=self._job.limits_errors,
                limits_usage=self._job.limits_usage,
            ),
        )
        with self._registered(runner, attempt, totals):
            await runner.run()
        if runner.ending is not None:
            if isinstance(runner.ending.error, FencedError):
                raise runner.ending.error
            self._gate.end(runner.ending)
        return await asyncio.to_thread(self._commit, log)

    @contextmanager
    def _registered(self, runner: Runner, attempt: str, totals: Totals) -> Iterator[None]:
        """Tell a runner when the run ends, and have its totals reported."""
        aborts: list[asyncio.TimerHandle] = []

        def stop(ending: Ending) -> None:
            """Send no more requests; those in flight may end."""
            runner.stop(ending)
            aborts.append(asyncio.get_running_loop().call_later(_DRAIN_SECONDS, runner.abort))

        self._runners.add(runner)
        self._gate.totals[attempt] = totals
        try:
            with self._gate.listening(stop):
                yield
        finally:
            self._runners.discard(runner)
            del self._gate.totals[attempt]
            for timer in aborts:
                timer.cancel()

    def _closed(self) -> None:
        """End the run of all workers if a runner has ended, unless only this worker was dismissed."""
        for ending in [runner.ending for runner in self._runners if runner.ending is not None]:
            if not isinstance(ending.error, FencedError):
                self._gate.end(ending)

    def _commit(self, log: PartLog) -> PartEntry | None:
        """Commit once it is known that this worker still belongs to the run."""
        for _ in range(int(_TOUCH_SECONDS / _POLL_SECONDS)):
            if self._gate.is_in_touch or self._gate.is_dismissed or not log.is_dirty:
                break
            time.sleep(_POLL_SECONDS)
        if log.is_dirty and not self._gate.is_in_touch:
            raise FencedError("the driver has given up this worker")
        return log.commit()

    def _open(self, part: int) -> PartLog:
        job = self._job
        assert self._writer is not None  # noqa: S101 - who works has begun
        return PartLog(
            self._writer,
            part,
            job.kind,
            job.output_format,
            retry=job.retry,
            may_commit=lambda: self._gate.is_in_touch,
        )

    async def _connected(self) -> LeasedRoster | None:
        """Return the members; None if the run ended before there were orders."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        return await self._connecting

    async def _connect(self) -> LeasedRoster | None:
        self._reporting = asyncio.create_task(self._gate.keep_reporting())
        self._reporting.add_done_callback(self._lost)
        orders = await asyncio.to_thread(self._first_orders)
        if orders is None:
            return None
        members = reached(self._calls, orders, self._job.members, self._gate.pace.holds)
        roster = LeasedRoster(members, self._models)
        self._gate.reach(roster)
        return roster

    def _first_orders(self) -> Orders | None:
        """Wait for the first orders of the driver."""
        while (orders := self._calls.orders(0)) is None and self._gate.ending is None and self._failure is None:
            time.sleep(_POLL_SECONDS)
        return orders

    def _lost(self, reporting: "asyncio.Task[None]") -> None:
        """End the run if the coordinator is gone for good."""
        if not reporting.cancelled() and (failure := reporting.exception()) is not None:
            self._failure = failure
            self._gate.end(Ending("coordinator", BatchStoppedError("the coordinator is gone", hint=_AGAIN)))
            for runner in self._runners:
                runner.abort()


_AGAIN = "Run the same command again to resume."


def _version_error(drivers: str) -> ConfigError:
    return ConfigError(
        f"a machine of the cluster has completions {__version__}, the driver {drivers}",
        hint="Install the same version of completions-cli[ray] on all of them.",
    )
