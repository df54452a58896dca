"""One pace for all: what the coordinator of a cluster's run hands out, whoever asks and whatever becomes of it."""

from collections import Counter
from dataclasses import replace

import pytest

from completions_cli.api.endpoint import resolve
from completions_cli.api.service import Service
from completions_cli.auth.credentials import KeyCredentials
from completions_cli.auth.secret import Secret
from completions_cli.batch.budget import Budget, ErrorLimit
from completions_cli.batch.cluster.coordinator import Coordinator
from completions_cli.batch.cluster.driver import Reach, Signer
from completions_cli.batch.cluster.members import ClusterLimits
from completions_cli.batch.cluster.messages import LEASE_SECONDS, Ask, Event, MemberNews, MemberState, Push, Report
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.pacing.pace import Memory
from completions_cli.transport.connection import Connection
from tests.clock import Clock

UNLIMITED = ClusterLimits(1000, 1000, None, None, Budget())
PUSH = Push(Totals(), frozenset())


def begun(limits: ClusterLimits, clock: Clock, *, is_restarted: bool = False) -> Coordinator:
    coordinator = Coordinator(limits, is_restarted=is_restarted, clock=clock)
    coordinator.sync(PUSH)
    return coordinator


def asks(count: int, tokens: float = 0.0) -> tuple[Ask, ...]:
    return (Ask(tokens, tokens),) * count


def answered(tickets: tuple[int, ...], used: float | None = None) -> tuple[Event, ...]:
    return tuple(Event("answered", ticket, 0.1, 0.0, used=used) for ticket in tickets)


def test_all_workers_together_keep_one_rate() -> None:
    clock = Clock()
    coordinator = begun(replace(UNLIMITED, rpm=600.0), clock)
    sent = 0
    for _ in range(6000):
        clock.now += 0.01
        coordinator.sync(PUSH)
        for worker in ("a", "b", "c"):
            grant = coordinator.exchange(Report(worker, ""))
            grant = coordinator.exchange(Report(worker, grant.incarnation, asks=asks(5)))
            sent += len(grant.tickets)
            coordinator.exchange(Report(worker, grant.incarnation, events=answered(grant.tickets)))
    assert sent == pytest.approx(600, abs=2)


def test_tokens_are_kept_whoever_uses_them() -> None:
    clock = Clock()
    coordinator = begun(replace(UNLIMITED, tpm=60_000.0), clock)
    used = 0
    for _ in range(6000):
        clock.now += 0.01
        coordinator.sync(PUSH)
        for worker in ("a", "b"):
            grant = coordinator.exchange(Report(worker, "", asks=asks(3, tokens=200.0)))
            used += 100 * len(grant.tickets)
            coordinator.exchange(Report(worker, grant.incarnation, events=answered(grant.tickets, used=100.0)))
    assert used == pytest.approx(60_000, rel=0.05)


def test_no_more_are_in_flight_than_allowed_over_all_workers() -> None:
    coordinator = begun(replace(UNLIMITED, in_flight=10), Clock())
    first = coordinator.exchange(Report("a", "", asks=asks(8)))
    second = coordinator.exchange(Report("b", "", asks=asks(8)))
    assert (len(first.tickets), len(second.tickets)) == (8, 2)
    # Others want some too: what was given back is shared.
    third = coordinator.exchange(Report("a", first.incarnation, asks=asks(8), events=answered(first.tickets)))
    assert len(third.tickets) == 5
    assert (
        len(coordinator.exchange(Report("b", second.incarnation, members=(MemberNews(2),), asks=asks(8))).tickets) == 3
    )


def test_what_a_dead_worker_had_under_way_is_forgotten_after_a_while() -> None:
    clock = Clock()
    coordinator = begun(replace(UNLIMITED, in_flight=10), clock)
    coordinator.exchange(Report("dead", "", asks=asks(10)))
    assert coordinator.exchange(Report("a", "", asks=asks(10))).tickets == ()
    clock.now += 11
    assert len(coordinator.exchange(Report("a", "", asks=asks(10))).tickets) == 10


def test_nothing_is_handed_out_before_the_driver_has_spoken() -> None:
    coordinator = Coordinator(UNLIMITED, clock=Clock())
    assert coordinator.exchange(Report("a", "", asks=asks(3))).tickets == ()
    coordinator.sync(PUSH)
    assert len(coordinator.exchange(Report("a", "", asks=asks(3))).tickets) == 3


