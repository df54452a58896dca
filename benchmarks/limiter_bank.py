"""The servers that a pace is played against: every limiter of `limiters` with waits and latencies of every kind.

The pace is tuned on one half of them, drawn by a seed, and the other half is held out.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from limiters import (
    COMPLETION,
    PROMPT,
    Both,
    Bucket,
    Cap,
    Capacity,
    Chance,
    FirstAttempt,
    FixedWindow,
    Gcra,
    Limiter,
    Queue,
    SlidingWindow,
)

RetryAfter = Literal["right", "rounded", "absent", "long", "short", "5 s"]


@dataclass(frozen=True)
class Cell:
    """A server and the clients at it. Warm-up and measure are seconds, at the scale of the server.

    `in_flight` and `rpm` are what the clients were told with -j and --rpm. Each client starts `apart` seconds after the
    one before. Where answers are `equal`, all have the same length: they take
    equally long, so that they come in bunches. `edition` is the one of the bank that the cell came with: each edition
    is drawn on its own, so that no cell changes halves when others are added.
    """

    name: str
    make: Callable[[], Limiter]
    retry_after: RetryAfter
    latency: float
    rate: float  # requests a second, about
    status: int = 429
    clients: int = 1
    changes_at: float | None = None
    in_flight: int | None = None
    rpm: float | None = None
    apart: float = 0.0
    equal: bool = False
    edition: int = 1

    @property
    def warm(self) -> float:
        """Seconds until all count: 15 after the last start, or what 30 requests, two windows or four answers take."""
        limiter = self.make()
        settled = max(15.0, 30 / self.rate * self.clients, 2 * limiter.scale, 4 * self.latency)
        start = self.changes_at + settled if self.changes_at else settled
        last = self.apart * (self.clients - 1)
        return math.ceil((last + start) / limiter.scale) * limiter.scale

    @property
    def end(self) -> float:
        """When the measure ends: after 100 requests, three windows, five answers or 30 s."""
        limiter = self.make()
        span = max(30.0, 100 / self.rate, 3 * limiter.scale, 5 * self.latency)
        return self.warm + math.ceil(span / limiter.scale) * limiter.scale


LATENCIES = (0.02, 1.0, 30.0)
MODES: tuple[RetryAfter, ...] = ("right", "rounded", "absent", "long", "short")


def bank() -> list[Cell]:
    """Return every cell."""
    return [*_one_client(), *_many_clients(), *_by_chance(), *_equal()]


def _one_client() -> Iterator[Cell]:
    for latency in LATENCIES:
        for name, rate, make in [*_rates(latency), *_flights(latency)]:
            for mode in MODES:
                if name.startswith("queue") and mode != "absent":
                    continue  # it never refuses
                yield Cell(f"{name}, {latency:g} s, {mode}", make, mode, latency, rate)
        yield from _unavailable(latency)
        yield from _changing(latency)


def _rates(latency: float) -> Iterator[tuple[str, float, Callable[[], Limiter]]]:
    rate = 50.0 if latency <= 1 else 5.0
    for window in (1, 10, 60):
        whole = rate * window if window < 60 else rate / 5 * window  # noqa: PLR2004 - a minute
        per_second = whole / window
        for burst, amount in (("none", 1.0), ("small", max(2.0, whole / 5)), ("full", whole)):
            if burst == "none" and window > 1:
                continue
            yield f"bucket of {window} s, burst {burst}", per_second, _maker(Bucket, per_second, amount)
        yield f"fixed window of {window} s", per_second, _maker(FixedWindow, round(whole), float(window))
        yield f"sliding window of {window} s", per_second, _maker(SlidingWindow, round(whole), float(window))
    yield "bucket of 50/s, burst 10", rate, _maker(Bucket, rate, 10.0)
    yield "GCRA, 0.1 s early", rate, _maker(Gcra, rate, 0.1)
    yield "leaky bucket", rate / 2, _maker(Gcra, rate / 2, 0.0)
    tokens = (PROMPT + COMPLETION) * rate / 5
    yield "tokens a minute", rate / 5, lambda: Bucket(tokens, tokens * 60, counts_tokens=True)
    yield "tokens a minute, small burst", rate / 5, lambda: Bucket(tokens, tokens * 5, counts_tokens=True)
    yield (
        "requests and tokens",
        rate / 5,
        lambda: Both(Bucket(rate / 4, rate), Bucket(tokens, tokens * 10, counts_tokens=True)),
    )


def _flights(latency: float) -> Iterator[tuple[str, float, Callable[[], Limiter]]]:
    for most in (4, 48) if latency >= 1 else (1, 2):
        yield f"cap of {most} in flight", most / latency, _maker(Cap, most, latency)
    workers = 2 if latency < 1 else 40
    speed = workers / latency
    yield f"queue of {workers}", speed, _maker(Queue, workers, latency)
    for share in (0.01, 0.1, 0.5):
        yield (
            f"{share:.0%} by chance",
            speed,
            _maker(_refusing, share, workers, latency),
        )
    yield "first attempts", speed, _maker(_refusing_first, workers, latency)


def _unavailable(latency: float) -> Iterator[Cell]:
    most = 48 if latency >= 1 else 2
    for mode in ("absent", "rounded"):
        make = _maker(Cap, most, latency)
        yield Cell(f"cap of {most}, 503, {latency:g} s, {mode}", make, mode, latency, most / latency, status=503)
    for mode in ("right", "long", "short"):
        make = _maker(Cap, most, latency)
        name = f"cap of {most}, 503, {latency:g} s, {mode}"
        yield Cell(name, make, mode, latency, most / latency, status=503, edition=3)


def _changing(latency: float) -> Iterator[Cell]:
    rate = 50.0 if latency <= 1 else 5.0
    for mode in ("absent", "right", "rounded"):
        for word, after in (("a tenth", 0.1), ("double", 2.0)):
            change = max(60.0, 3 * latency)

            def share(now: float, change: float = change, after: float = after) -> float:
                return 1.0 if now < change else after

            name = f"bucket of 10 s falls to {word}, {latency:g} s, {mode}"
            yield Cell(name, _sharing(rate, share), mode, latency, rate * min(after, 1), changes_at=change)
        yield Cell(f"bucket of 10 s drifts, {latency:g} s, {mode}", _sharing(rate, _drift), mode, latency, rate)
        yield Cell(f"bucket of 10 s, shared, {latency:g} s, {mode}", _sharing(rate, _visits), mode, latency, rate)
    most = 48 if latency >= 1 else 2
    yield Cell(
        f"cap of {most}, shared, {latency:g} s, absent",
        lambda: Cap(most, latency, _visits),
        "absent",
        latency,
        most / latency,
    )


def _many_clients() -> Iterator[Cell]:
    for count in (2, 4):
        for mode in ("absent", "right", "rounded"):
            for name, make in (
                ("bucket of 10 s", _maker(Bucket, 50.0, 100.0)),
                ("bucket of a minute", _maker(Bucket, 20.0, 1200.0)),
                ("fixed window of 10 s", _maker(FixedWindow, 500, 10.0)),
                ("cap of 48", _maker(Cap, 48, 1.0)),
            ):
                yield Cell(f"{name}, {count} clients, 1 s, {mode}", make, mode, 1.0, 48.0, clients=count)


def _by_chance() -> Iterator[Cell]:
    """Yield refusals of every kind that have nothing to do with the client, where many requests are in flight."""
    for status in (429, 500, 503, 529):
        for mode in ("absent", "rounded", "5 s"):
            shares = (0.01, 0.05, 0.1, 0.5) if status != 529 else (0.05,)  # noqa: PLR2004 - it is as 503
            yield from _refused(status, shares, mode, firsts=status in (429, 503), edition=2)
    for status in (500, 503, 529):
        for mode in ("right", "long", "short"):
            yield from _refused(status, (0.01, 0.05, 0.1, 0.5), mode, firsts=status == 503, edition=3)  # noqa: PLR2004 - a status
    for mode in ("absent", "rounded", "5 s"):
        yield from _refused(529, (0.01, 0.1, 0.5), mode, firsts=False, edition=3)


def _refused(status: int, shares: tuple[float, ...], mode: RetryAfter, *, firsts: bool, edition: int) -> Iterator[Cell]:
    """Yield servers that refuse a share by chance, and one that refuses first attempts."""
    for latency, workers in ((0.02, 8), (1.0, 40), (30.0, 40)):
        of = [(f"{share:.0%} by chance", _maker(_refusing, share, workers, latency)) for share in shares]
        if firsts:
            of.append(("first attempts", _maker(_refusing_first, workers, latency)))
        for what, make in of:
            yield Cell(
                f"{status} for {what}, -j 64, {latency:g} s, {mode}",
                make,
                mode,
                latency,
                workers / latency,
                status,
                in_flight=64,
                edition=edition,
            )


def _equal() -> Iterator[Cell]:
    """Yield servers whose answers come in bunches. The first window is under way when a client begins."""
    for latency in (0.3, 1.0):
        for name, rate, make in (
            ("fixed window of 10 s", 20.0, _maker(FixedWindow, 200, 10.0, 4.0)),
            ("fixed window of 60 s", 10.0, _maker(FixedWindow, 600, 60.0, 50.0)),
            ("sliding window of 10 s", 20.0, _maker(SlidingWindow, 200, 10.0)),
            ("sliding window of 60 s", 10.0, _maker(SlidingWindow, 600, 60.0)),
            ("bucket of 10 s", 20.0, _maker(Bucket, 20.0, 200.0)),
            ("cap of 8", 8 / latency, _maker(Cap, 8, latency)),
        ):
            for mode in ("right", "rounded", "absent", "short"):
                full = f"{name}, equal answers, {latency:g} s, {mode}"
                yield Cell(full, make, mode, latency, rate, equal=True, edition=4)


def _refusing_first(workers: int, latency: float) -> Limiter:
    return FirstAttempt(Queue(workers, latency))


def _refusing(share: float, workers: int, latency: float) -> Limiter:
    return Chance(share, Queue(workers, latency), random.Random(3))  # noqa: S311 - a game


def _sharing(rate: float, share: Capacity) -> Callable[[], Limiter]:
    return lambda: Bucket(rate, rate * 2, share)


def _drift(now: float) -> float:
    return 1 + 0.3 * math.sin(2 * math.pi * now / 120)


def _visits(now: float) -> float:
    """Return what another client leaves, that takes half for 30 s and is gone for 30 s."""
    return 0.5 if int(now // 30) % 2 else 1.0


def _maker(kind: Callable[..., Limiter], *values: float) -> Callable[[], Limiter]:
    return lambda: kind(*values)


def halves(cells: list[Cell], seed: int = 2026) -> tuple[list[Cell], list[Cell]]:
    """Return the half that the controller is tuned on and the half held out, drawn by a seed."""
    tuned: list[Cell] = []
    held_out: list[Cell] = []
    for edition in sorted({cell.edition for cell in cells}):
        shuffled = sorted((cell for cell in cells if cell.edition == edition), key=lambda cell: cell.name)
        random.Random(seed).shuffle(shuffled)  # noqa: S311 - a draw that anybody can repeat
        middle = len(shuffled) // 2
        tuned += shuffled[:middle]
        held_out += shuffled[middle:]
    return tuned, held_out


def retry_after(mode: RetryAfter, right: float) -> float | None:
    """Return what the server's header asks for, in seconds, where `right` would be true."""
    return {
        "right": right,
        "rounded": float(math.ceil(right)),
        "absent": None,
        "long": max(2.0, right * 10),
        "short": right / 10,
        "5 s": 5.0,
    }[mode]
