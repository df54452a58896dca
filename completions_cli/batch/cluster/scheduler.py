"""Assigns blocks of rows to workers: one worker on each machine, replaced when it is lost, ended with the run.

Knows nothing about Ray. What runs on other machines is reached through `Machines`, whose calls are opaque values.
"""

import functools
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from completions_cli.batch.cluster.backlog import Backlog, Item
from completions_cli.batch.cluster.bounds import Bounds
from completions_cli.batch.cluster.driver import Driver
from completions_cli.batch.cluster.machines import LostError, Machines, Opaque
from completions_cli.batch.cluster.messages import Done
from completions_cli.batch.cluster.readers import Readers
from completions_cli.batch.triage import Ending
from completions_cli.errors import BatchStoppedError, CompletionsError, OutputError

_BLOCKS_AT_ONCE = 2  # of a worker: it begins the next one while the last rows of one are in flight
_LOOK_SECONDS = 3.0  # between two looks at which machines there are
_SILENT_SECONDS = 60.0  # without a report of a worker, while others report: it is lost
_UNLED_SECONDS = 90.0  # without the coordinator: Ray restarts it within seconds
_LONGEST_TICK = 10.0  # a longer pause tells nothing: this process itself was frozen
_PATIENT_SECONDS = 20.0  # without a worker: no machine seems to have room for one
_START_SECONDS = 10.0  # that the first worker waits for the others to say whether they can write
_END_SECONDS = 25.0  # from the reason to end until all workers are stopped
_LOSSES = 20  # of workers, with nothing done in between
_AGAIN = "Run the same command again to complete them."


@dataclass(eq=False, slots=True)
class _Worker:
    """A worker as the driver sees it.

    It `is_leaving` when its machine is about to go. `silence` is the seconds without a report while others reported.
    """

    name: str
    actor: Opaque
    node: str | None
    is_ready: bool = False
    is_leaving: bool = False
    items: dict[Opaque, Item] = field(default_factory=dict)  # by the calls that work on them
    silence: float = 0.0


