"""What one ticket costs a cluster's coordinator, and what travels for it: python benchmarks/coordinator.py.

CPU time, without Ray; the figures of docs/scale.md are made of these.
"""

import json
import pickle
import tempfile
import time
import tracemalloc
from pathlib import Path

from completions_cli.batch.budget import Budget
from completions_cli.batch.cluster import inputs
from completions_cli.batch.cluster.coordinator import Coordinator
from completions_cli.batch.cluster.members import ClusterLimits
from completions_cli.batch.cluster.messages import Ask, Event, Push, Report
from completions_cli.batch.cluster.part_table import PartTable
from completions_cli.batch.cluster.parts import PartEntry
from completions_cli.batch.totals import Totals

EXCHANGES = 2000
ROWS = 300_000


def main() -> None:
    """Measure and print."""
    for size in (1, 16, 256):
        tickets(size)
    counting()
    records()


def tickets(size: int) -> None:
    """Hand out so many tickets an exchange, and hear of as many."""
    coordinator = Coordinator(ClusterLimits(10_000, 10_000, 1e9, 1e12, Budget()))
    coordinator.sync(Push(Totals(), frozenset()))
    asks = (Ask(30.0, 286.0),) * size
    grant = coordinator.exchange(Report("w", "", asks=asks))
    began = time.process_time()
    for _ in range(EXCHANGES):
        events = tuple(Event("answered", ticket, 0.5, 0.0, used=40.0) for ticket in grant.tickets)
        report = Report("w", grant.incarnation, asks=asks, events=events, totals={"a" * 65: Totals()})
        grant = coordinator.exchange(report)
    spent = (time.process_time() - began) / EXCHANGES
    there, back = len(pickle.dumps(report)), len(pickle.dumps(grant))
    print(
        f"{size:4} tickets an exchange: {spent / size * 1e6:6.1f} µs of CPU a ticket, "
        f"{there / size:6.0f} bytes there and {back / size:6.0f} back a ticket"
    )


def counting() -> None:
    """Count and hash an input."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "in.jsonl")
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"id": number, "prompt": "word " * 60}) + "\n" for number in range(ROWS))
        size = path.stat().st_size
        began = time.process_time()
        contents = inputs.count(inputs.find(str(path), None)[0])
        spent = time.process_time() - began
        places = len(pickle.dumps(contents)) / contents.rows
        print(f"counting: {contents.rows / spent:,.0f} rows and {size / spent / 1e6:,.0f} MB a second of CPU")
        print(f"places to read from: {places:.3f} bytes a row")


def records() -> None:
    """Hold the records of parts in memory."""
    tracemalloc.start()
    table = PartTable()
    for part in range(20_000):
        counts = ({"rejected": 1}, 0, {"gpt-3.5-turbo-instruct": 499}, {"stop": 300, "length": 199})
        table.put(part * 500, PartEntry(200_000 + part, 500, 499, *counts))
    print(f"records of {len(table):,} parts: {tracemalloc.get_traced_memory()[0] / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
