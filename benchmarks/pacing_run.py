"""A batch against one server of `limiter_bank`, in simulated time: an hour takes seconds.

The pace is the one that `batch` uses, and so is its backlog; only time and the server are played.
"""

import heapq
import inspect
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import limiter_bank
from limiter_bank import Cell
from limiters import COMPLETION, PROMPT, TRIP, Ask, Queue

from completions_cli.api.retry import OVERLOADED_STATUSES, RetryPolicy
from completions_cli.batch.backlog import Backlog
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.pace import FULL, Pace, Ticket

USED, REFUSED, FAIR = 0.9, 0.05, 0.9  # the targets
HALF_TRIP = TRIP / 2
SENDING = 100e-6  # seconds that a client spends on a request, so that no two leave at the same moment


@dataclass(frozen=True)
class Figures:
    """What a cell came to."""

    used: float
    refused: float
    fair: float

    def meets(self, cell: Cell) -> bool:
        """Return whether the targets are met."""
        is_polite = self.refused <= REFUSED or not cell.make().depends_on_us
        return self.used >= USED and is_polite and self.fair >= FAIR


@dataclass
class Row:
    """A row on its way: how often it was sent, and its tokens."""

    completion: int
    attempts: int = 0


@dataclass
class Client:
    """A batch: a pace, and rows that are new or come back."""

    pace: Pace
    backlog: Backlog[Row]
    timer: float = float("inf")
    taken: int = 0


class Run:
    """One simulation of a cell."""

    def __init__(self, cell: Cell, *, trace: bool = False) -> None:
        self.cell = cell
        self.limiter = cell.make()
        queue = getattr(self.limiter, "inner", self.limiter)
        self.queue = queue if isinstance(queue, Queue) else None
        self.chance = random.Random(cell.name)  # noqa: S311 - a game
        self.now = 0.0
        self.in_service = 0
        self.order = itertools.count()
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.clients = [
            Client(Pace(Concurrency(cell.in_flight), cell.rpm, None, 0.0), Backlog(self.new_rows(), lambda: self.now))
            for _ in range(cell.clients)
        ]
        self.policy = RetryPolicy()
        self.seen: Counter[str] = Counter()
        self.seconds: dict[int, Counter[str]] | None = {} if trace else None

    def play(self) -> Figures:
        """Let time pass until the measure ends."""
        end = self.cell.end
        for place, client in enumerate(self.clients):
            self.at(place * self.cell.apart + self.chance.random() * 0.05, lambda client=client: self.pump(client))  # type: ignore[misc] # a default binds it
        while self.events:
            moment, _, event = heapq.heappop(self.events)
            self.now = max(self.now, moment)
            if self.now > end:
                break
            event()
        taken = [client.taken for client in self.clients]
        sent = self.seen["taken"] + self.seen["refused"]
        return Figures(
            self.seen["taken"] / self.limiter.capacity(self.cell.warm, end),
            self.seen["refused"] / max(1, sent),
            sum(taken) ** 2 / max(1, len(taken) * sum(each * each for each in taken)),
        )

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self.events, (moment, next(self.order), event))

    def pump(self, client: Client) -> None:
        """Send what a client may send; there is always more."""
        guess = float(PROMPT + COMPLETION)
        while True:
            wait = client.pace.wait(self.now, guess, guess)
            if wait > 0:
                if wait != FULL:
                    self.wake(client, self.now + max(wait, 1e-6))
                return
            row = client.backlog.take()
            if row is None:
                return  # too many rows wait for their time
            ticket = sent(client.pace.leave(self.now, guess, guess), row)
            self.now += SENDING
            self.at(self.now + HALF_TRIP, lambda ticket=ticket, row=row: self.arrive(client, ticket, row))  # type: ignore[misc] # so here

    def wake(self, client: Client, moment: float) -> None:
        """Look again at a moment, unless that is to be done earlier anyway."""
        if not self.now < client.timer <= moment:
            client.timer = moment
            self.at(moment, lambda: self.pump(client))

    def new_rows(self) -> Iterator[Row]:
        """Yield rows without end."""
        while True:
            length = 1.0 if self.cell.equal else self.chance.lognormvariate(-0.2, 0.6)
            yield Row(max(1, min(4 * COMPLETION, round(length * COMPLETION))))

    def arrive(self, client: Client, ticket: Ticket, row: Row) -> None:
        """Have the server take or refuse a request."""
        right = self.limiter.admit(self.now, Ask(PROMPT + row.completion, row.attempts), self.in_service)
        row.attempts += 1
        self.count(client, "refused" if right else "taken")
        if right:
            asked = limiter_bank.retry_after(self.cell.retry_after, right)
            self.at(self.now + HALF_TRIP, lambda: self.refuse(client, ticket, row, asked))
            return
        self.in_service += 1
        work = self.cell.latency * (0.5 + 0.5 * row.completion / COMPLETION)
        took = self.queue.delay(self.now, work) if self.queue else work
        self.at(self.now + took, lambda: self.leave(client, ticket, row))

    def leave(self, client: Client, ticket: Ticket, row: Row) -> None:
        """Have an answer leave the server."""
        self.in_service -= 1
        if self.queue:
            self.count(client, "done")
        self.at(self.now + HALF_TRIP, lambda: self.answer(client, ticket, row))

    def answer(self, client: Client, ticket: Ticket, row: Row) -> None:
        """Have a client see an answer."""
        client.pace.answered(self.now, ticket, PROMPT + row.completion)
        self.pump(client)

    def refuse(self, client: Client, ticket: Ticket, row: Row, asked: float | None) -> None:
        """Have a client see a refusal; the row comes back when it may, as in `batch.triage`."""
        status = self.cell.status
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            client.pace.refused(self.now, ticket, asked)
            wait = asked or 0.0
        else:
            fail(client.pace, self.now, ticket, asked, overloaded=status in OVERLOADED_STATUSES)
            wait = self.policy.backoff(row.attempts - 1, self.chance.random()) if asked is None else asked
        if wait:
            client.backlog.later(row, wait)
            self.at(self.now + wait, lambda: self.pump(client))
        else:
            client.backlog.first(row)
        self.pump(client)

    def count(self, client: Client, what: str) -> None:
        """Count what counts: where requests queue, what is done instead of what is taken."""
        if self.seconds is not None:
            self.seconds.setdefault(int(self.now), Counter())[what] += 1
        if self.now < self.cell.warm:
            return
        if self.queue and what != "refused":
            what = {"taken": "begun", "done": "taken"}[what]
        self.seen[what] += 1
        client.taken += what == "taken"


def fail(pace: Pace, now: float, ticket: Ticket, asked: float | None, *, overloaded: bool) -> None:
    """Record a failure other than a 429; older controllers left waits to those who asked them."""
    if "retry_after" in inspect.signature(pace.failed).parameters:
        pace.failed(now, ticket, overloaded=overloaded, retry_after=asked)
        return
    pace.failed(now, ticket, overloaded=overloaded)
    if asked is not None:
        pace.pause(now + asked)


def sent(ticket: Ticket, row: Row) -> Ticket:
    """Say on a ticket whether its row was sent before; older controllers did not ask."""
    return ticket._replace(is_repeat=row.attempts > 0) if "is_repeat" in ticket._fields else ticket
