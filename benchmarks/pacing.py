"""Plays batches against the bank of limiters in `limiters.py` and prints what of each limit is used.

The pace is the one that `batch` uses; only time is played: an hour takes seconds. `--half tuned` and `--half held-out`
play the halves, `--against REVISION` the controller of another commit beside it, `--trace NAME` one cell by
the second.

Columns: `used` is what was taken after the warm-up, as a share of what an all-knowing client would have got through,
`refused` the share of requests refused in that time, `fair` Jain's index over several clients.
"""

import argparse
import heapq
import inspect
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import limiters
from limiters import COMPLETION, PROMPT, Ask, Cell, Queue

from completions_cli.api.retry import OVERLOADED_STATUSES, RetryPolicy
from completions_cli.batch.backlog import Backlog
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.pace import FULL, Pace, Ticket

USED, REFUSED, FAIR = 0.9, 0.05, 0.9  # the targets
HALF_TRIP = limiters.TRIP / 2
SENDING = 100e-6  # seconds that a client spends on a request, so that no two leave at the same moment
REPOSITORY = Path(__file__).parent.parent
PACING = ("completions_cli/pacing", "completions_cli/batch/pacing")  # where the controller is, and was


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
            Client(Pace(Concurrency(cell.in_flight), None, None, 0.0), Backlog(self.new_rows(), lambda: self.now))
            for _ in range(cell.clients)
        ]
        self.policy = RetryPolicy()
        self.seen: Counter[str] = Counter()
        self.seconds: dict[int, Counter[str]] | None = {} if trace else None

    def play(self) -> Figures:
        """Let time pass until the measure ends."""
        end = self.cell.end
        for client in self.clients:
            self.at(self.chance.random() * 0.05, lambda client=client: self.pump(client))  # type: ignore[misc] # a default binds it
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
            ticket = client.pace.leave(self.now, guess, guess)._replace(is_repeat=row.attempts > 0)
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
            yield Row(max(1, min(4 * COMPLETION, round(self.chance.lognormvariate(-0.2, 0.6) * COMPLETION))))

    def arrive(self, client: Client, ticket: Ticket, row: Row) -> None:
        """Have the server take or refuse a request."""
        right = self.limiter.admit(self.now, Ask(PROMPT + row.completion, row.attempts), self.in_service)
        row.attempts += 1
        self.count(client, "refused" if right else "taken")
        if right:
            asked = limiters.retry_after(self.cell.retry_after, right)
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


def play(name: str) -> Figures:
    """Play the cell of a name."""
    return Run(next(cell for cell in limiters.bank() if cell.name == name)).play()


def played(cells: list[Cell]) -> dict[str, Figures]:
    """Play cells, on all cores."""
    with ProcessPoolExecutor() as pool:
        names = [cell.name for cell in cells]
        return dict(zip(names, pool.map(play, names, chunksize=4), strict=True))


def of_revision(revision: str, half: str) -> dict[str, Figures]:
    """Play the same cells with the controller of another commit; all else is of this one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(REPOSITORY / "completions_cli", folder / "completions_cli")
        shutil.rmtree(folder / "completions_cli" / "pacing")
        listed = ["git", "-C", str(REPOSITORY), "ls-tree", "--name-only", revision, *PACING]
        room = subprocess.run(listed, stdout=subprocess.PIPE, check=True, text=True).stdout.split()[0]
        archive = ["git", "-C", str(REPOSITORY), "archive", f"{revision}:{room}", "--prefix=completions_cli/pacing/"]
        files = subprocess.run(archive, stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", name], input=files, check=True)
        for file in (folder / "completions_cli" / "pacing").glob("*.py"):
            file.write_text(
                file.read_text(encoding="utf-8").replace("completions_cli.batch.pacing", "completions_cli.pacing")
            )
        command = [sys.executable, __file__, "--json", "--half", half]
        env = {**os.environ, "PYTHONPATH": name}
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    return {name: Figures(*values) for name, values in json.loads(done.stdout).items()}


def chosen(half: str) -> list[Cell]:
    """Return the cells of a half, or all."""
    cells = limiters.bank()
    tuned, held_out = limiters.halves(cells)
    return {"tuned": tuned, "held-out": held_out, "all": cells}[half]


def table(cells: list[Cell], found: dict[str, Figures], before: dict[str, Figures] | None, *, failed: bool) -> None:
    """Print the figures of each cell, and how many meet the targets."""
    print(f"{'cell':58} {'used':>6} {'refused':>8} {'fair':>5}" + (f" {'before':>8} {'refused':>8}" if before else ""))
    for cell in sorted(cells, key=lambda each: each.name):
        each = found[cell.name]
        if failed and each.meets(cell):
            continue
        mark = " " if each.meets(cell) else "*"
        old = f" {before[cell.name].used:8.1%} {before[cell.name].refused:8.1%}" if before else ""
        print(f"{mark} {cell.name:56} {each.used:6.1%} {each.refused:8.1%} {each.fair:5.2f}{old}")
    for word, figures in (("now", found), ("before", before)):
        if figures:
            good = sum(figures[cell.name].meets(cell) for cell in cells)
            mean = sum(min(1.0, figures[cell.name].used) for cell in cells) / len(cells)
            print(f"{word}: {good} of {len(cells)} cells meet the targets; {mean:.1%} used on average")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--half", choices=("tuned", "held-out", "all"), default="all")
    parser.add_argument("--against", metavar="REVISION", help="the controller of another commit beside it")
    parser.add_argument("--failed", action="store_true", help="only cells that miss a target")
    parser.add_argument("--trace", metavar="NAME", help="print the seconds of one cell")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args()
    if options.trace:
        run = Run(next(cell for cell in limiters.bank() if cell.name == options.trace), trace=True)
        print(run.play(), f"warm after {run.cell.warm:g} s")
        for second, seen in sorted((run.seconds or {}).items()):
            print(second, dict(seen))
        return
    cells = chosen(options.half)
    found = played(cells)
    if options.json:
        print(json.dumps({name: (each.used, each.refused, each.fair) for name, each in found.items()}))
        return
    table(cells, found, of_revision(options.against, options.half) if options.against else None, failed=options.failed)


if __name__ == "__main__":
    main()
