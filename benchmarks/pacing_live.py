"""Runs batches against emulators that limit them, over real sockets, beside the simulation of the same limits.

One cell for each kind of limit that the emulator has, with `Retry-After` in whole seconds and without. Its minute lasts
`--minute` seconds (10 unless said), so that a few minutes show several windows. `--at-once` cells run at the same time
(6 unless said): on a machine that is too busy to send as fast as the limits allow, the figures tell nothing.

Columns: `used` is what was taken after the warm-up, as a share of what an all-knowing client would have got through,
`429` the share of requests refused in that time; live, and as `pacing.py` plays it. `told` is a batch that is given the
limit (`--rpm`, `--tpm`, `-j`): requests that arrive unevenly keep it from 100 % where nothing is saved up.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import live_batch
from limiter_bank import Cell, RetryAfter
from limiters import (
    COMPLETION,
    PROMPT,
    Bucket,
    Cap,
    Chance,
    FirstAttempt,
    FixedWindow,
    Gcra,
    Limiter,
    Queue,
    SlidingWindow,
)
from pacing_run import Figures, Run

RATE = 20  # requests a second
LATENCY = 0.3  # seconds
IN_FLIGHT = 16  # of a client whose refusals do not depend on it
BURST = 10
CAP = 8
SHARE = 0.1
SETTLING = 2.0  # seconds that start and end of a live run take longer
HEADERS: dict[RetryAfter, str] = {"rounded": "retry-after", "absent": "none"}


@dataclass(frozen=True)
class Kind:
    """A kind of limit: the emulator's options, and the bank's model of it. `told` tells a batch of the limit."""

    name: str
    limit: tuple[str, ...]
    make: Callable[[], Limiter]
    told: tuple[str, ...] = ()
    in_flight: int | None = None


def kinds(minute: float, tokens: int) -> list[Kind]:
    """Return the kinds of limits where a minute lasts so many seconds and a request has so many tokens."""
    window = round(RATE * minute)
    rpm, told = ("--rpm", str(window)), ("--rpm", str(RATE * 60))
    unit = PROMPT + COMPLETION
    return [
        Kind("token bucket of a minute", rpm, partial(Bucket, RATE, window), told),
        Kind(
            f"token bucket of {BURST} (GCRA)", (*rpm, "--limit", f"bucket={BURST}"), partial(Bucket, RATE, BURST), told
        ),
        Kind("fixed window", (*rpm, "--limit", "fixed-window"), partial(FixedWindow, window, minute), told),
        Kind("sliding window", (*rpm, "--limit", "sliding-window"), partial(SlidingWindow, window, minute), told),
        Kind("leaky bucket", (*rpm, "--limit", "burstless"), partial(Gcra, RATE, 0.0), told),
        Kind(
            "tokens a minute",
            ("--tpm", str(window * tokens)),
            partial(Bucket, RATE * unit, window * unit, counts_tokens=True),
            ("--tpm", str(RATE * 60 * tokens)),
        ),
        Kind(f"{CAP} in flight", ("--limit", f"in-flight={CAP}"), partial(Cap, CAP, LATENCY), ("-j", str(CAP))),
        Kind(f"{SHARE:.0%} by chance", ("--limit", f"chance={SHARE}"), _by_chance, in_flight=IN_FLIGHT),
        Kind("first attempts", ("--limit", "first-attempts"), _first_attempts, in_flight=IN_FLIGHT),
    ]


def _by_chance() -> Limiter:
    return Chance(SHARE, Queue(IN_FLIGHT, LATENCY), random.Random(3))  # noqa: S311 - a game


def _first_attempts() -> Limiter:
    return FirstAttempt(Queue(IN_FLIGHT, LATENCY))


def cell(kind: Kind, mode: RetryAfter) -> Cell:
    """Return what the simulation knows of a kind."""
    return Cell(f"{kind.name}, {mode}", kind.make, mode, LATENCY, RATE, in_flight=kind.in_flight, equal=True)


def live(kind: Kind, mode: RetryAfter, told: tuple[str, ...], minute: float, folder: Path) -> Figures:
    """Run a batch at an emulator, `told` of the limit by these options."""
    options = [*kind.limit, "--limit-headers", HEADERS[mode], "--latency", str(LATENCY)]
    server = [__file__, "--serve", str(minute), "emulator", *options]
    batch = [*told] if kind.in_flight is None else ["-j", str(kind.in_flight)]
    played = cell(kind, mode)
    name = f"{kind.name}, {mode}{', told' if told else ''}".replace(" ", "-")
    log = live_batch.run(name, server, batch, folder, played.end + SETTLING)
    taken = len(log.taken(played.warm, played.end))
    return Figures(taken / kind.make().capacity(played.warm, played.end), log.refused(played.warm, played.end), 1.0)


def tokens_of_a_request(folder: Path) -> int:
    """Return how many tokens the emulator counts in a request and its answer."""
    log = live_batch.run("tokens", ["-m", "completions_cli", "emulator"], ["--limit", "1"], folder, 20.0)
    return int(log.requests[0]["usage"]["total_tokens"])


def serve(minute: float) -> None:
    """Be an emulator whose minute lasts so many seconds."""
    from completions_cli.emulator import budgets
    from completions_cli.main import main

    budgets.MINUTE = minute
    main()


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--serve"]:
        minute = float(sys.argv[2])
        sys.argv[1:] = sys.argv[3:]
        serve(minute)
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minute", type=float, default=10.0, metavar="SECONDS", help="how long the limits' minute is")
    parser.add_argument("--at-once", type=int, default=6, metavar="N", help="cells that run at the same time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live_batch.rows(folder)
        every = kinds(options.minute, tokens_of_a_request(folder))
        cells: list[tuple[Kind, RetryAfter, tuple[str, ...]]] = [(kind, mode, ()) for mode in HEADERS for kind in every]
        cells += [(kind, "absent", kind.told) for kind in every if kind.told]
        with ThreadPoolExecutor(options.at_once) as pool:
            found = dict(zip(cells, pool.map(lambda each: live(*each, options.minute, folder), cells), strict=True))
    print("| the limit | Retry-After | used, live | played | told | 429, live | played |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for mode in HEADERS:
        for kind in every:
            figures, played = found[kind, mode, ()], Run(cell(kind, mode)).play()
            told = found.get((kind, mode, kind.told)) if kind.told else None
            used = f"{figures.used:.1%} | {played.used:.1%} | {f'{told.used:.1%}' if told else ''}"
            print(f"| {kind.name} | {mode} | {used} | {figures.refused:.1%} | {played.refused:.1%} |")


if __name__ == "__main__":
    main()
