"""What the driver keeps track of while workers work: finished parts, usage, and the keys with which they sign."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.batch.cluster.messages import Access, Done, Orders, Push, Status
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.pool.roster import quiet
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.errors import CompletionsError
from completions_cli.models import Json
from completions_cli.transport.connection import Connection

# Reaches `Coordinator.sync`; None when that cannot be reached right now.
Sync = Callable[[Push], Status | None]

_COUNTS = ("finish_reasons", "models", "profiles", "ignored")  # of answers
_HEADERS_LAST = 20.0  # seconds; a token is good for minutes


@dataclass(frozen=True, slots=True)
class Reach:
    """A member as the driver reaches it. `model` is for requests that name none."""

    service: Service
    connection: Connection
    credentials: Credentials
    model: str | None = None


class Signer:
    """Makes the orders: where to send requests, and the headers that sign them. Renews what was refused."""

    def __init__(self, members: Sequence[Reach], store: Mapping[str, str] | None = None) -> None:
        self._members, self._store = members, store or {}
        self._orders: Orders | None = None
        self._made_at = float("-inf")

    def orders(self, refused: Mapping[int, int], now: float) -> Orders:
        """Return the current orders.

        `refused` has, by member, the version that it no longer accepts. Raises what the credentials raise, but in a
        pool only at first: later, the others continue without that member.
        """
        known = self._orders
        renewed = {
            number
            for number, version in refused.items()
            if known is not None and version >= known.members[number].version
        }
        if known is not None and not renewed and now - self._made_at <= _HEADERS_LAST:
            return known
        version = known.version + 1 if known is not None else 1
        members = tuple(
            self._access(number, version, is_renewed=number in renewed) for number in range(len(self._members))
        )
        self._made_at = now
        if known is not None and members == known.members:
            return known
        self._orders = Orders(version, members, self._store)
        return self._orders

    def _access(self, number: int, version: int, *, is_renewed: bool) -> Access:
        reach, known = self._members[number], None if self._orders is None else self._orders.members[number]
        try:
            if is_renewed:
                reach.credentials.refresh()
            headers = dict(reach.credentials.headers().reveal())
        except CompletionsError:
            if known is None or len(self._members) == 1:
                raise
            headers = dict(known.headers)
        if known is not None and not is_renewed and dict(known.headers) == headers:
            return known
        return Access(version, reach.service, reach.connection, headers, reach.model)


class Driver:
    """Keeps track of a run: finished parts, their cost, and why to stop."""

    def __init__(  # noqa: PLR0913 - what it keeps books of, and by
        self,
        output: Output,
        totals: Totals,
        signer: Signer,
        sync: Sync,
        models: ModelWatch,
        *,
        warn: Callable[[str], None] = quiet,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ending: Ending | None = None
        self.in_flight = 0
        self.trouble: str | None = None  # what to tell the user while nothing answers
        self._output, self._before, self._signer, self._sync, self._clock = output, totals, signer, sync, clock
        self._models, self._started_at = models, clock()
        self._settled = Totals()
        self._unsettled: dict[str, Totals] = {}  # as last reported
        self._listed: frozenset[str] = frozenset()  # those that the coordinator counts itself
        self._forget: set[str] = set()
        self._refused: Mapping[int, int] = {}
        self._warn, self._incarnation, self._notes = warn, "", 0
        self._dismissed: set[str] = set()
        self._ok_before = output.entries.ok
        self._counts_before = {name: getattr(output.entries, name) for name in _COUNTS}

    def admit(self, worker: str) -> None:
        """Let a worker write. Raises OutputError."""
        self._output.writers.admit(worker)

    def dismiss(self, worker: str) -> None:
        """Drop a worker: from now on nothing of it is written, whatever it still does."""
        self._output.writers.dismiss(worker)
        self._dismissed.add(worker)

    def done(self, done: Done) -> None:
        """Record a block that ended."""
        self._settled.add(done.totals)
        self._unsettled.pop(done.attempt, None)
        self._forget.add(done.attempt)
        self.stop(done.ending)
        self._see(done.models)
        if done.entry is not None:
            self._output.record(done.part, done.entry)

    def stop(self, ending: Ending | None) -> None:
        """Have no more requests sent. The first reason given counts."""
        self.ending = self.ending or ending

    def tick(self) -> frozenset[str] | None:
        """Exchange state with the coordinator. Return the workers that reported lately, None if it is out of reach."""
        self._output.refresh(self.all_runs)
        orders = self._signer.orders(self._refused, self._clock())
        settled = Totals()
        settled.add(self._settled)
        for attempt, totals in self._unsettled.items():
            if attempt not in self._listed:
                settled.add(totals)
        status = self._sync(
            Push(
                settled,
                frozenset(self._forget),
                frozenset(self._dismissed),
                orders,
                self.ending,
                self._incarnation,
                self._notes,
            )
        )
        if status is None:
            return None
        self.stop(status.ending)
        self._forget.clear()
        self._see(status.models)
        self._tell(status)
        self._listed = frozenset(status.totals)
        self._unsettled |= status.totals
        self.in_flight, self._refused, self.trouble = status.in_flight, status.refused, status.trouble
        return status.heard

    def _see(self, models: Iterable[str]) -> None:
        """Warn the user of models that are new."""
        for model in models:
            self._models.accept(model)

    def _tell(self, status: Status) -> None:
        """Show the user new notes of the coordinator."""
        if status.incarnation != self._incarnation:
            self._incarnation, self._notes = status.incarnation, 0
        self._notes += len(status.notes)
        for note in status.notes:
            self._warn(note)

    def all_runs(self) -> Mapping[str, Json]:
        """Return what all runs of this OUTPUT used so far."""
        return self.totals().all_runs(self._output.earlier)

    def totals(self, *, is_over: bool = False) -> Totals:
        """Return the sums: rows in the parts and, until the run is over, those in progress."""
        parts = self._output.entries
        before = self._before
        seconds = self._clock() - self._started_at
        sums = Totals(before.resumed, prices=before.prices, spent=before.spent, seconds=seconds)
        for totals in (self._settled, *self._unsettled.values()):
            sums.add(totals)
        on_their_way = [] if is_over else [*self._unsettled.values()]
        sums.ok = parts.ok + sum(totals.ok for totals in on_their_way)
        sums.failed = parts.failed
        for totals in on_their_way:
            sums.failed.update(totals.failed)
        sums.parts = parts
        if is_over:  # the last news of workers that were killed is missing; their answers are in the parts
            sums.new_ok = parts.ok - self._ok_before
            for name in _COUNTS:
                setattr(sums, name, getattr(parts, name) - self._counts_before[name])
        sums.stopped_by = self.ending.reason if self.ending else None
        return sums
