"""Members of a pool on a cluster: what the coordinator decides about them, and what workers make of that."""

import asyncio
import itertools
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from completions_cli.api.endpoint import resolve
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.batch import entry
from completions_cli.batch.budget import Budget
from completions_cli.batch.cluster.coordinator import Coordinator
from completions_cli.batch.cluster.members import ClusterLimits, MemberLimits
from completions_cli.batch.cluster.messages import (
    LEASE_SECONDS,
    Access,
    Ask,
    Done,
    Event,
    Grant,
    MemberNews,
    Orders,
    Push,
    Report,
)
from completions_cli.batch.cluster.reach import Terms
from completions_cli.batch.cluster.splits import Block
from completions_cli.batch.cluster.worker import Job, Worker
from completions_cli.batch.rows import Defaults, Row
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.errors import AuthError, ServerError
from completions_cli.transport.connection import Connection
from completions_cli.version import __version__
from tests.answering_server import Answered, AnsweringServer
from tests.batch.conftest import Serve
from tests.batch.wrong_answers import OUT_OF_ORDER, REFUSED, after, as_asked
from tests.clock import Clock

EAST_AND_WEST = ClusterLimits(
    None, 1000, None, None, Budget(), (MemberLimits("east", rpm=600.0), MemberLimits("west", rpm=1800.0))
)
PUSH = Push(Totals(), frozenset())
DOWN, LOCKED = ServerError("out of order", status=503), AuthError("the key is wrong", status=401)


def begun(clock: Clock, limits: ClusterLimits = EAST_AND_WEST, *, is_restarted: bool = False) -> Coordinator:
    coordinator = Coordinator(limits, is_restarted=is_restarted, clock=clock)
    coordinator.sync(PUSH)
    return coordinator


def report(worker: str, grant: Grant | None = None, asks: int = 0, **fields: Any) -> Report:
    return Report(worker, grant.incarnation if grant else "", (Ask(0.0, 0.0),) * asks, **fields)


def answered(grant: Grant) -> tuple[Event, ...]:
    pairs = zip(grant.tickets, grant.assigned, strict=True)
    return tuple(Event("answered", ticket, 0.1, 0.0, member=member) for ticket, member in pairs)


def news(member: int, **fields: Any) -> tuple[MemberNews, ...]:
    return tuple(MemberNews(**fields) if number == member else MemberNews() for number in range(2))


def asked(coordinator: Coordinator, worker: str = "a", asks: int = 8) -> set[int]:
    """Name the members that somebody may ask."""
    grant = coordinator.exchange(report(worker, asks=asks))
    coordinator.exchange(report(worker, grant, events=answered(grant)))
    return set(grant.assigned)


def test_all_members_give_what_they_allow_whichever_worker_asks() -> None:
    clock = Clock()
    coordinator = begun(clock)
    sent = Counter[int]()
    for _ in range(1500):
        clock.now += 0.02
        coordinator.sync(PUSH)
        for worker in ("a", "b", "c"):
            grant = coordinator.exchange(report(worker, asks=5))
            sent.update(grant.assigned)
            coordinator.exchange(report(worker, grant, events=answered(grant)))
    assert sent[0] == pytest.approx(300, abs=3)
    assert sent[1] == pytest.approx(900, abs=3)


def test_a_refusal_holds_its_member_alone() -> None:
    clock = Clock()
    coordinator = begun(clock)
    clock.now += 10
    grant = coordinator.exchange(report("a", asks=2))
    assert set(grant.assigned) == {0, 1}
    ticket = grant.tickets[grant.assigned.index(1)]
    coordinator.exchange(report("a", grant, events=(Event("refused", ticket, 0.2, 0.0, asked=30.0, member=1),)))
    assert asked(coordinator, "b") == {0}
    clock.now += 31
    coordinator.sync(PUSH)
    assert 1 in asked(coordinator, "b")


def test_totals_hold_over_all_members() -> None:
    coordinator = begun(Clock(), replace(EAST_AND_WEST, in_flight=1))
    first = coordinator.exchange(report("a", asks=2))
    assert len(first.tickets) == 1
    assert coordinator.exchange(report("b", asks=2)).tickets == ()


