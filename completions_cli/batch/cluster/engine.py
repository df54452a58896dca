"""The only module that knows Ray: it reads blocks, hands them to workers, tries again what machines lose.

Ray must have been told what to do (`environment`) before it is imported, and so before this module is.
"""

import shutil
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from completions_cli.batch.cluster import inputs
from completions_cli.batch.cluster.backlog import Backlog
from completions_cli.batch.cluster.bounds import Bounds
from completions_cli.batch.cluster.coordinator import Coordinator, Limits
from completions_cli.batch.cluster.crew import Crew, LostError, Opaque
from completions_cli.batch.cluster.driver import Driver, Sync
from completions_cli.batch.cluster.inputs import Block, Contents, InputFile, Stretch
from completions_cli.batch.cluster.messages import Done, Grant, Orders, Push, Report, Status
from completions_cli.batch.cluster.worker import Job, Worker
from completions_cli.batch.triage import Ending
from completions_cli.errors import CompletionsError, ConfigError, NetworkError, UsageError

_NAMESPACE = "completions"
_WORKER_CPUS = 0.5
_CALLS_AT_ONCE = 16  # of a worker, more than it is ever given
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
    """A worker as Ray calls it."""

    def __init__(self, job: Job, name: str, actor: object) -> None:
        self._worker = Worker(job, name, _Calls(actor))

    async def begin(self) -> tuple[str, Ending | None]:
        """Return the id of this machine, and why the run must end, if it must."""
        return ray.get_runtime_context().get_node_id(), await self._worker.begin()

    async def work(self, work: Block | Stretch) -> Done:
        """See `Worker.work`."""
        return await self._worker.work(work)

    async def retire(self) -> None:
        """See `Worker.retire`."""
        self._worker.retire()


class _Reader:
    """Reads a file that can only be read from its start, and gives its blocks one by one."""

    def __init__(self, stretch: Stretch) -> None:
        self._blocks = inputs.blocks(stretch)

    def next(self) -> tuple[int | None, Block | None]:
        """Return the next block and the part that it is of; None at the end."""
        block = next(self._blocks, None)
        return (None, None) if block is None else (block.part, block)


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Join the cluster at `address`, or have one on this machine, for the length of a block.

    Ray prints news of machines, tasks and autoscalers whenever it likes, also while it shuts down. The caller hides
    that from the user.
    """
    folder = None if address else tempfile.mkdtemp(prefix="completions-ray-")
    quiet: dict[str, Any] = {"namespace": _NAMESPACE, "log_to_driver": False, "configure_logging": False}
    if folder is not None:
        quiet |= {"include_dashboard": False, "_temp_dir": folder}
    try:
        with _connecting(address):
            ray.init(address=address or "local", **quiet)
        yield
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _connecting(address: str | None) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        words = " ".join(str(error).split())
        if "ersion" in words and "Python" in words:  # Ray's own check of both
            raise ConfigError(
                f"the cluster has other versions: {words}", hint="Install the same Ray and Python on all machines."
            ) from None
        if "AuthenticationError" in str(error.__cause__):
            raise NetworkError(
                f"the Ray cluster at {address} does not take our token",
                hint="Set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN (or ~/.ray/auth_token) to that of the cluster.",
            ) from None
        raise NetworkError(
            f"no Ray cluster at {address or 'this machine'}: {words}",
            hint="--address HOST:PORT of the head node, or auto on a machine of the cluster.",
        ) from None


def count(files: Sequence[InputFile]) -> list[Contents]:
    """Count the rows of all files, on all machines where there are several files. Raises UsageError."""
    if len(files) == 1:
        return [inputs.count(files[0])]
    task = ray.remote(num_cpus=0, scheduling_strategy="SPREAD")(inputs.count)  # whoever else uses the cluster
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
    most: Bounds

    @contextmanager
    def coordinator(self) -> Iterator[Sync]:
        """Begin the coordinator of a run, one for each OUTPUT; it ends with the block, or with this process."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
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

    def run(self, driver: Driver, stretches: Iterator[Stretch], show: Callable[[], None], interval: float) -> None:
        """Work until all stretches are done, or the run has ended. Shows how it goes every `interval` seconds."""
        crew = Crew(RayMachines(self.job, self.job.output), driver, Backlog(stretches), self.most)
        ticked_at = shown_at = float("-inf")
        try:
            while not crew.is_over():
                if time.monotonic() - ticked_at >= _TICK_SECONDS:
                    crew.look(driver.tick(), time.monotonic())
                    ticked_at = time.monotonic()
                if time.monotonic() - shown_at >= interval:
                    show()
                    shown_at = time.monotonic()
                crew.step(_TICK_SECONDS)
        finally:
            crew.leave()


