"""The only module that knows Ray: it reads blocks, hands them to workers, tries again what machines lose.

Ray must have been told what to do (`environment`) before it is imported, and so before this module is.
"""

import logging
import os
import pickle
import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any

import ray
import ray.data
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from completions_cli.batch.cluster import inputs
from completions_cli.batch.cluster.coordinator import Coordinator, Limits
from completions_cli.batch.cluster.driver import Driver, Sync
from completions_cli.batch.cluster.environment import quiet_stderr
from completions_cli.batch.cluster.inputs import Contents, InputFile, Stretch
from completions_cli.batch.cluster.messages import Done, Grant, Orders, Push, Report, Status
from completions_cli.batch.cluster.worker import Job, Worker
from completions_cli.errors import CompletionsError, ConfigError, UsageError

_NAMESPACE = "completions"
_BLOCKS_AT_ONCE = 2  # of a worker: the next begins while the last rows of one are waited for
_WORKER_CPUS, _READER_CPUS = 0.5, 0.25
_TICK_SECONDS = 0.2
_SYNC_SECONDS = 5.0


class _Coordinator(Coordinator):
    """Knows by Ray whether it was begun anew."""

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits, is_restarted=ray.get_runtime_context().was_current_actor_reconstructed)


@dataclass(frozen=True, slots=True)
class _Calls:
    """The coordinator's methods, called through Ray."""

    actor: Any

    def exchange(self, report: Report) -> Awaitable[Grant]:
        found: Awaitable[Grant] = self.actor.exchange.remote(report)
        return found

    def orders(self, after: int) -> Orders | None:
        found: Orders | None = ray.get(self.actor.orders.remote(after))
        return found

    def refuse(self, version: int) -> None:
        ray.get(self.actor.refuse.remote(version))


class _Asker:
    """A worker as Ray Data calls it: a record with a block in, one that tells how it ended out."""

    def __init__(self, job: Job, actor: object) -> None:
        self._worker = Worker(job, _Calls(actor))

    async def __call__(self, record: dict[str, bytes]) -> dict[str, bytes]:
        block = pickle.loads(record["block"])  # noqa: S301 - our own reader's
        return {"done": pickle.dumps(await self._worker.work(block))}


def _read(record: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    stretch: Stretch = pickle.loads(record["stretch"])  # noqa: S301 - our own driver's
    for block in inputs.blocks(stretch):
        yield {"block": pickle.dumps(block)}


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Join the cluster at `address`, or have one on this machine, for the length of a block."""
    folder = None if address else tempfile.mkdtemp(prefix="completions-ray-")
    logging.disable(logging.CRITICAL)  # what goes wrong comes as an exception
    try:
        with _connecting(address), quiet_stderr():
            quiet: dict[str, Any] = {"namespace": _NAMESPACE, "log_to_driver": False, "configure_logging": False}
            if folder is not None:
                quiet |= {"include_dashboard": False, "_temp_dir": folder}
            ray.init(address=address or "local", **quiet)
        # It tells of lost machines on stdout, which is for answers.
        with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123 - no path
            yield
    finally:
        ray.shutdown()
        logging.disable(logging.NOTSET)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _connecting(address: str | None) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ConfigError(
            f"no Ray cluster at {address or 'this machine'}: {str(error).splitlines()[0]}",
            hint="--address HOST:PORT of the head node, or auto on a machine of the cluster.",
        ) from None


def count(files: Sequence[InputFile]) -> list[Contents]:
    """Count the rows of all files, on all machines where there are several files. Raises UsageError."""
    if len(files) == 1:
        return [inputs.count(files[0])]
    task = ray.remote(num_cpus=_READER_CPUS, scheduling_strategy="SPREAD")(inputs.count)
    try:
        found: list[Contents] = ray.get([task.remote(file) for file in files])
    except RayTaskError as error:
        raise _cause(error) from None
    return found


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs a job on the cluster that was joined."""

    job: Job
    limits: Limits
    stretches: Sequence[Stretch]
    parts: int

    @contextmanager
    def coordinator(self) -> Iterator[Sync]:
        """Begin the coordinator of a run, one for each OUTPUT; it ends with the block, or with this process."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
        actor: Any
        try:
            actor = ray.remote(_Coordinator).options(name=self.job.output, **options).remote(self.limits)
        except ValueError as error:
            raise UsageError(
                f"another run on this cluster is writing to {self.job.output}", hint="Wait for it, or stop it."
            ) from error
        try:
            yield lambda push: _sync(actor, push)
        finally:
            with suppress(RayError):
                ray.kill(actor)

    def run(self, driver: Driver, show: Callable[[], None], interval: float) -> None:
        """Work until all blocks have ended. Shows how it goes every `interval` seconds."""
        results: queue.SimpleQueue[Done | BaseException | None] = queue.SimpleQueue()
        driver.tick()
        threading.Thread(target=self._consume, args=(results,), daemon=True).start()
        shown_at = time.monotonic()
        while True:
            with suppress(queue.Empty):
                item = results.get(timeout=_TICK_SECONDS)
                if item is None:
                    return
                if isinstance(item, BaseException):
                    raise _cause(item)
                driver.done(item)
                if not results.empty():
                    continue
            driver.tick()
            if time.monotonic() - shown_at >= interval:
                shown_at = time.monotonic()
                show()

    def _consume(self, results: "queue.SimpleQueue[Done | BaseException | None]") -> None:
        try:
            for record in self._dataset().iter_rows():
                results.put(pickle.loads(record["done"]))  # noqa: S301 - our own worker's
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            results.put(error)
        results.put(None)

    def _dataset(self) -> "ray.data.Dataset":
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        # A block of Ray is a block of ours: whichever worker is free takes the next.
        context.target_max_block_size = context.target_min_block_size = 1
        asker: Any = _Asker  # Ray calls its instances
        actor = ray.get_actor(self.job.output)
        records = [{"stretch": pickle.dumps(stretch)} for stretch in self.stretches]
        workers = max(1, min(self._machines(), self.parts, self.limits.in_flight or self.parts))
        pool = ray.data.ActorPoolStrategy(
            size=workers,
            max_tasks_in_flight_per_actor=2 * _BLOCKS_AT_ONCE,
            max_concurrent_calls_per_actor=_BLOCKS_AT_ONCE,
        )
        return (
            ray.data.from_items(records, override_num_blocks=min(len(records), 4 * workers))
            .flat_map(_read, num_cpus=_READER_CPUS)
            .map(asker, fn_constructor_args=(self.job, actor), num_cpus=_WORKER_CPUS, compute=pool)
        )

    def _machines(self) -> int:
        return sum(bool(node["Alive"]) for node in ray.nodes())


def _sync(actor: Any, push: Push) -> Status | None:  # noqa: ANN401 - Ray's handles have no type
    try:
        status: Status = ray.get(actor.sync.remote(push), timeout=_SYNC_SECONDS)
    except (GetTimeoutError, RayActorError):
        return None  # it is being begun anew
    return status


def _cause(error: BaseException) -> BaseException:
    """Find what a task failed of, in our own words where it is ours."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, CompletionsError):
        return cause
    if "No module named 'completions_cli'" in str(error):
        return ConfigError(
            "the machines of the cluster lack completions",
            hint="Install the same version of completions-cli[ray] on all of them.",
        )
    return error