def test_a_member_that_only_fails_is_set_aside_for_all_workers() -> None:
    clock = Clock()
    coordinator = begun(clock)
    grant = coordinator.exchange(report("a"))
    coordinator.exchange(report("a", grant, members=news(0, pause=5.0, error=DOWN, is_failing=True, probes=1)))
    clock.now += 2
    assert asked(coordinator, "b") == {1}
    status = coordinator.sync(PUSH)
    assert status.notes == ("note: east is set aside until it answers again: 503: out of order",)
    assert coordinator.exchange(report("b")).states[0].is_aside
    # What was sent before that proves nothing.
    coordinator.exchange(report("b", grant, members=news(0, alive_ago=3.0)))
    assert coordinator.exchange(report("b")).states[0].is_aside
    clock.now += 4
    coordinator.exchange(report("b", grant, members=news(0, alive_ago=0.5)))
    assert not coordinator.exchange(report("a")).states[0].is_aside
    told = replace(PUSH, incarnation=status.incarnation, notes=1)
    assert coordinator.sync(told).notes == ("note: east answers again",)
    assert asked(coordinator, "a") == {0, 1}


def test_failures_count_whichever_workers_see_them() -> None:
    coordinator = begun(Clock())

    def told(worker: str, **fields: Any) -> bool:
        grant = coordinator.exchange(report(worker))
        return coordinator.exchange(report(worker, grant, members=news(0, **fields))).states[0].is_aside

    assert not told("a", failures=(0.5,) * 4, error=DOWN)
    assert not told("b", alive_ago=0.4)  # a request that was sent later was answered
    assert not told("a", failures=(0.3, 0.2), error=DOWN)
    assert not told("b", failures=(0.3, 0.2), error=DOWN, alive_ago=0.6)  # it was not
    assert told("c", failures=(0.1,), error=DOWN)
    assert len(coordinator.sync(PUSH).notes) == 1


def test_a_member_that_refuses_the_key_is_left_out_and_the_last_one_ends_the_run() -> None:
    coordinator = begun(Clock())
    grant = coordinator.exchange(report("a"))
    for _ in range(2):  # what was under way says the same
        refused = report("a", grant, members=news(0, ending=Ending("auth", LOCKED)))
        assert coordinator.exchange(refused).ending is None
    assert asked(coordinator, "b") == {1}
    notes = coordinator.sync(PUSH).notes
    assert notes == ("warning: east is left out for the rest of the run: 401: the key is wrong",)
    ended = coordinator.exchange(report("b", grant, members=news(1, ending=Ending("outage", DOWN)))).ending
    assert (ended and ended.reason) == "outage"


def test_a_coordinator_that_is_begun_anew_is_told_who_was_left_out() -> None:
    clock = Clock()
    before = begun(clock)
    grant = before.exchange(report("a"))
    grant = before.exchange(report("a", grant, members=news(0, ending=Ending("auth", LOCKED))))
    afterwards = begun(clock, is_restarted=True)
    afterwards.exchange(report("a", grant, states=grant.states))
    clock.now += LEASE_SECONDS + 1
    afterwards.sync(PUSH)
    assert asked(afterwards, "b") == {1}
    assert afterwards.sync(PUSH).notes == ()


def test_one_worker_asks_until_it_is_known_which_model_answers() -> None:
    unlimited = (MemberLimits("east"), MemberLimits("west"))
    coordinator = begun(Clock(), replace(EAST_AND_WEST, members=unlimited, compares_models=True))
    first = coordinator.exchange(report("a", asks=2))
    assert len(first.tickets) == 2
    assert coordinator.exchange(report("b", asks=2)).tickets == ()
    coordinator.exchange(report("a", first, events=answered(first)[:1], models=("m",)))
    grant = coordinator.exchange(report("b", asks=2))
    assert (len(grant.tickets), grant.models) == (2, ("m",))


def test_when_no_new_rows_are_left_nothing_is_asked_of_a_member_that_is_set_aside() -> None:
    clock = Clock()
    coordinator = begun(clock)
    grant = coordinator.exchange(report("a", members=news(0, error=DOWN, is_failing=True, probes=1)))
    clock.now += 10
    coordinator.sync(PUSH)
    drained = coordinator.exchange(report("a", grant, asks=8, is_drained=True))
    assert set(drained.assigned) == {1}


class Table:
    """A writer in memory."""

    commit_seconds = 0.2
    bytes_a_second = 1e6

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def probe(self) -> None:
        """Do nothing."""

    def read(self, name: str) -> bytes | None:
        """Return a part."""
        return self.files.get(name)

    def replace(self, name: str, content: bytes) -> bool:
        """Write a part."""
        self.files[name] = content
        return True

    def log(self, name: str, lines: bytes) -> None:
        """Do nothing."""

    def rotate(self, name: str) -> None:
        """Do nothing."""