def test_nothing_is_handed_out_while_the_driver_is_silent() -> None:
    clock = Clock()
    coordinator = begun(UNLIMITED, clock)
    clock.now += 16
    assert coordinator.exchange(Report("a", "", asks=asks(3))).tickets == ()
    coordinator.sync(PUSH)
    assert len(coordinator.exchange(Report("a", "", asks=asks(3))).tickets) == 3


def test_a_worker_that_was_given_up_gets_nothing_and_has_no_say() -> None:
    coordinator = begun(UNLIMITED, Clock())
    assert coordinator.sync(PUSH).heard == frozenset()
    coordinator.exchange(Report("a", ""))
    assert coordinator.sync(PUSH).heard == {"a"}
    assert coordinator.sync(replace(PUSH, dismissed=frozenset({"a"}))).heard == frozenset()
    grant = coordinator.exchange(Report("a", "", asks=asks(3), ending=Ending("output")))
    assert (grant.is_dismissed, grant.tickets, grant.ending) == (True, (), None)


def test_a_restart_never_exceeds_the_rate() -> None:
    clock = Clock()
    limits = replace(UNLIMITED, rpm=600.0)
    before = begun(limits, clock)
    clock.now += 10
    used = len(before.exchange(Report("a", "", asks=asks(100))).tickets)
    assert used == 20  # two seconds' worth, all at once
    after = begun(limits, clock, is_restarted=True)
    clock.now += LEASE_SECONDS - 0.01
    assert after.exchange(Report("new", "", asks=asks(100))).tickets == ()  # old tickets may still be used
    clock.now += 1.0
    used += len(after.exchange(Report("new", "", asks=asks(100))).tickets)
    assert used <= 20 + 600 / 60 * (LEASE_SECONDS + 1.0)


def test_a_restart_is_told_what_was_learned() -> None:
    clock = Clock()
    after = begun(UNLIMITED, clock, is_restarted=True)
    clock.now += LEASE_SECONDS
    grant = after.exchange(Report("a", "gone", asks=asks(10), states=(MemberState(Memory(paused=7.0, rate=5.0)),)))
    assert grant.tickets == ()
    [state] = grant.states
    assert state.memory.paused == pytest.approx(7.0)
    assert state.memory.rate == pytest.approx(5.0, rel=0.05)


def test_one_retry_after_holds_all_workers() -> None:
    clock = Clock()
    coordinator = begun(UNLIMITED, clock)
    grant = coordinator.exchange(Report("a", "", asks=asks(1)))
    refused = Event("refused", grant.tickets[0], 0.2, 0.0, asked=5.0)
    coordinator.exchange(Report("a", grant.incarnation, events=(refused,)))
    assert coordinator.exchange(Report("b", "", asks=asks(1))).tickets == ()
    clock.now += 6
    assert coordinator.exchange(Report("b", "", asks=asks(1))).tickets != ()


def test_the_budget_is_that_of_all_workers() -> None:
    coordinator = begun(replace(UNLIMITED, budget=Budget(tokens=100)), Clock())
    used = Totals(answers=1, prompt_tokens=40, completion_tokens=20)
    assert coordinator.exchange(Report("a", "", totals={"a1": used})).ending is None
    ending = coordinator.exchange(Report("b", "", totals={"b1": used})).ending
    assert ending is not None
    assert ending.reason == "max_tokens_total"


def test_what_has_ended_is_counted_once() -> None:
    limits = replace(UNLIMITED, budget=Budget(errors=ErrorLimit(count=3)))
    coordinator = begun(limits, Clock())
    failed = Totals(new_failed=Counter(server=2))
    coordinator.exchange(Report("a", "", totals={"a1": failed}))
    assert coordinator.sync(Push(failed, frozenset({"a1"}))).ending is None
    # News that were on their way come late.
    assert coordinator.exchange(Report("a", "", totals={"a1": failed})).ending is None
    ending = coordinator.exchange(
        Report("a", "", totals={"a2": Totals(new_failed=Counter(server=1), last_error="no")})
    ).ending
    assert ending is not None
    assert ending.reason == "max_errors"