class Scheduler:
    """The workers and readers of a run, and what each of them does."""

    def __init__(
        self,
        machines: Machines,
        driver: Driver,
        backlog: Backlog,
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tell: Callable[[str], None] = lambda _: None  # what the user should know
        self._machines, self._driver, self._backlog, self._bounds = machines, driver, backlog, bounds
        self._clock = clock
        self._workers: set[_Worker] = set()
        self._calls: dict[Opaque, Callable[[Opaque], None]] = {}  # what to do with the result of each call
        self._readers = Readers(machines, backlog, self._calls, self._stop_for_input)
        self._looked_at = self._ticked_at = float("-inf")
        self._first_started: float | None = None
        self._first_ready: float | None = None
        self._has_told = False  # that there is no room for workers
        self._ended_at: float | None = None
        self._losses = 0
        self._has_requested = False  # machines
        self._unled = 0.0  # seconds without the coordinator

    def is_over(self) -> bool:
        """Return whether all is done, or the run has ended and no worker is waited for any longer."""
        is_working = any(worker.items for worker in self._workers)
        if self._driver.ending is None:
            return self._backlog.is_empty and not self._readers.are_reading and not is_working
        self._ended_at = self._clock() if self._ended_at is None else self._ended_at
        return not is_working or self._clock() - self._ended_at > _END_SECONDS

    def look(self, heard: frozenset[str] | None, now: float) -> None:
        """Update which workers and machines there are. `heard` has the workers that reported to the coordinator."""
        before = max(self._ticked_at, now - _LONGEST_TICK)
        since, self._ticked_at = min(1.0, now - self._ticked_at), now
        self._unled = 0.0 if heard is not None else self._unled + now - before
        if self._unled > _UNLED_SECONDS:
            self._stop("the coordinator cannot be reached: has the cluster lost this machine?")
        for worker in [worker for worker in self._workers if worker.is_ready]:
            if heard is not None:
                worker.silence = 0.0 if worker.name in heard else worker.silence + since
            if worker.silence > _SILENT_SECONDS:
                self._lose(worker)
        self._tell_of_waiting(now)
        if now - self._looked_at > _LOOK_SECONDS and self._driver.ending is None:
            self._looked_at = now
            found = self._machines.look()
            if found is None:
                self._stop("the head of the cluster has not answered for half a minute")
                return
            nodes, leaving = found
            self._drain(leaving)
            self._start_workers(nodes, leaving)

    def step(self, seconds: float) -> None:
        """Assign work and handle the calls that have ended, waiting at most `seconds` for the first."""
        if self._driver.ending is None:
            self._assign()
        for call in self._machines.wait(list(self._calls), seconds):
            then = self._calls.pop(call, None)
            if then is not None:
                then(call)

    def shut_down(self) -> None:
        """End all workers and readers: nothing of theirs is written any more."""
        self._readers.shut_down()
        for worker in self._workers.copy():
            with suppress(OutputError):  # the next run finds what it has left
                self._dismiss(worker)
        if self._has_requested:
            self._machines.request(0)
        self._calls.clear()

    def _stop(self, words: str) -> None:
        """End the run because the cluster fails."""
        self._driver.stop(Ending("lost", BatchStoppedError(words, hint=_AGAIN)))

    def _stop_for_input(self, error: CompletionsError) -> None:
        self._driver.stop(Ending("input", error))

    def _tell_of_waiting(self, now: float) -> None:
        """Tell the user once when other jobs have taken all machines."""
        if self._first_started is None or self._first_ready is not None or self._driver.ending is not None:
            return
        if not self._has_told and now - self._first_started > _PATIENT_SECONDS:
            self._has_told = True
            self.tell("still waiting for the cluster: a worker needs half a CPU of a machine, and none is free")

    # Workers

    def _start_workers(self, nodes: set[str], leaving: set[str]) -> None:
        for worker in [worker for worker in self._workers if worker.node and worker.node not in nodes]:
            self._lose(worker)
        staying = nodes - leaving
        is_short = len(staying) < self._bounds.least
        if is_short != self._has_requested:
            self._machines.request(self._bounds.least if is_short else 0)
            self._has_requested = is_short
        for node in sorted(staying - {worker.node for worker in self._workers}):
            if self._count() < self._bounds.most:
                self._start(node)
        if not self._count():
            self._start(None)

    def _count(self) -> int:
        return sum(not worker.is_leaving for worker in self._workers)

    def _drain(self, leaving: set[str]) -> None:
        """Have the workers of machines that are about to go hand back their rows, and end them after that."""
        for worker in [worker for worker in self._workers if worker.node in leaving]:
            if not worker.is_leaving:
                worker.is_leaving = True
                self._calls[self._machines.retire(worker.actor)] = functools.partial(self._result, worker)
            elif not worker.items:
                self._dismiss(worker)

    def _start(self, node: str | None) -> None:
        name = uuid.uuid4().hex
        self._driver.admit(name)
        worker = _Worker(name, self._machines.start_worker(name, node), node)
        self._first_started = self._clock() if self._first_started is None else self._first_started
        self._workers.add(worker)
        self._calls[self._machines.begin(worker.actor)] = lambda call: self._has_begun(worker, call)

    def _has_begun(self, worker: _Worker, call: Opaque) -> None:
        found = self._result(worker, call)
        if found is not None:
            worker.node, ending = found
            worker.is_ready = True
            self._first_ready = self._clock() if self._first_ready is None else self._first_ready
            self._driver.stop(ending)

    def _lose(self, worker: _Worker) -> None:
        """Drop a worker, and put its work back for others."""
        if worker not in self._workers:
            return
        self._dismiss(worker)  # before anybody else works on the same rows
        for call, item in worker.items.items():
            self._calls.pop(call, None)
            self._give_back(item)
        worker.items.clear()
        self._losses += 1
        if self._losses > _LOSSES:
            self._stop("workers end as soon as they start: is there too little memory?")

    def _dismiss(self, worker: _Worker) -> None:
        """End a worker: nothing of it is written any more."""
        self._workers.discard(worker)
        self._machines.kill(worker.actor)
        self._driver.dismiss(worker.name)

    def _result(self, worker: _Worker, call: Opaque) -> Opaque:
        """Return the result of a worker's call; None if the worker is lost, or what it raised ends the run."""
        try:
            return self._machines.result(call)
        except LostError:
            self._lose(worker)
        except CompletionsError as error:
            self._stop_for_input(error)
        return None

    # Work

    def _assign(self) -> None:
        self._readers.read(max(1, len(self._workers)) * _BLOCKS_AT_ONCE)
        if not self._have_started():
            return
        while (worker := self._free()) is not None and (item := self._backlog.item()) is not None:
            call = self._machines.work(worker.actor, item.split if item.block is None else item.block)
            worker.items[call] = item
            self._calls[call] = self._ended(worker, item)

    def _ended(self, worker: _Worker, item: Item) -> Callable[[Opaque], None]:
        def ended(call: Opaque) -> None:
            done: Done | None = self._result(worker, call)
            if worker.items.pop(call, None) is None:
                return  # the worker is lost, and its items are back already
            if done is None:
                self._give_back(item)
                return
            self._losses = 0
            self._driver.done(done)
            if done.is_handed_back:
                self._backlog.put_back(item)
            if done.is_fenced:
                self._give_back(item)
                self._lose(worker)

        return ended

    def _give_back(self, item: Item) -> None:
        if not self._backlog.give_back(item):
            self._stop(f"workers ended again and again at the rows from {item.part} on")

    def _have_started(self) -> bool:
        """Return whether all workers have begun, or the first has waited long enough for the others."""
        if self._first_ready is None:
            return False
        is_late = self._clock() - self._first_ready > _START_SECONDS
        return is_late or all(worker.is_ready for worker in self._workers)

    def _free(self) -> _Worker | None:
        """Return the worker with the least to do that can take one more item."""
        free = [
            worker
            for worker in self._workers
            if worker.is_ready and not worker.is_leaving and len(worker.items) < _BLOCKS_AT_ONCE
        ]
        return min(free, key=lambda worker: len(worker.items), default=None)
