"""The command with a cluster of threads in its own process, for endings that a cluster of Ray takes too long for.

python benchmarks/played_cluster.py batch … --engine ray --address played

All is as on a cluster but what Ray does: workers, coordinator and driver are the real ones, and what they tell each
other is pickled on its way. It starts in a fraction of the time.
"""

import asyncio
import pickle
import sys
import threading
import time
import types
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from completions_cli.__main__ import run
from completions_cli.batch.cluster import inputs
from completions_cli.batch.cluster.backlog import Backlog
from completions_cli.batch.cluster.bounds import Bounds
from completions_cli.batch.cluster.coordinator import Coordinator
from completions_cli.batch.cluster.driver import Driver, Sync
from completions_cli.batch.cluster.machines import LostError
from completions_cli.batch.cluster.scheduler import Scheduler
from completions_cli.batch.cluster.splits import Split
from completions_cli.batch.cluster.worker import Job, Worker

NODES = ("a", "b", "c")
TICK = 0.2  # seconds


class Calls:
    """The coordinator as workers and driver reach it: one call at a time, all of it copied."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator, self._lock = coordinator, threading.Lock()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: object) -> Any:  # noqa: ANN401 - whatever the method returns
            with self._lock:
                found = getattr(self._coordinator, name)(*copied(args))
                return copied(found)

        return call

    async def exchange(self, *args: object) -> Any:  # noqa: ANN401 - as above
        """See `Coordinator.exchange`."""
        return await asyncio.to_thread(self.__getattr__("exchange"), *args)


def copied(value: Any) -> Any:  # noqa: ANN401 - anything
    """Return what the other side of a call gets."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - our own


class Actor:
    """A worker in a thread with an event loop of its own."""

    def __init__(self, job: Job, name: str, node: str, calls: Calls) -> None:
        self.node, self._loop = node, asyncio.new_event_loop()
        self.worker = Worker(job, name, calls)
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def call(self, work: Coroutine[Any, Any, Any]) -> "Future[Any]":
        """Run a call of the worker."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def kill(self) -> None:
        """Cancel all that it does."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        for task in asyncio.all_tasks(self._loop):
            task.cancel()


class Threads:
    """`Machines` of threads."""

    def __init__(self, job: Job, calls: Calls) -> None:
        self._job, self._calls = job, calls

    def look(self) -> tuple[set[str], set[str]]:
        """Return all of them, and that none is about to go."""
        return {*NODES}, set()

    def request(self, machines: int) -> None:
        """Ask nobody."""

    def start_worker(self, name: str, node: str | None) -> Actor:
        """Begin a worker."""
        return Actor(copied(self._job), name, node or NODES[0], self._calls)

    def begin(self, actor: Actor) -> "Future[Any]":
        """Have a worker begin."""

        async def begin() -> object:
            return actor.node, await actor.worker.begin()

        return actor.call(begin())

    def work(self, actor: Actor, work: Split) -> "Future[Any]":
        """Have a worker work on a split."""
        return actor.call(actor.worker.work(copied(work)))

    def retire(self, actor: Actor) -> "Future[Any]":
        """Have a worker hand back what it works on."""

        async def retire() -> None:
            actor.worker.retire()

        return actor.call(retire())

    def start_reader(self, split: Split) -> Actor:
        """Refuse: only files of lines are read here."""
        raise NotImplementedError(split.file.url)

    def read(self, reader: Actor) -> tuple[Any, Any]:
        """Refuse."""
        raise NotImplementedError(reader)

    def kill(self, actor: Actor) -> None:
        """End a worker."""
        actor.kill()

    def wait(self, calls: Sequence["Future[Any]"], seconds: float) -> list["Future[Any]"]:
        """Wait for the first call to end."""
        return list(wait(calls, seconds, return_when=FIRST_COMPLETED).done) if calls else []

    def result(self, call: "Future[Any]") -> Any:  # noqa: ANN401 - whatever a call gives
        """Return what a call gave."""
        try:
            return copied(call.result())
        except CancelledError:
            raise LostError("it was killed") from None


@dataclass(frozen=True, slots=True)
class Engine:
    """Stands in for the `Engine` that runs jobs on Ray."""

    job: Job
    limits: Any
    most: Bounds
    store: Mapping[str, str]
    tell: Callable[[str], None]
    calls: list[Calls] = field(default_factory=list)

    @contextmanager
    def coordinator(self) -> Iterator[Sync]:
        """Begin the coordinator."""
        self.calls.append(Calls(Coordinator(self.limits)))
        yield self.calls[0].sync

    def run(self, driver: Driver, splits: Iterator[Split], show: Callable[[], None], interval: float) -> None:
        """Work until all is done, or the run has ended."""
        del interval
        scheduler = Scheduler(Threads(self.job, self.calls[0]), driver, Backlog(splits), self.most)
        try:
            while not scheduler.is_over():
                scheduler.look(driver.tick(), time.monotonic())
                show()
                scheduler.step(TICK)
        finally:
            scheduler.shut_down()


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Join nothing."""
    del address
    yield


def count(files: Sequence[inputs.InputFile], recipe: object, earlier: object, store: object) -> list[inputs.Contents]:
    """Count the rows of all files here."""
    del recipe, earlier, store
    return [inputs.count(file) for file in files]


if __name__ == "__main__":
    played = types.ModuleType("completions_cli.batch.cluster.engine")
    played.__dict__.update(Engine=Engine, cluster=cluster, count=count)
    sys.modules[played.__name__] = played
    run()
