"""The page of what the pace reaches on the bank, and of the cells that miss a target, each with its reason."""

from collections.abc import Iterator, Mapping, Sequence

import limiter_bank
import pacing_shared
from limiter_bank import Cell
from limiters import Bucket, Cap, Chance, FirstAttempt, FixedWindow, Gcra, Queue, SlidingWindow
from pacing_reasons import REASONS, reason
from pacing_run import Figures

Found = Mapping[str, Figures]

_OPENING = """\
# Pace, measured

`python benchmarks pacing --page docs/pace.md` wrote this page. It plays the pace of a batch against {count} simulated
servers; [batch](batch.md#figures) describes them. The target is 90 % of what a client gets through that knows the
limit. At most 5 % of requests may be refused if refusals depend on the client, and Jain's index of fairness among
several clients must be 0.9. The pace was tuned on one half of the servers, drawn with a seed; the other half was held
out. It was played once for each of seven versions of the pace, of which this is the last. "Before" is the controller of
an earlier commit, named with `--against`.

"""
_MISSED = """\
## Servers on which a target is missed

"Cannot be known from outside" means that no client could do better without being told. All others may be improved.

"""
_OTHERS = """\
## Other servers

These are not in the table. A client that knew them would use all of each.

- The first two attempts of each row are refused: with 429 and no `Retry-After`, 97 % used, else almost nothing. Only
  refusals of first attempts alone are recognised; others are taken for a limit. No such server is known.
- Everything is refused every other second: 0 to 38 % used. Refusals in bursts look like those of a limit that others
  fill, so the pace gives way. If it is 2 of 12 seconds, without `Retry-After`, 73 to 84 % is used.
- A refusal asks for 10 or 30 s, but there is room sooner (50 requests per second, or 6 in flight): 92 to 102 % used
  after the first minute. The first wait is kept whole, and tests shorten the next ones.
"""


def page(cells: Sequence[Cell], found: Found, before: Found | None) -> str:
    """Return the page; play several runs for it. Raises LookupError where no reason for a miss is known."""
    return "".join(_parts(cells, found, before))


def _parts(cells: Sequence[Cell], found: Found, before: Found | None) -> Iterator[str]:
    yield _OPENING.format(count=len(cells))
    tuned, held_out = limiter_bank.halves(limiter_bank.bank())
    names = {cell.name for cell in cells}
    halves = [(word, [cell for cell in half if cell.name in names]) for word, half in _named(tuned, held_out)]
    yield from _totals(halves, found, before)
    yield from pacing_shared.section(pacing_shared.played())
    yield _MISSED
    yield from _classes(cells, found)
    yield _OTHERS


def _named(tuned: list[Cell], held_out: list[Cell]) -> Iterator[tuple[str, list[Cell]]]:
    yield "tuned", tuned
    yield "held out", held_out


def _totals(halves: list[tuple[str, list[Cell]]], found: Found, before: Found | None) -> Iterator[str]:
    """Yield the table of servers on target and of what is used on average, by kind of limit."""
    columns = [(word, cells, figures) for word, cells in halves if cells for figures in (before, found) if figures]
    titles = [f"{word}, {'now' if figures is found else 'before'}" for word, _, figures in columns]
    yield "| servers on target, average use | " + " | ".join(titles) + " |\n"
    yield "|---|" + "---:|" * len(columns) + "\n"
    kinds = dict.fromkeys(kind(cell) for _, cells in halves for cell in cells)
    for each in [*kinds, None]:
        row = [_sum([cell for cell in cells if each in (None, kind(cell))], figures) for _, cells, figures in columns]
        yield f"| {each or '**all**'} | " + " | ".join(row) + " |\n"
    yield "\n"


def _sum(cells: list[Cell], found: Found) -> str:
    if not cells:
        return ""
    good = sum(found[cell.name].meets(cell) for cell in cells)
    mean = sum(min(1.0, found[cell.name].used) for cell in cells) / len(cells)
    return f"{good} of {len(cells)} · {mean:.0%}"


def kind(cell: Cell) -> str:
    """Return the name of the kind of limit that a cell has."""
    limiter = cell.make()
    if cell.clients > 1:
        return "several clients"
    if cell.changes_at or "shared" in cell.name or "drifts" in cell.name:
        return "capacity that changes"
    if isinstance(limiter, Bucket | Gcra):
        return "tokens a minute" if isinstance(limiter, Bucket) and limiter.counts_tokens else "buckets, GCRA"
    kinds: dict[type, str] = {
        FixedWindow: "fixed windows",
        SlidingWindow: "sliding windows",
        Cap: "caps on requests in flight",
        Queue: "queues",
        Chance: "refusals at random",
        FirstAttempt: "refused first attempts",
    }
    return kinds.get(type(limiter), "requests and tokens a minute")


def _classes(cells: Sequence[Cell], found: Found) -> Iterator[str]:
    """Yield each reason with the cells that miss a target for it."""
    why = {cell.name: reason(cell, found[cell.name]) for cell in cells}
    for each in REASONS:
        missed = sorted(name for name, other in why.items() if other is each)
        if not missed:
            continue
        yield f"### {each.name[0].upper()}{each.name[1:]}\n\n"
        yield f"{each.verdict[0].upper()}{each.verdict[1:]}. {each.text}\n\n"
        servers = "servers" if len(missed) > 1 else "server"
        yield f"| {len(missed)} {servers} | used | refused | fairness |\n|---|---:|---:|---:|\n"
        for name in missed:
            figures = found[name]
            yield f"| {name} | {figures.used:.1%} | {figures.refused:.1%} | {figures.fair:.2f} |\n"
        yield "\n"
