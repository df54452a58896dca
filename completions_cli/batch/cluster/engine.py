"""Joins or starts a Ray cluster, and runs a job on it.

Ray reads its environment (`environment`) when it is imported, so that must be set before this module is imported.
"""

import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from completions_cli.batch.cluster import environment, inputs
from completions_cli.batch.cluster.backlog import Backlog
from completions_cli.batch.cluster.bounds import Bounds
from completions_cli.batch.cluster.coordinator import Coordinator
from completions_cli.batch.cluster.driver import Driver, Sync
from completions_cli.batch.cluster.inputs import Contents, InputFile
from completions_cli.batch.cluster.machines import Opaque
from completions_cli.batch.cluster.members import ClusterLimits
from completions_cli.batch.cluster.messages import Push, Status
from completions_cli.batch.cluster.ray_machines import RayMachines, cause_of, is_loss, kill
from completions_cli.batch.cluster.scheduler import Scheduler
from completions_cli.batch.cluster.splits import Split
from completions_cli.batch.cluster.worker import Job
from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.batch.recipe import Recipe
from completions_cli.errors import BatchStoppedError, ConfigError, NetworkError, UsageError
from completions_cli.exit_codes import ExitCode

_NAMESPACE = "completions"
_TICK_SECONDS = 0.2
_SYNC_SECONDS = 5.0
_CODES_OF_RAY = (1, signal.SIGTERM)  # of its handlers of SIGTERM


class _Coordinator(Coordinator):
    """Asks Ray whether it was restarted."""

    def __init__(self, limits: ClusterLimits) -> None:
        super().__init__(limits, is_restarted=ray.get_runtime_context().was_current_actor_reconstructed)


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Join the cluster at `address`, or start one on this machine, for the length of a block.

    Ray prints messages about machines, tasks and autoscalers at any time, also while it shuts down. The caller hides
    them from the user.
    """
    folder = None if address else tempfile.mkdtemp(prefix="completions-ray-")
    quiet: dict[str, Any] = {"namespace": _NAMESPACE, "log_to_driver": False, "configure_logging": False}
    if folder is not None:
        quiet |= {"include_dashboard": False, "_temp_dir": folder}
    try:
        with _connecting(address), _same_sigterm():
            ray.init(address=address or "local", **quiet)
        yield
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _same_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM: that of Ray ends this process with another exit code."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit as ended:
        raise SystemExit(ExitCode.TERMINATED if ended.code in _CODES_OF_RAY else ended.code) from None
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _connecting(address: str | None) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        words = " ".join(str(error).split())
        if "ersion" in words and "Python" in words:  # Ray's own check of both
            raise ConfigError(
                f"the cluster has different versions: {words}", hint="Install the same Ray and Python on all machines."
            ) from None
        if "AuthenticationError" in f"{error.__cause__} {error.__context__}":  # older versions of Ray do not say `from`
            raise NetworkError(
                f"the Ray cluster at {address} does not accept the token",
                hint="Set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN (or ~/.ray/auth_token) to that of the cluster.",
            ) from None
        raise NetworkError(
            f"no Ray cluster at {address or 'this machine'}: {words}",
            hint="--address HOST:PORT of the head node, or auto on a machine of the cluster.",
        ) from None


def count(
    files: Sequence[InputFile], recipe: Recipe, earlier: Sequence[Identity], store: Mapping[str, str]
) -> list[Contents]:
    """Count the rows of all files, on all machines where there are several files.

    `earlier` are the files that an earlier run has read, of which the last may have grown; `store` has the variables
    that open their store. Raises UsageError, also where a file lacks what the recipe names.
    """
    before = {len(earlier) - 1: earlier[-1]} if earlier else {}
    if len(files) == 1:
        return [inputs.count(files[0], before.get(0))]
    task = ray.remote(num_cpus=0, scheduling_strategy="SPREAD")(_count)  # whoever else uses the cluster
    try:
        calls = [task.remote(file, recipe, before.get(place), store) for place, file in enumerate(files)]
        found: list[Contents] = ray.get(calls)
    except RayError as error:
        cause = cause_of(error)
        if is_loss(cause):
            raise BatchStoppedError(
                "the processes that counted the rows of INPUT ended again and again",
                hint="Do the machines have too little memory? Nothing was sent; run the same command again.",
            ) from None
        raise cause from None
    return found


def _count(file: InputFile, recipe: Recipe, earlier: Identity | None, store: Mapping[str, str]) -> Contents:
    environment.use(store)
    try:
        inputs.survey(file, recipe)
    except UsageError as error:
        if file.url in error.message:
            raise
        raise UsageError(f"{file.url}: {error.message}", hint=error.hint) from None
    return inputs.count(file, earlier)


@dataclass(frozen=True, slots=True)
class Engine:
    """Runs a job on the cluster that was joined."""

    job: Job
    limits: ClusterLimits
    most: Bounds
    store: Mapping[str, str] = field(default_factory=dict, repr=False)
    tell: Callable[[str], None] = lambda _: None

    @contextmanager
    def coordinator(self) -> Iterator[Sync]:
        """Start the coordinator of a run, one for each OUTPUT; it ends with the block, or with this process."""
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
            kill(actor)

    def run(self, driver: Driver, splits: Iterator[Split], show: Callable[[], None], interval: float) -> None:
        """Work until all splits are done, or the run has ended. Calls `show` every `interval` seconds."""
        scheduler = Scheduler(RayMachines(self.job, self.job.output, self.store), driver, Backlog(splits), self.most)
        scheduler.tell = self.tell
        ticked_at = shown_at = float("-inf")
        try:
            while not scheduler.is_over():
                if time.monotonic() - ticked_at >= _TICK_SECONDS:
                    scheduler.look(driver.tick(), time.monotonic())
                    ticked_at = time.monotonic()
                if time.monotonic() - shown_at >= interval:
                    show()
                    shown_at = time.monotonic()
                scheduler.step(_TICK_SECONDS)
        finally:
            scheduler.shut_down()


def _sync(actor: Opaque, push: Push) -> Status | None:
    try:
        status: Status = ray.get(actor.sync.remote(push), timeout=_SYNC_SECONDS)
    except (GetTimeoutError, RayActorError):
        return None  # it is being begun anew
    return status
