"""The machines of a Ray cluster, and the actors that run on them."""

import threading
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from completions_cli.batch.cluster import environment, splits
from completions_cli.batch.cluster.machines import LostError, Opaque
from completions_cli.batch.cluster.messages import Done, Grant, Orders, Report
from completions_cli.batch.cluster.splits import Block, Split
from completions_cli.batch.cluster.worker import Job, Worker
from completions_cli.batch.triage import Ending
from completions_cli.errors import CompletionsError, ConfigError

_WORKER_CPUS = 0.5
_FIRST_LOOK_SECONDS = 20.0
_LOOK_SECONDS = 2.0
_MOST_MISSES = 10  # looks in a row without an answer: half a minute
_CALLS_AT_ONCE = 16  # of a worker, more than it is ever given


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

    def refuse(self, member: int, version: int) -> None:
        ray.get(self.actor.refuse.remote(member, version))


class _Asker:
    """The actor of a worker."""

    def __init__(self, job: Job, name: str, actor: object) -> None:
        self._worker = Worker(job, name, _Calls(actor))

    async def begin(self) -> tuple[str, Ending | None]:
        """Return the id of this machine, and why the run must end, if it must."""
        return ray.get_runtime_context().get_node_id(), await self._worker.begin()

    async def work(self, work: Block | Split) -> Done:
        """See `Worker.work`."""
        return await self._worker.work(work)

    async def retire(self) -> None:
        """See `Worker.retire`."""
        self._worker.retire()


class _Reader:
    """The actor of a reader: reads a file from its start, and returns its blocks one by one."""

    def __init__(self, split: Split) -> None:
        self._blocks = splits.blocks(split)

    def use(self, store: Mapping[str, str]) -> None:
        """Open object stores as the driver does."""
        environment.use(store)

    def next(self) -> tuple[int | None, Block | None]:
        """Return the next part and its block; None at the end."""
        block = next(self._blocks, None)
        return (None, None) if block is None else (block.part, block)


