"""What was answered stands in OUTPUT once, whoever writes, freezes, is given up, and thaws again.

A model of driver, workers and store. Workers are the real ones' logs and writers, each in a thread that stops before
every access to the store; which of them goes on is drawn. No clock decides anything, so there is none. The network
between workers and store is as slow as they are; what a store promises (a rename or a conditional write is atomic) is
taken for granted, and tried with stores of others in `test_cluster_stores.py`.
"""

import json
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from completions_cli.batch.cluster import parts
from completions_cli.batch.cluster.fencing import FencedError, Writer, Writers
from completions_cli.batch.cluster.folder_writers import LocalWriter
from completions_cli.batch.cluster.part_log import PartLog
from completions_cli.batch.cluster.salvage import salvage
from completions_cli.batch.cluster.storage import LocalFolder, RemoteFolder, Version
from completions_cli.batch.cluster.store_writers import RemoteWriter
from completions_cli.batch.cluster.writers import writers
from completions_cli.batch.formats import Outcome, line
from completions_cli.batch.rows import Row

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - files are synced: on disks that takes its time
PART_ROWS = 3
MOST_STEPS = 6
PART = parts.name(0, "jsonl")


class Steps:
    """Runs something in a thread that goes on only step by step."""

    def __init__(self, work: Callable[[Callable[[], None]], None]) -> None:
        self.is_over = False
        self._may_go, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()
        self._stopped.acquire()

    def step(self) -> None:
        """Let it come to its next stop, or to its end."""
        if not self.is_over:
            self._may_go.release()
            self._stopped.acquire()

    def finish(self) -> None:
        """Let it come to its end."""
        while not self.is_over:
            self.step()
        self._thread.join()

    def _run(self, work: Callable[[Callable[[], None]], None]) -> None:
        self._stop()
        try:
            work(self._stop)
        finally:
            self.is_over = True
            self._stopped.release()

    def _stop(self) -> None:
        self._stopped.release()
        self._may_go.acquire()


class SlowLocalWriter(LocalWriter):
    """Stops before it reads, before it writes and before it renames."""

    def __init__(self, root: Path, epoch: str, worker: str, stop: Callable[[], None]) -> None:
        super().__init__(root, epoch, worker)
        self._stop = stop

    def read(self, name: str) -> bytes | None:
        self._stop()
        return super().read(name)

    def _write(self, path: Path, content: bytes) -> None:  # type: ignore[override] # a method, to stop in it
        self._stop()
        LocalWriter._write(path, content)
        self._stop()


class SlowFolder(RemoteFolder):
    """Stops before each call of the store."""

    def __init__(self, url: str, stop: Callable[[], None]) -> None:
        super().__init__(url)
        self._stop = stop

    def read(self, name: str) -> bytes | None:
        self._stop()
        return super().read(name)

    def put_over(self, name: str, content: bytes, version: Version) -> bool:
        self._stop()
        return super().put_over(name, content, version)


@dataclass(eq=False)
class Attempt:
    """A worker's attempt at a part."""

    worker: str
    steps: Steps
    is_done: list[bool]
    kept: set[int]  # rows that were answered: they outlive the worker, where lines are kept


