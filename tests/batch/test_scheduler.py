"""Which worker gets which rows, as machines come, go, freeze and lose their work; on a simulated cluster."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from completions_cli.api.endpoint import resolve
from completions_cli.api.service import Service
from completions_cli.auth.credentials import KeyCredentials
from completions_cli.auth.secret import Secret
from completions_cli.batch.cluster.backlog import Backlog
from completions_cli.batch.cluster.bounds import Bounds
from completions_cli.batch.cluster.driver import Driver, Reach, Signer
from completions_cli.batch.cluster.inputs import Contents, InputFile
from completions_cli.batch.cluster.machines import LostError
from completions_cli.batch.cluster.messages import Done, Push, Status
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.cluster.parts import PartEntry
from completions_cli.batch.cluster.planning import Partition
from completions_cli.batch.cluster.scheduler import Scheduler
from completions_cli.batch.cluster.splits import Split
from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.run_file import RunFile
from completions_cli.batch.selection import Selection
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.transport.connection import Connection

LINES, TABLE = InputFile("file:///in.jsonl", "jsonl"), InputFile("file:///in.csv", "csv")


def lines(*parts: int) -> Iterator[Split]:
    return (Split(LINES, part, 10, frozenset({part}), Selection()) for part in parts)


@dataclass(eq=False)
class Actor:
    """A worker or a reader."""

    name: str
    node: str | None
    parts: list[int] = field(default_factory=list)


@dataclass(eq=False)
class Call:
    """A call: of a worker to begin, or to work on a part; of a reader."""

    actor: Actor
    gives: object = None
    part: int | None = None


class Played:
    """A cluster. Workers begin at once, readers read at once, and work ends when a test says so."""

    def __init__(self, *nodes: str) -> None:
        self.there = set(nodes)
        self.ready: list[Call] = []
        self.working: list[Call] = []
        self.killed: list[Actor] = []
        self.opened = 0
        self.going: set[str] = set()
        self.has_head = True
        self.requested: list[int] = []

    def look(self) -> tuple[set[str], set[str]] | None:
        return (self.there, self.going) if self.has_head else None

    def request(self, machines: int) -> None:
        self.requested.append(machines)

    def retire(self, worker: Actor) -> Call:
        return Call(worker)

    def start_worker(self, name: str, node: str | None) -> Actor:
        return Actor(name, node)

    def start_reader(self, split: Split) -> Actor:
        self.opened += 1
        return Actor("reader", None, sorted(split.parts))

    def begin(self, worker: Actor) -> Call:
        call = Call(worker, (worker.node or "new", None))
        if worker.node or "new" in self.there:
            self.ready.append(call)
        return call

    def work(self, worker: Actor, work: object) -> Call:
        part = min(work.parts) if isinstance(work, Split) else work
        assert isinstance(part, int)
        self.working.append(Call(worker, part=part))
        return self.working[-1]

    def read(self, reader: Actor) -> tuple[Call, object]:
        part = reader.parts.pop(0) if reader.parts else None
        self.ready.append(Call(reader, part))
        return self.ready[-1], part

    def kill(self, actor: Actor) -> None:
        self.killed.append(actor)

    def wait(self, calls: Sequence[Call], seconds: float) -> list[Call]:
        assert seconds >= 0
        found, self.ready = [call for call in self.ready if call in calls], []
        return found

    def result(self, call: Call) -> object:
        if isinstance(call.gives, BaseException):
            raise call.gives
        return call.gives

    def end(self, call: Call, gives: object = None) -> None:
        """Let a piece of work end."""
        assert call.part is not None
        self.working.remove(call)
        call.gives = gives or Done(call.part, f"attempt-{call.part}", PartEntry(9, 1, 1), Totals())
        self.ready.append(call)


class Stage:
    """A scheduler, its driver and the cluster they have."""

    def __init__(self, folder: Path, machines: Played, splits: Iterator[Split], bounds: Bounds) -> None:
        self.now, self.machines, self.heard = 100.0, machines, frozenset[str]()
        self.output = Output(str(folder / "out"), "jsonl")
        self.output.lock()
        self.plan = Partition([LINES], [Contents(3, "abc", 100_000)], Selection(), 500)
        self.output.prepare(RunFile(Identity("in", 3, "abc"), {}, "native", (0, 1)), self.plan, overwrite=False)
        credentials = KeyCredentials(Secret("sekret-0123456"))
        signer = Signer([Reach(Service(resolve("https://example.com")), Connection(), credentials)])
        self.pushes: list[Push] = []
        self.driver = Driver(self.output, Totals(), signer, self._sync, ModelWatch(), clock=lambda: self.now)
        self.told: list[str] = []
        self.scheduler = Scheduler(machines, self.driver, Backlog(splits), bounds, lambda: self.now)
        self.scheduler.tell = self.told.append

    def _sync(self, push: Push) -> Status:
        self.pushes.append(push)
        return Status("one", 0, {}, None, {}, self.heard)

    def go(self, seconds: float = 1.0) -> None:
        """Let time pass."""
        while seconds > 0:
            self.now, seconds = self.now + min(1.0, seconds), seconds - 1.0
            self.scheduler.look(self.driver.tick(), self.now)
            for _ in range(3):
                self.scheduler.step(0.0)

    def parts(self, node: str | None = None) -> list[int]:
        """Name the parts that are worked on, by the workers of one machine or of all."""
        working = [call for call in self.machines.working if node in (None, call.actor.node)]
        return sorted(call.part for call in working if call.part is not None)


def staged(
    tmp_path: Path,
    machines: Played,
    splits: Iterator[Split],
    bounds: Bounds = Bounds(),  # noqa: B008 - frozen
) -> Stage:
    stage = Stage(tmp_path, machines, splits, bounds)
    stage.go(4)
    return stage


def test_machines_that_join_are_used(tmp_path: Path) -> None:
    stage = staged(tmp_path, Played("a"), lines(*range(0, 100, 10)))
    assert stage.parts() == [0, 10]
    stage.machines.there.add("b")
    stage.go(4)
    assert (stage.parts("a"), stage.parts("b")) == ([0, 10], [20, 30])


def test_bounds_hold_and_a_cluster_that_can_grow_is_asked_to(tmp_path: Path) -> None:
    stage = staged(tmp_path, Played("a", "b", "c"), lines(*range(0, 100, 10)), Bounds(1, 2))
    assert len({call.actor for call in stage.machines.working}) == 2
    assert stage.machines.requested == []
    growing = staged(tmp_path.parent, Played(), lines(0, 10), Bounds(2, 3))
    assert (growing.parts(), growing.machines.requested) == ([], [2])
    growing.machines.there |= {"d", "e"}
    growing.go(4)
    assert growing.machines.requested == [2, 0]
    stage.output.close()
    growing.output.close()


def test_a_cluster_without_a_head_ends_the_run(tmp_path: Path) -> None:
    stage = staged(tmp_path, Played("a"), lines(0, 10))
    stage.machines.has_head = False
    stage.go(4)
    ending = stage.driver.ending
    assert ending is not None
    assert (ending.reason, "head of the cluster" in str(ending.error)) == ("lost", True)


def test_a_cluster_without_room_is_told_of_once(tmp_path: Path) -> None:
    stage = staged(tmp_path, Played(), lines(0, 10))
    stage.go(15)
    assert stage.told == []
    stage.go(30)
    assert len(stage.told) == 1
    stage.machines.there.add("new")
    stage.go(60)
    assert (len(stage.told), stage.parts("new")) == (1, [0, 10])


def test_a_machine_that_is_about_to_go_hands_back_what_it_has(tmp_path: Path) -> None:
    stage = staged(tmp_path, Played("a", "b"), lines(*range(0, 60, 10)))
    assert (len(stage.parts("a")), stage.parts()) == (2, [0, 10, 20, 30])
    stage.machines.going.add("a")
    stage.go(4)
    leaving = next(call.actor for call in stage.machines.working if call.actor.node == "a")
    for call in [call for call in stage.machines.working if call.actor is leaving]:
        assert call.part is not None
        stage.machines.end(call, Done(call.part, "x", None, Totals(), is_handed_back=True))
    stage.go(8)
    assert (stage.parts("a"), leaving in stage.machines.killed) == ([], True)
    while stage.machines.working:
        stage.machines.end(stage.machines.working[0])
        stage.go(1)
    assert set(stage.output.entries) == set(range(0, 60, 10))
    assert (stage.scheduler.is_over(), stage.driver.ending) == (True, None)


@pytest.mark.parametrize("how", ["killed", "gone", "silent", "fenced"])
def test_what_a_lost_worker_had_is_done_by_others_once_it_is_kept_out(how: str, tmp_path: Path) -> None:
    stage = staged(tmp_path, Played("a", "b"), lines(0, 10, 20, 30))
    first, lost = next(call for call in stage.machines.working if call.actor.node == "a"), stage.parts("a")
    writer = tmp_path / "out" / "_work" / stage.output.epoch / first.actor.name
    assert writer.is_dir()
    if how == "killed":
        stage.machines.end(first, LostError("killed"))
    elif how == "fenced":
        assert first.part is not None
        stage.machines.end(first, Done(first.part, "x", None, Totals(), is_fenced=True))
    elif how == "gone":
        stage.machines.there.discard("a")
    else:
        stage.heard = frozenset(call.actor.name for call in stage.machines.working if call.actor.node == "b")
        stage.go(62)
    stage.go(5)
    assert not writer.exists()
    assert first.actor in stage.machines.killed
    assert first.actor.name in stage.pushes[-1].dismissed
    for call in [call for call in stage.machines.working if call.actor is not first.actor]:
        stage.machines.end(call)
    stage.go(2)
    for call in [call for call in stage.machines.working if call.actor is not first.actor]:
        stage.machines.end(call)
    stage.go(2)
    assert set(stage.output.entries) == {0, 10, 20, 30} >= set(lost)
    assert stage.scheduler.is_over()


def test_what_a_lost_worker_has_answered_is_in_the_totals_of_the_run(tmp_path: Path) -> None:
    """Its last report is lost, but its lines are added to their part."""
    stage = staged(tmp_path, Played("a"), lines(0))
    call = stage.machines.working[0]
    left = tmp_path / "out" / "_work" / stage.output.epoch / call.actor.name / "part-000000000000.jsonl.kept-0"
    answers = [{"row": row, "choices": [{"text": "a"}], "model": "m", "finish_reason": "stop"} for row in range(2)]
    left.write_text("".join(f"{json.dumps(answer)}\n" for answer in answers))
    stage.machines.end(call, LostError("killed"))
    stage.go(5)
    stage.output.verify(stage.plan)
    told = stage.driver.totals(is_over=True).as_json()
    assert (told["rows"], told["ok"], told["models"], told["finish_reasons"]) == (2, 2, {"m": 2}, {"stop": 2})


def test_after_an_ending_nothing_is_given_and_nobody_is_waited_for_longer_than_half_a_minute(tmp_path: Path) -> None:
    stage = staged(tmp_path, Played("a"), lines(0, 10, 20))
    stage.driver.stop(Ending("terminate"))
    assert not stage.scheduler.is_over()
    stage.machines.end(stage.machines.working[0])
    stage.go(24)
    assert (stage.parts(), stage.scheduler.is_over()) == ([10], False)
    stage.go(2)
    assert stage.scheduler.is_over()
    stage.scheduler.shut_down()
    assert stage.machines.killed


def test_an_ending_while_no_machine_is_free_is_over_at_once(tmp_path: Path) -> None:
    stage = staged(tmp_path, Played(), lines(0))
    stage.driver.stop(Ending("terminate"))
    assert stage.scheduler.is_over()


def test_a_file_is_read_once_by_one_reader_and_again_for_what_was_lost_with_it(tmp_path: Path) -> None:
    split = Split(TABLE, 0, 10, frozenset(range(0, 60, 10)), Selection())
    stage = staged(tmp_path, Played("a"), iter([split]))
    assert (stage.machines.opened, stage.parts()) == (1, [0, 10])
    while stage.machines.working:
        stage.machines.end(stage.machines.working[0])
        stage.go(1)
    assert (stage.machines.opened, set(stage.output.entries)) == (1, set(split.parts))
    assert stage.scheduler.is_over()


def test_a_part_of_which_workers_die_ends_the_run(tmp_path: Path) -> None:
    stage = staged(tmp_path, Played("a"), lines(0))
    for _ in range(5):
        stage.machines.end(stage.machines.working[0], LostError("out of memory"))
        stage.go(8)
    assert stage.driver.ending is not None
    assert stage.driver.ending.reason == "lost"