class _Head:
    """Asks the head of the cluster for its machines, in a thread: without a head, Ray never answers."""

    def __init__(self) -> None:
        self._nodes, self._leaving = set[str](), set[str]()
        self._asking: threading.Thread | None = None
        self._answers = self._seen = 0
        self._misses = -1  # looks in a row without an answer; the first one may take its time

    @property
    def is_there(self) -> bool:
        """False if it has been silent for too long."""
        return self._misses < _MOST_MISSES

    def look(self) -> tuple[set[str], set[str]] | None:
        """Return the machines that may work, and those about to go, as last known; None if the head is silent."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask, daemon=True)
            self._asking.start()
        self._asking.join(_FIRST_LOOK_SECONDS if self._misses < 0 else _LOOK_SECONDS)
        self._misses = 0 if self._answers > self._seen else max(0, self._misses) + 1
        self._seen = self._answers
        return (self._nodes, self._leaving) if self.is_there else None

    def _ask(self) -> None:
        with suppress(RayError, RuntimeError, OSError):
            nodes = {str(node["NodeID"]) for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")}
            self._nodes, self._leaving = nodes, _leaving()
            self._answers += 1


def _leaving() -> set[str]:
    """Return the ids of machines that are being drained."""
    try:
        from ray._private.state import state  # there is no public way

        return set(state.get_draining_nodes())
    except (ImportError, AttributeError, RayError):  # then they are lost when they are gone
        return set()


class RayMachines:
    """The machines of the cluster, and what runs on them."""

    def __init__(self, job: Job, coordinator: str, store: Mapping[str, str]) -> None:
        self._job, self._store = job, store
        self._actor = ray.get_actor(coordinator)
        self._asked: PlacementGroup | None = None
        self._head = _Head()
        asker: Any = _Asker  # Ray makes classes of its own of them
        reader: Any = _Reader
        self._asker = ray.remote(asker)
        self._reader = ray.remote(reader).options(num_cpus=0, scheduling_strategy="SPREAD")

    def look(self) -> tuple[set[str], set[str]] | None:
        """Return the ids of the machines that may work, and of those that are being drained; None without a head.

        A cluster drains idle machines, and a cloud those that it takes away.
        """
        return self._head.look()

    def request(self, machines: int) -> None:
        """Request room on a number of machines; 0 withdraws it. The request ends with this process."""
        if self._asked is not None:
            remove_placement_group(self._asked)
        bundles = [{"CPU": _WORKER_CPUS}] * machines
        self._asked = placement_group(bundles, strategy="STRICT_SPREAD") if machines else None

    def start_worker(self, name: str, node: str | None) -> Opaque:
        """Start a worker on a machine, or wherever there is room, for which a cluster may grow."""
        where: Any = NodeAffinitySchedulingStrategy(node, soft=False) if node else "SPREAD"
        options = {"num_cpus": _WORKER_CPUS, "max_concurrency": _CALLS_AT_ONCE, "scheduling_strategy": where}
        return self._asker.options(**options).remote(self._job, name, self._actor)

    def start_reader(self, split: Split) -> Opaque:
        """Start a reader."""
        reader = self._reader.remote(split)
        if self._store:
            reader.use.remote(self._store)  # as the argument of a call it is stored nowhere
        return reader

    def begin(self, worker: Opaque) -> Opaque:
        """Have a worker begin."""
        return worker.begin.remote()

    def work(self, worker: Opaque, work: Opaque) -> Opaque:
        """Have a worker work on a split or a block."""
        return worker.work.remote(work)

    def retire(self, worker: Opaque) -> Opaque:
        """Have a worker hand back what it works on."""
        return worker.retire.remote()

    def read(self, reader: Opaque) -> tuple[Opaque, Opaque]:
        """Have a reader read. Its results: the part, and its block."""
        part, block = reader.next.options(num_returns=2).remote()
        return part, block

    def kill(self, actor: Opaque) -> None:
        """End a worker or a reader at once, unless the head is gone: Ray would wait for it."""
        if self._head.is_there:
            kill(actor)

    def wait(self, calls: Sequence[Opaque], seconds: float) -> list[Opaque]:
        """Return the calls that have ended, waiting at most `seconds` for the first."""
        if not calls:
            time.sleep(seconds)
            return []
        ray.wait([*calls], num_returns=1, timeout=seconds, fetch_local=False)
        ready, _ = ray.wait([*calls], num_returns=len(calls), timeout=0, fetch_local=False)
        return list(ready)

    def result(self, call: Opaque) -> Opaque:
        """Return the result of a call. Raises LostError if its machine is gone, else what it raised."""
        try:
            return ray.get(call)
        except RayError as error:
            cause = cause_of(error)
            raise (LostError(str(error)) if is_loss(cause) else cause) from None


def kill(actor: Opaque) -> bool:
    """End an actor; false if Ray does not manage to."""

    def end() -> None:
        with suppress(RayError, ValueError):
            ray.kill(actor)

    killing = threading.Thread(target=end, daemon=True)
    killing.start()
    killing.join(_LOOK_SECONDS)
    return not killing.is_alive()


def is_loss(cause: BaseException) -> bool:
    """Return whether a machine or process was lost, rather than that our code failed on it."""
    return isinstance(cause, RayError) and not (
        isinstance(cause, RayTaskError) and not isinstance(cause.cause, RayError)
    )


def cause_of(error: BaseException) -> BaseException:
    """Return the cause of a failed task: our own error, if it is one."""
    cause = error.cause if isinstance(error, RayTaskError) else error
    if isinstance(cause, CompletionsError):
        return cause
    if "No module named 'completions_cli'" in str(error):
        return ConfigError(
            "the machines of the cluster lack completions",
            hint="Install the same version of completions-cli[ray] on all of them.",
        )
    return error