class Here:
    """A coordinator in this process, as workers reach it."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    async def exchange(self, told: Report) -> Grant:
        """See `Coordinator.exchange`."""
        self._coordinator.sync(replace(PUSH))
        return self._coordinator.exchange(told)

    def orders(self, after: int) -> Orders | None:
        """See `Coordinator.orders`."""
        return self._coordinator.orders(after)

    def refuse(self, member: int, version: int) -> None:
        """See `Coordinator.refuse`."""
        known = self._coordinator.orders(0)
        assert known is not None
        if version >= known.members[member].version:  # there is no other key
            members = list(known.members)
            members[member] = replace(members[member], version=known.version + 1)
            self._coordinator.sync(replace(PUSH, orders=Orders(known.version + 1, tuple(members))))


def run(
    servers: list[AnsweringServer], rows: int, workers: int = 3, *, mixed_models: bool = False
) -> tuple[list[entry.Entry], list[str], Ending | None]:
    """Have workers ask for rows. Return what was written, what the user is told, and why it ended."""
    names = ["east", "west", "north"][: len(servers)]
    limits = ClusterLimits(
        24, 1000, None, None, Budget(), tuple(map(MemberLimits, names)), compares_models=not mixed_models
    )
    coordinator = Coordinator(limits)
    accesses = tuple(
        Access(1, Service(resolve(server.url), profile=name), Connection(), {})
        for name, server in zip(names, servers, strict=True)
    )
    coordinator.sync(replace(PUSH, orders=Orders(1, accesses)))
    job = Job(
        version=__version__,
        output="memory://pools",
        epoch="now",
        kind="jsonl",
        output_format="native",
        defaults=Defaults(),
        members=(Terms(RetryPolicy(4, 60.0, cap=0.05)),) * len(servers),
        samples=1,
        pack=1,
        retry=None,
        mixed_models=mixed_models,
    )
    table = Table()
    blocks = iter(
        [Block(part, [Row(n, prompt=f"Row {n} says") for n in range(part, part + 50)]) for part in range(0, rows, 50)]
    )

    async def work(name: str) -> list[Done]:
        worker = Worker(job, name, Here(coordinator), table)
        found = []

        async def take() -> None:
            for block in blocks:
                found.append(await worker.work(block))
                if found[-1].ending is not None:
                    return

        await asyncio.gather(take(), take())
        return found

    async def all_work() -> list[list[Done]]:
        return await asyncio.gather(*(work(str(number)) for number in range(workers)))

    done = list(itertools.chain.from_iterable(asyncio.run(all_work())))
    lines = b"".join(content for _, content in sorted(table.files.items())).splitlines()
    found = [entry.read(line, "native") for line in lines]
    ending = next((one.ending for one in done if one.ending is not None), None)
    return [one for one in found if one is not None], list(coordinator.sync(PUSH).notes), ending


def test_workers_do_without_members_that_fail(serve: Serve) -> None:
    east, west, north = serve(after(50, REFUSED)), serve(after(100, OUT_OF_ORDER)), serve()
    found, notes, ending = run([east, west, north], 2000)
    assert ending is None
    assert [one.row for one in found] == list(range(2000))
    assert not any(one.failure for one in found)
    assert Counter(one.profile for one in found) == {"east": 50, "west": 100, "north": 1850}
    assert notes.count("warning: east is left out for the rest of the run: 401: the key is wrong") == 1
    assert notes.count("note: west is set aside until it answers again: 503: out of order") == 1


def test_the_run_ends_when_no_member_is_left(serve: Serve) -> None:
    found, _, ending = run([serve(after(30, REFUSED)), serve(after(30, REFUSED))], 1000)
    assert (ending and ending.reason) == "auth"
    assert len(found) == 60


def test_rows_refused_for_what_they_hold_are_not_shopped_around(serve: Serve) -> None:
    def strict(body: dict[str, Any]) -> Answered:
        is_bad = body["prompt"].split()[1].endswith("7")
        return Answered({"error": {"message": "this prompt is no good"}}, 400) if is_bad else as_asked(body)

    servers = [serve(strict), serve(strict)]
    found, _, ending = run(servers, 500)
    assert (ending, Counter(one.failure for one in found)) == (None, {None: 450, "rejected": 50})
    asked_for = Counter(request["prompt"] for server in servers for request in server.requests)
    assert set(asked_for.values()) == {1}


def test_members_with_different_models_are_refused_on_all_workers(serve: Serve) -> None:
    def servers() -> list[AnsweringServer]:
        return [serve(lambda body: as_asked(body, "one")), serve(lambda body: as_asked(body, "two"))]

    found, _, ending = run(servers(), 1000)
    assert (ending and ending.reason) == "model"
    assert len({one.model for one in found}) <= 1
    found, _, ending = run(servers(), 1000, mixed_models=True)
    assert (ending, len(found)) == (None, 1000)
    assert {one.model for one in found} == {"one", "two"}
