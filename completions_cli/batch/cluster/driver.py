"""The driver's own affairs while workers work: what is done, what it used, and who may ask with which key."""

import time
from collections.abc import Callable, Iterable, Mapping

from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.batch.cluster.messages import Done, Orders, Push, Status
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.models import Json
from completions_cli.transport.connection import Connection

# Reaches `Coordinator.sync`; None when that cannot be reached right now.
Sync = Callable[[Push], Status | None]

_HEADERS_LAST = 20.0  # seconds; a token is good for minutes


class OrderDesk:
    """Makes the orders: where to send requests, and the headers that prove who asks. Renews what was refused."""

    def __init__(
        self,
        service: Service,
        connection: Connection,
        credentials: Credentials,
        store: Mapping[str, str] | None = None,
    ) -> None:
        self._service, self._connection, self._credentials = service, connection, credentials
        self._store = store or {}
        self._orders: Orders | None = None
        self._made_at = float("-inf")

    def orders(self, refused: int, now: float) -> Orders:
        """Return the orders of the moment; `refused` is the version that a service took last and takes no more."""
        known = self._orders
        if known is not None and refused >= known.version:
            self._credentials.refresh()
            return self._made(known.version + 1, now)
        if known is None or now - self._made_at > _HEADERS_LAST:
            headers = self._credentials.headers()
            self._made_at = now
            if known is None or dict(known.headers) != headers:
                return self._made((known.version if known else 0) + 1, now)
        return known or self._made(1, now)

    def _made(self, version: int, now: float) -> Orders:
        self._orders = Orders(version, self._service, self._connection, self._credentials.headers(), self._store)
        self._made_at = now
        return self._orders


class Driver:
    """Keeps the books of a run: parts that are done, what they cost, and when to stop."""

    def __init__(  # noqa: PLR0913 - what it keeps books of, and by
        self,
        output: Output,
        totals: Totals,
        signer: OrderDesk,
        sync: Sync,
        models: ModelWatch,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.ending: Ending | None = None
        self.in_flight = 0
        self._output, self._before, self._signer, self._sync, self._clock = output, totals, signer, sync, clock
        self._models, self._started_at = models, clock()
        self._settled = Totals()
        self._unsettled: dict[str, Totals] = {}  # as last heard of
        self._listed: frozenset[str] = frozenset()  # those that the coordinator counts itself
        self._forget: set[str] = set()
        self._refused = 0
        self._dismissed: set[str] = set()

    def admit(self, worker: str) -> None:
        """Let a worker write. Raises OutputError."""
        self._output.desks.admit(worker)

    def dismiss(self, worker: str) -> None:
        """Drop a worker: from here on nothing of it is written, whatever it still does."""
        self._output.desks.dismiss(worker)
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
        """Have nothing more sent. The first reason given counts."""
        self.ending = self.ending or ending

    def tick(self) -> frozenset[str] | None:
        """Exchange news with the coordinator. Return the workers that it has heard of lately, None when it is away."""
        self._output.refresh(self.all_runs)
        orders = self._signer.orders(self._refused, self._clock())
        settled = Totals()
        settled.add(self._settled)
        for attempt, totals in self._unsettled.items():
            if attempt not in self._listed:
                settled.add(totals)
        status = self._sync(Push(settled, frozenset(self._forget), frozenset(self._dismissed), orders, self.ending))
        if status is None:
            return None
        self.stop(status.ending)
        self._forget.clear()
        self._see(status.models)
        self._listed = frozenset(status.totals)
        self._unsettled |= status.totals
        self.in_flight, self._refused = status.in_flight, status.refused
        return status.heard

    def _see(self, models: Iterable[str]) -> None:
        """Have the user warned of models that were not there before."""
        for model in models:
            self._models.accept(model)

    def all_runs(self) -> Mapping[str, Json]:
        """Return what all runs of this OUTPUT took so far."""
        return self.totals().all_runs(self._output.earlier)

    def totals(self, *, is_over: bool = False) -> Totals:
        """Sum up: rows as they are in the parts, and with them, while it goes on, those on their way."""
        parts = self._output.entries
        sums = Totals(self._before.resumed, prices=self._before.prices, seconds=self._clock() - self._started_at)
        for totals in (self._settled, *self._unsettled.values()):
            sums.add(totals)
        on_their_way = [] if is_over else [*self._unsettled.values()]
        sums.ok = parts.ok + sum(totals.ok for totals in on_their_way)
        sums.failed = parts.failed
        for totals in on_their_way:
            sums.failed.update(totals.failed)
        sums.parts = parts
        sums.stopped_by = self.ending.reason if self.ending else None
        return sums
