"""A run that should end ends, whatever it ends of and whenever that comes."""

import asyncio
import contextlib
import itertools
import threading
from types import NoneType
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from completions_cli.api.endpoint import resolve
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.batch.cluster.leased_gate import LeasedGate
from completions_cli.batch.cluster.messages import Access, Done, Grant, MemberState, Orders, Report
from completions_cli.batch.cluster.reach import Terms
from completions_cli.batch.cluster.splits import Block
from completions_cli.batch.cluster.worker import Job, Worker
from completions_cli.batch.rows import Defaults, Row
from completions_cli.batch.triage import Ending
from completions_cli.pacing.gate import ClosedError
from completions_cli.pacing.pace import Ticket
from completions_cli.transport.connection import Connection
from completions_cli.version import __version__

OVER = Ending("terminate")


def granted(tickets: tuple[int, ...] = (), ending: Ending | None = None) -> Grant:
    return Grant("one", tickets, 0.01, 16, counts_tokens=False, ending=ending, states=(MemberState(was_alive=True),))


class EndingsOfAGate(RuleBasedStateMachine):
    """Any order of runners that come and go, requests that wait, grants, and an ending from here or elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.next_grant = granted()
        self.gate = LeasedGate("w", self._exchange, clock=lambda: 0.0)
        self.told: dict[int, list[Ending]] = {}
        self.runners: dict[int, contextlib.ExitStack] = {}
        self.waiting: list[asyncio.Task[Ticket]] = []
        self.ending: Ending | None = None
        self.tickets = 0
        self.is_retired = False

    async def _exchange(self, report: Report) -> Grant:
        if self.is_retired:
            assert report.ending is None  # the others go on
        return self.next_grant

    def teardown(self) -> None:
        for task in self.waiting:
            self._give_up(task)
        self.loop.close()

    @rule()
    def a_runner_begins(self) -> None:
        number = len(self.told)
        self.told[number] = []
        self.runners[number] = contextlib.ExitStack()
        self.runners[number].enter_context(self.gate.listening(self.told[number].append))

    @precondition(lambda self: self.runners)
    @rule(data=st.data())
    def a_runner_is_done(self, data: st.DataObject) -> None:
        self.runners.pop(data.draw(st.sampled_from(sorted(self.runners)))).close()

    @rule()
    def a_request_waits(self) -> None:
        self.waiting.append(self.loop.create_task(self.gate.enter(0.0, 0.0)))

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def a_request_is_given_up(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.waiting)).cancel()

    @rule(count=st.integers(0, 3), is_over=st.booleans())
    def news_come(self, count: int, *, is_over: bool) -> None:
        self._spin()
        free = sum(not task.done() for task in self.waiting)
        numbers = range(self.tickets, self.tickets + min(count, free))
        self.tickets += len(numbers)
        self.next_grant = granted(tuple(numbers), OVER if is_over else None)
        reporting = self.loop.create_task(self.gate.keep_reporting())
        self._spin()
        self._give_up(reporting)
        self.ending = self.ending or (OVER if is_over else None)

    @rule(reason=st.sampled_from(["auth", "max_errors", "output"]))
    def it_ends_here(self, reason: str) -> None:
        self.gate.end(Ending(reason))
        self.ending = self.ending or Ending(reason)

    @rule()
    def the_machine_is_about_to_go(self) -> None:
        self.gate.retire()
        self.is_retired = self.is_retired or self.ending is None
        self.ending = self.ending or Ending("retired")

    def _give_up(self, task: "asyncio.Task[Any]") -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ClosedError):
            self.loop.run_until_complete(task)

    def _spin(self) -> None:
        for _ in range(5):
            self.loop.run_until_complete(asyncio.sleep(0))

    @invariant()
    def all_hear_of_the_ending_once_and_nobody_waits(self) -> None:
        self._spin()
        assert self.gate.ending == self.ending
        if self.ending is None:
            assert not any(self.told.values())
            return
        assert all(self.told[number] == [self.ending] for number in self.runners)
        assert all(task.done() for task in self.waiting)
        for task in self.waiting:
            assert task.cancelled() or isinstance(task.exception(), ClosedError | NoneType)


TestEndingsOfAGate = EndingsOfAGate.TestCase


class Stage:
    """A worker's surroundings. What it asks of them is answered when `moments` says so; `seen` is when it was."""

    commit_seconds = 1.0
    bytes_a_second = 1e6
    names = ("orders", "opened", "ending")

    def __init__(self, orders: Orders) -> None:
        self.at_hand = orders
        self.files: dict[str, bytes] = {}
        self.moments = {name: threading.Event() for name in self.names}
        self.seen = {name: threading.Event() for name in self.names}

    # The coordinator, which grants nothing

    async def exchange(self, _: Report) -> Grant:
        return granted(ending=OVER if self._has_come("ending") else None)

    def orders(self, after: int) -> Orders | None:
        return self.at_hand if after == 0 and self._has_come("orders") else None

    def refuse(self, member: int, version: int) -> None:
        raise NotImplementedError(member, version)

    # A writer at a store which is slow

    def read(self, name: str) -> bytes | None:
        assert self.moments["opened"].wait(60)
        self.seen["opened"].set()
        return self.files.get(name)

    def replace(self, name: str, content: bytes) -> bool:
        self.files[name] = content
        return True

    def log(self, name: str, lines: bytes) -> None:
        pass

    def rotate(self, name: str) -> None:
        pass

    def probe(self) -> None:
        pass

    def _has_come(self, name: str) -> bool:
        has_come = self.moments[name].is_set()
        if has_come:
            self.seen[name].set()
        return has_come


JOB = Job(
    version=__version__,
    output="memory://endings",
    epoch="now",
    kind="jsonl",
    output_format="native",
    defaults=Defaults(),
    members=(Terms(RetryPolicy()),),
    samples=1,
    pack=1,
    retry=None,
)


@pytest.mark.parametrize("moments", list(itertools.permutations(Stage.names)))
def test_a_block_ends_whenever_the_ending_comes(moments: tuple[str, ...]) -> None:
    async def play() -> Done:
        stage = Stage(Orders(1, (Access(1, Service(resolve("http://127.0.0.1:9")), Connection(), {}),)))
        worker = Worker(JOB, "one", stage, stage)
        work = asyncio.create_task(worker.work(Block(0, [Row(0, prompt="a"), Row(1, prompt="b")])))
        for name in moments:
            stage.moments[name].set()
            if name == "opened" and not stage.moments["orders"].is_set():
                continue  # it is not opened yet
            seeing = asyncio.create_task(asyncio.to_thread(stage.seen[name].wait))
            await asyncio.wait({work, seeing}, return_when=asyncio.FIRST_COMPLETED)
            stage.seen[name].set()
        return await asyncio.wait_for(work, 60)

    done = asyncio.run(play())
    assert (done.ending, done.entry, done.totals.requests) == (OVER, None, 0)