def test_orders_show_nothing_and_a_refusal_brings_new_ones() -> None:
    service = Service(resolve("https://example.com"), headers={"x-secret": "sekret-1"})
    signer = Signer([Reach(service, Connection(), KeyCredentials(Secret("sekret-2")))])
    orders = signer.orders({}, 0.0)
    assert "sekret" not in repr(orders)
    assert signer.orders({}, 1.0) is orders
    newer = signer.orders({0: orders.version}, 2.0)
    assert newer.version > orders.version
    coordinator = Coordinator(UNLIMITED, clock=Clock())
    assert coordinator.orders(0) is None
    coordinator.sync(replace(PUSH, orders=newer))
    assert coordinator.orders(orders.version) == newer
    assert coordinator.orders(newer.version) is None
    coordinator.refuse(0, newer.version)
    assert coordinator.sync(PUSH).refused == {0: newer.version}


def test_the_driver_hears_of_trouble_only_while_nobody_gets_answers() -> None:
    coordinator = begun(UNLIMITED, Clock())
    failing = Report("a", "", members=(MemberNews(under_way=2),), trouble="requests have failed for 5 s")
    coordinator.exchange(failing)
    assert coordinator.sync(PUSH).trouble == "requests have failed for 5 s"
    coordinator.exchange(Report("b", "", members=(MemberNews(under_way=1),)))
    assert coordinator.sync(PUSH).trouble is None
    coordinator.exchange(Report("b", "", members=(MemberNews(),)))
    assert coordinator.sync(PUSH).trouble == "requests have failed for 5 s"
    coordinator.exchange(replace(failing, trouble=None))
    assert coordinator.sync(PUSH).trouble is None


def grown(clock: Clock) -> Coordinator:
    """Return a coordinator whose only worker has had 256 requests answered at a time."""
    coordinator = begun(UNLIMITED, clock)
    tickets: tuple[int, ...] = ()
    for _ in range(2):
        clock.now += 0.1
        grant = coordinator.exchange(Report("a", "", events=answered(tickets), asks=asks(256)))
        coordinator.sync(PUSH)
        tickets = grant.tickets
    assert len(tickets) == 256
    clock.now += 0.1
    coordinator.exchange(Report("a", "", events=answered(tickets)))
    return coordinator


@pytest.mark.parametrize(("trouble", "at_once"), [("requests have failed for 5 s", 2), (None, 256)])
def test_after_an_outage_all_workers_start_slowly(trouble: str | None, at_once: int) -> None:
    clock = Clock()
    coordinator = grown(clock)
    for worker in "ab":
        grant = coordinator.exchange(Report(worker, "", asks=asks(1)))
        clock.now += 6
        coordinator.sync(PUSH)
        failed = tuple(Event("failed", ticket, 0.1, 0.0) for ticket in grant.tickets)
        coordinator.exchange(Report(worker, "", events=failed, trouble=trouble))
    probe = coordinator.exchange(Report("a", "", asks=asks(1), trouble=trouble))
    clock.now += 1
    coordinator.sync(PUSH)
    grant = coordinator.exchange(Report("a", "", events=answered(probe.tickets), asks=asks(256)))
    assert len(grant.tickets) == at_once
    sent = len(grant.tickets)
    for _ in range(40):
        clock.now += 0.1
        coordinator.sync(PUSH)
        grant = coordinator.exchange(Report("a", "", events=answered(grant.tickets), asks=asks(256)))
        assert len(grant.tickets) <= sent * 2 + 1
        sent = max(sent, len(grant.tickets))
    assert len(grant.tickets) == 256


def test_others_that_get_answers_keep_their_pace() -> None:
    clock = Clock()
    coordinator = grown(clock)
    for _ in range(10):
        clock.now += 1
        coordinator.sync(PUSH)
        lost = coordinator.exchange(Report("a", "", asks=asks(1), trouble="no connection")).tickets
        found = coordinator.exchange(Report("b", "", asks=asks(200))).tickets
        clock.now += 0.1
        failed = tuple(Event("failed", ticket, 0.1, 0.0) for ticket in lost)
        coordinator.exchange(Report("a", "", events=failed, trouble="no connection"))
        coordinator.exchange(Report("b", "", events=answered(found)))
        assert len(found) == 200