class Fencing(RuleBasedStateMachine):
    """A driver, its workers and those that it has given up."""

    is_remote = False

    def __init__(self) -> None:
        super().__init__()
        self.place = f"memory://fencing/{uuid.uuid4().hex}" if self.is_remote else tempfile.mkdtemp(dir=MEMORY)
        self.folder = RemoteFolder(self.place) if self.is_remote else LocalFolder(Path(self.place))
        self.attempts: list[Attempt] = []
        self.workers: set[str] = set()  # those that the driver believes in
        self.seen: dict[int, bytes] = {}
        self.generation = self.admitted = 0
        self.open()

    def open(self, *, is_anew: bool = False) -> None:
        """Begin a run."""
        self.epoch = uuid.uuid4().hex
        self.writers: Writers = writers(
            self.place, self.epoch, lambda writer, folder: salvage(writer, folder, "native")
        )
        self.writers.open(discard=is_anew)

    # The driver

    @precondition(lambda self: not self.workers)
    @rule(commits=st.sets(st.integers(0, PART_ROWS - 1)), count=st.integers(0, MOST_STEPS))
    def give(self, commits: set[int], count: int) -> None:
        self.begin(commits)
        self.go(self.attempts[-1], count)

    @precondition(lambda self: self.workers)
    @rule()
    def lose(self) -> None:
        kept = self.kept()
        for name in self.workers:
            self.writers.dismiss(name)
        self.workers.clear()
        self.nothing_is_lost_or_doubled()
        assert kept <= set(self.seen)

    def kept(self) -> set[int]:
        """Return the rows that workers have answered and that must not be asked again."""
        if self.is_remote:
            return set()
        return {row for attempt in self.attempts if attempt.worker in self.workers for row in attempt.kept}

    @rule(is_anew=st.booleans())
    def another_driver_comes(self, *, is_anew: bool) -> None:
        kept = self.kept()
        self.workers.clear()
        self.open(is_anew=is_anew)
        if self.is_remote or not is_anew:
            self.nothing_is_lost_or_doubled()
            assert kept <= set(self.seen)
            return
        self.folder.remove(PART)
        self.seen.clear()
        self.generation += 1

    # The workers, those that were given up too

    def begin(self, commits: set[int]) -> None:
        self.admitted += 1
        worker = f"w{self.admitted}"
        self.writers.admit(worker)
        self.workers.add(worker)
        epoch, generation, done = self.epoch, self.generation, [False]
        kept = set[int]()

        def work(stop: Callable[[], None]) -> None:
            writer: Writer = (
                RemoteWriter(SlowFolder(self.place, stop), epoch, worker)
                if self.is_remote
                else SlowLocalWriter(Path(self.place), epoch, worker, stop)
            )
            try:
                log = PartLog(writer, 0, "jsonl", "native")
                for row in [row for row in range(PART_ROWS) if row not in log]:
                    said = {"by": uuid.uuid4().hex, "generation": generation}
                    log.append(line(Outcome(Row(row, metadata=said), choices=[{"text": "a"}]), "native"))
                    kept.add(row)
                    if row in commits:
                        log.commit()
                log.commit()
                done[0] = True
            except FencedError:
                pass

        self.attempts.append(Attempt(worker, Steps(work), done, kept))

    @precondition(lambda self: self.attempts)
    @rule(data=st.data(), count=st.integers(1, MOST_STEPS))
    def go_on(self, data: st.DataObject, count: int) -> None:
        self.go(data.draw(st.sampled_from(self.attempts)), count)

    def go(self, attempt: Attempt, count: int) -> None:
        for _ in range(count):
            attempt.steps.step()
            self.nothing_is_lost_or_doubled()
        if attempt.steps.is_over and attempt.worker in self.workers:
            assert attempt.is_done == [True]
            self.workers.discard(attempt.worker)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        found: dict[int, bytes] = {}
        for content in (self.folder.read(PART) or b"").splitlines():
            record = json.loads(content)
            assert record["row"] not in found
            assert record["metadata"]["generation"] == self.generation
            found[record["row"]] = content
        assert found.items() >= self.seen.items()
        self.seen = found

    def teardown(self) -> None:
        # The driver brings it to its end, then all thaw whom it had given up.
        frozen = [attempt for attempt in self.attempts if attempt.worker not in self.workers]
        for attempt in self.attempts:
            if attempt.worker in self.workers:
                attempt.steps.finish()
        self.begin(set())
        self.attempts[-1].steps.finish()
        self.nothing_is_lost_or_doubled()
        for attempt in frozen[::2]:
            attempt.steps.finish()
        self.writers.close()
        for attempt in frozen[1::2]:
            attempt.steps.finish()
        self.nothing_is_lost_or_doubled()
        assert set(self.seen) == set(range(PART_ROWS))
        if not self.is_remote:
            shutil.rmtree(self.place)


class RemoteFencing(Fencing):
    """The same in an object store."""

    is_remote = True


def test_an_answer_that_was_seen_stays_though_another_comes_later() -> None:
    played = RemoteFencing()
    played.give(commits={0}, count=5)
    played.lose()
    played.give(commits={0, 1}, count=2)
    played.go(played.attempts[0], 1)
    played.teardown()


Fencing.TestCase.settings = RemoteFencing.TestCase.settings = settings(stateful_step_count=30, deadline=None)
TestFencing = Fencing.TestCase
TestRemoteFencing = RemoteFencing.TestCase
