"""Several runs on one limit: how evenly they share it if they start together, or apart, or know their parts."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from statistics import mean

import limiter_bank
from limiter_bank import Cell
from limiters import Cap
from pacing_run import Figures, Run

WAYS = TOGETHER, APART, TOLD = "together", "apart", "told"
SECONDS_APART = 8.0

_OPENING = """\
## Several runs on one limit

Two or four runs use one limit and do not know of each other. They start together, or each starts 8 s after the one
before; or they start together and each is told its part of the limit, with `-j` at a cap and with `--rpm` elsewhere.
Figures are taken once the last run has had at least 15 s. A row stands for three servers: their `Retry-After` is
absent, right, or rounded up to seconds. Of Jain's index, the worst and the best of the three are given; use and
refusals are means.

| limit | runs | together: fair | used | refused | apart: fair | used | refused | told: fair | used | refused |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|
"""
_CLOSING = """
At a fixed window, a run that starts late finds most of each window used up soon after it begins, and that can last.
At a cap, whoever came first or has more in flight keeps more for the first minutes.

A run sees only its own answers and refusals. A refusal tells neither how many others there are, nor whether the limit
is one of a rate or of requests in flight. One thing tells a cap from a rate: a cap refuses requests beyond those in
flight far more often than those that replace an answered one. It takes some 60 requests of a run to see that, and
a run that gets little through does not send as many in the first half minute. Giving way alone does not help: the
other runs take what is left.

So tell the runs what they cannot see. On one machine, [`--share NAME`](scale.md#one-pace-for-several-runs) gives them
one pace. Elsewhere, give each its part: `-j N` if the number of requests in flight is limited, else `--rpm N`.

"""

Shared = Mapping[str, Mapping[str, Figures]]  # figures of the cells of a name, by the way in which they are played


def played() -> Shared:
    """Play each shared cell in each way, on all cores."""
    jobs = [(way, name) for way in WAYS for name in _names()]
    with ProcessPoolExecutor() as pool:
        figures = dict(zip(jobs, pool.map(_play, jobs, chunksize=4), strict=True))
    return {way: {name: figures[way, name] for name in _names()} for way in WAYS}


def _names() -> list[str]:
    return [cell.name for cell in limiter_bank.bank() if cell.clients > 1]


def _play(job: tuple[str, str]) -> Figures:
    way, name = job
    cell = next(cell for cell in limiter_bank.bank() if cell.name == name)
    return Run({TOGETHER: cell, APART: apart(cell), TOLD: told(cell)}[way]).play()


def apart(cell: Cell) -> Cell:
    """Return a cell whose clients start one after the other."""
    return replace(cell, apart=SECONDS_APART)


def told(cell: Cell) -> Cell:
    """Return a cell whose clients know their part of the limit: places of a cap, or requests a minute."""
    limiter = cell.make()
    if isinstance(limiter, Cap):
        return replace(cell, in_flight=limiter.most // cell.clients)
    return replace(cell, rpm=limiter.capacity(0, 60) / cell.clients)


def section(shared: Shared) -> Iterator[str]:
    """Yield the section of the page."""
    yield _OPENING
    yield from _rows(shared)
    yield _CLOSING


def _rows(shared: Shared) -> Iterator[str]:
    """Yield a row of the table for each limit and number of clients: means, and Jain's index from worst to best."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name in _names():
        limit, clients, *_ = name.split(", ")
        groups.setdefault((limit, clients.split()[0]), []).append(name)
    for (limit, clients), names in groups.items():
        cells = [_cell([shared[way][name] for name in names]) for way in WAYS]
        yield f"| {limit} | {clients} | " + " | ".join(cells) + " |\n"


def _cell(figures: list[Figures]) -> str:
    fair = sorted(each.fair for each in figures)
    used = mean(each.used for each in figures)
    refused = mean(each.refused for each in figures)
    return f"{fair[0]:.2f} to {fair[-1]:.2f} | {used:.0%} | {refused:.1%}"