class RayMachines:
    """The machines of the cluster, and what runs on them."""

    def __init__(self, job: Job, coordinator: str) -> None:
        self._job = job
        self._actor = ray.get_actor(coordinator)
        self._asked: PlacementGroup | None = None
        asker: Any = _Asker  # Ray makes classes of its own of them
        reader: Any = _Reader
        self._asker = ray.remote(asker)
        self._reader = ray.remote(reader).options(num_cpus=0, scheduling_strategy="SPREAD")

    def nodes(self) -> set[str]:
        """Return the ids of the machines that are alive and may work."""
        return {str(node["NodeID"]) for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}

    def leaving(self) -> set[str]:
        """Return the ids of machines that are being drained: idle ones, or such as a cloud will take away."""
        try:
            from ray._private.state import state  # there is no public way

            return set(state.get_draining_nodes())
        except (ImportError, AttributeError, RayError):  # then they are lost when they are gone
            return set()

    def ask_for(self, machines: int) -> None:
        """Ask for room on so many machines; 0 withdraws that. The cluster forgets it when this process ends."""
        if self._asked is not None:
            remove_placement_group(self._asked)
        bundles = [{"CPU": _WORKER_CPUS}] * machines
        self._asked = placement_group(bundles, strategy="STRICT_SPREAD") if machines else None

    def hire(self, name: str, node: str | None) -> Opaque:
        """Begin a worker on a machine, or wherever there is room: then a cluster that can grow is asked to."""
        where: Any = NodeAffinitySchedulingStrategy(node, soft=False) if node else "SPREAD"
        options = {"num_cpus": _WORKER_CPUS, "max_concurrency": _CALLS_AT_ONCE, "scheduling_strategy": where}
        return self._asker.options(**options).remote(self._job, name, self._actor)

    def open(self, stretch: Stretch) -> Opaque:
        """Begin a reader."""
        return self._reader.remote(stretch)

    def begin(self, worker: Opaque) -> Opaque:
        """Have a worker begin."""
        return worker.begin.remote()

    def work(self, worker: Opaque, work: Opaque) -> Opaque:
        """Have a worker work on a stretch or a block."""
        return worker.work.remote(work)

    def retire(self, worker: Opaque) -> Opaque:
        """Have a worker hand back what it works on."""
        return worker.retire.remote()

    def read(self, reader: Opaque) -> tuple[Opaque, Opaque]:
        """Have a reader read: the part, and its block."""
        part, block = reader.next.options(num_returns=2).remote()
        return part, block

    def kill(self, actor: Opaque) -> None:
        """End a worker or a reader at once."""
        with suppress(RayError, ValueError):
            ray.kill(actor)

    def wait(self, calls: Sequence[Opaque], seconds: float) -> list[Opaque]:
        """Return the calls that have ended; wait for the first so long."""
        if not calls:
            time.sleep(seconds)
            return []
        ray.wait([*calls], num_returns=1, timeout=seconds, fetch_local=False)
        ready, _ = ray.wait([*calls], num_returns=len(calls), timeout=0, fetch_local=False)
        return list(ready)

    def result(self, call: Opaque) -> Opaque:
        """Return what a call gave. Raises LostError when its machine is gone, else what it raised."""
        try:
            return ray.get(call)
        except RayError as error:
            cause = _cause(error)
            raise (LostError(str(error)) if isinstance(cause, RayError) and not _is_bug(cause) else cause) from None


def _sync(actor: Opaque, push: Push) -> Status | None:
    try:
        status: Status = ray.get(actor.sync.remote(push), timeout=_SYNC_SECONDS)
    except (GetTimeoutError, RayActorError):
        return None  # it is being begun anew
    return status


def _is_bug(error: BaseException) -> bool:
    """Return whether code failed, not a machine."""
    return isinstance(error, RayTaskError) and not isinstance(error.cause, RayError)


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
