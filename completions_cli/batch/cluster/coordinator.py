"""The one place that paces the run of a cluster and keeps its budgets. Knows nothing about Ray.

It may be killed at any moment and restarted. Workers and driver then tell it again what it must know. It grants nothing
before the driver has done so, and nothing that was saved up earlier is spent twice.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from completions_cli.batch.cluster.members import ClusterLimits, Members
from completions_cli.batch.cluster.messages import LEASE_SECONDS, Grant, Orders, Push, Report, Status
from completions_cli.batch.settling import budget_ending, errors_ending
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.pacing.pace import FULL, Ticket

_SILENT_SECONDS = 10.0  # without a report: the requests of that worker no longer count
_DRIVER_SECONDS = 15.0  # without the driver: nothing is sent until it is back
_SECONDS_A_WORKER = 0.004  # between two reports: some 250 of them a second in all
_SOONEST, _LATEST = 0.01, 0.25
_MOST_MODELS = 20  # that workers share
_MOST_NOTES = 1000
_OUTAGE_SECONDS = 5.0  # without an answer


@dataclass(slots=True)
class _Worker:
    seen_at: float
    under_way: list[int]  # by member
    wants_more: bool = False
    is_drained: bool = False
    trouble: str | None = None


class Coordinator:
    """Grants tickets to workers that may send a request, and records what became of them."""

    def __init__(
        self, limits: ClusterLimits, *, is_restarted: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        now = clock()
        self._limits = limits
        self._members = Members(limits, now, self._note, self._is_tail)
        self._pace = self._members.pace
        self._incarnation = uuid.uuid4().hex
        self._tickets: dict[int, Ticket] = {}
        self._issued = 0
        self._workers: dict[str, _Worker] = {}
        self._totals: dict[str, Totals] = {}
        self._forgotten: set[str] = set()  # blocks that have ended; a late report of one no longer counts
        self._settled: Totals | None = None
        self._dismissed: frozenset[str] = frozenset()
        self._driver_at = now
        self._orders: Orders | None = None
        self._refused: dict[int, int] = {}  # versions of orders, by member
        self._notes: list[str] = []
        self._first: str | None = None  # the worker whose answers are the first, where it matters whose model they have
        self._models: dict[str, None] = {}  # in order of appearance
        self._ending: Ending | None = None
        self._is_out = False  # nobody gets answers
        self._answered_at = now
        self._opens_at = now
        if is_restarted:
            # Tickets of the one before may still be used, and nobody knows how many there are.
            self._opens_at += LEASE_SECONDS
            self._members.restart(self._opens_at, now)

    # For workers

    def exchange(self, report: Report) -> Grant:
        """Record the report of a worker, and grant what it may send now."""
        now = self._clock()
        is_dismissed = report.worker in self._dismissed
        if not is_dismissed:
            self._hear(report, now)
        self._drop_silent(now)
        tickets = [] if is_dismissed else self._grant(report, now)
        return Grant(
            incarnation=self._incarnation,
            tickets=tuple(ticket.number for ticket in tickets),
            again=_LATEST if is_dismissed else self._again(report, len(tickets), now),
            limit=self._pace.concurrency.limit,
            counts_tokens=self._pace.counts_tokens,
            ending=self._ending,
            states=self._members.states(now),
            is_dismissed=is_dismissed,
            models=tuple(self._models),
            assigned=tuple(ticket.member for ticket in tickets) if self._members.are_several else (),
        )

    def orders(self, after: int) -> Orders | None:
        """Return the newest orders if they are newer than version `after`, else None."""
        return self._orders if self._orders is not None and self._orders.version > after else None

    def refuse(self, member: int, version: int) -> None:
        """Record that a member no longer takes the credentials of these orders."""
        self._refused[member] = max(self._refused.get(member, 0), version)

    # For the driver

    def sync(self, push: Push) -> Status:
        """Record the driver's news and return the state of the run."""
        now = self._driver_at = self._clock()
        self._settled, self._dismissed = push.settled, push.dismissed
        for name in push.dismissed:
            self._workers.pop(name, None)
        self._drop_silent(now)
        self._forgotten |= push.forget
        for attempt in push.forget:
            self._totals.pop(attempt, None)
        self._orders = push.orders or self._orders
        self._ending = self._ending or push.ending
        known = push.notes if push.incarnation == self._incarnation else 0
        return Status(
            self._incarnation,
            self._pace.in_flight,
            dict(self._totals),
            self._ending,
            dict(self._refused),
            frozenset(self._workers),
            tuple(self._models),
            tuple(self._notes[known:]),
            self._trouble(),
        )

    def _trouble(self) -> str | None:
        """Return the trouble of a worker that gets no answers, unless another worker may be getting some."""
        workers = self._workers.values()
        others_ask = any(worker.trouble is None and any(worker.under_way) for worker in workers)
        return None if others_ask else next((worker.trouble for worker in workers if worker.trouble), None)

    def _note(self, note: str) -> None:
        if len(self._notes) < _MOST_NOTES:
            self._notes.append(note)

    # Reports

    def _hear(self, report: Report, now: float) -> None:
        is_known = report.incarnation == self._incarnation
        if report.incarnation and not is_known:
            self._members.recall(report.states, now)
        worker = self._workers.setdefault(report.worker, _Worker(now, []))
        for event in report.events:
            self._members.settle(event, self._tickets.pop(event.ticket, None) if is_known else None, now)
        worker.seen_at, worker.under_way = now, [news.under_way for news in report.members]
        worker.is_drained, worker.trouble = report.is_drained, report.trouble
        final = self._members.hear(report.members, now)
        self._totals.update({key: value for key, value in report.totals.items() if key not in self._forgotten})
        if len(self._models) < _MOST_MODELS:
            self._models |= dict.fromkeys(report.models)
        self._count_in_flight()
        self._look_for_outage(report, now)
        self._ending = self._ending or report.ending or final or self._budget_ending()

    def _look_for_outage(self, report: Report, now: float) -> None:
        """Start slowly after an outage: requests that wait on all workers must not be sent at once."""
        kinds = {event.kind for event in report.events}
        if "answered" in kinds:
            if self._is_out:
                self._members.start_slowly()
            self._is_out, self._answered_at = False, now
        elif "failed" in kinds and now - self._answered_at > _OUTAGE_SECONDS and self._trouble() is not None:
            self._is_out = True

    def _drop_silent(self, now: float) -> None:
        for name, worker in list(self._workers.items()):
            if now - worker.seen_at > _SILENT_SECONDS:
                del self._workers[name]
        self._count_in_flight()

    def _count_in_flight(self) -> None:
        self._members.count(worker.under_way for worker in self._workers.values())

    def _is_tail(self) -> bool:
        """Return whether every row was sent at least once."""
        return all(worker.is_drained for worker in self._workers.values())

    def _budget_ending(self) -> Ending | None:
        totals, budget = self._sum(), self._limits.budget
        return budget_ending(budget, totals) or errors_ending(budget, totals)

    def _sum(self) -> Totals:
        sums = Totals(prices=self._limits.budget.prices)
        for totals in (*self._totals.values(), *((self._settled,) if self._settled else ())):
            sums.add(totals)
        return sums

    # Grants

    def _grant(self, report: Report, now: float) -> list[Ticket]:
        worker = self._workers[report.worker]
        granted: list[Ticket] = []
        share = self._share(report.worker)
        if self._is_open(now) and self._is_turn_of(report):
            for ask in report.asks[: max(0, share - sum(worker.under_way))]:
                if self._is_tight() or self._pace.wait(now, *ask) > 0:
                    break
                self._issued += 1
                ticket = self._pace.leave(now, *ask)._replace(number=self._issued)
                self._tickets[self._issued] = ticket
                granted.append(ticket)
            worker.under_way = _with(worker.under_way, granted)
        worker.wants_more = len(granted) < len(report.asks)
        return granted

    def _is_open(self, now: float) -> bool:
        is_led = self._settled is not None and now - self._driver_at < _DRIVER_SECONDS
        return is_led and self._ending is None and now >= self._opens_at

    def _is_turn_of(self, report: Report) -> bool:
        """Return whether a worker may send. Until there is an answer to compare others with, only one does."""
        if not self._members.are_unknown:
            return True
        if report.asks and self._first not in self._workers:
            self._first = report.worker
        return report.worker == self._first

    def _is_tight(self) -> bool:
        """Return whether the requests in flight may use up the rest of a budget."""
        budget, under_way = self._limits.budget, self._pace.in_flight
        if not budget.is_limited or not under_way:
            return False
        totals = self._sum()
        return budget.is_tight(totals.total_tokens, totals.cost, totals.answers, under_way)

    def _share(self, name: str) -> int:
        """Return how many requests a worker may have in flight: all, unless others want some."""
        wanting = 1 + sum(other.wants_more for key, other in self._workers.items() if key != name)
        return -(-self._pace.concurrency.limit // wanting)

    def _again(self, report: Report, granted: int, now: float) -> float:
        soonest = min(_LATEST, max(_SOONEST, _SECONDS_A_WORKER * len(self._workers)))
        if granted == len(report.asks):
            return soonest
        wait = self._pace.wait(now, *report.asks[granted])
        return soonest if wait == FULL else min(_LATEST, max(soonest, wait))


def _with(under_way: list[int], tickets: list[Ticket]) -> list[int]:
    """Return the requests in flight by member, with these added."""
    counts = Counter(ticket.member for ticket in tickets)
    last = max(counts, default=-1)
    return [count + counts[member] for member, count in enumerate(under_way + [0] * (last + 1 - len(under_way)))]
