"""A bank of rate limiters as real servers have them, pure and simulated in time.

Each limiter says of a request whether it is taken, and how many requests an all-knowing client would get through
in a span of time. Times are seconds; nothing here knows how a client finds its pace. The models are the textbook
ones: token bucket, fixed and sliding window, leaky bucket and GCRA (ITU-T I.371), caps on requests in flight.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal, Protocol

RetryAfter = Literal["right", "rounded", "absent", "long", "short", "5 s"]
Capacity = Callable[[float], float]  # what share of its capacity a server has at a moment

TRIP = 0.004  # seconds to the server and back
PROMPT, COMPLETION = 20, 40  # tokens of a request, on average


def always(_: float) -> float:
    """Return the whole capacity."""
    return 1.0


@dataclass
class Ask:
    """A request as a server sees it: its tokens, and how often its row was sent before."""

    tokens: float
    attempt: int


class Limiter(Protocol):
    """Takes a request or refuses it."""

    scale: float  # seconds that its memory reaches back
    depends_on_us: bool  # whether going slower makes for fewer refusals

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Return 0 for a request that is taken, else the seconds until one would be."""

    def capacity(self, start: float, end: float) -> float:
        """Return how many requests an all-knowing client gets through between two moments."""


@dataclass
class Bucket:
    """A token bucket that fills at `rate` a second up to `burst`; it counts tokens instead of requests if told to."""

    rate: float
    burst: float
    share: Capacity = always
    counts_tokens: bool = False
    scale: float = 1.0
    depends_on_us: bool = True

    def __post_init__(self) -> None:
        self._level, self._at = self.burst, 0.0
        self.scale = max(self.scale, self.burst / self.rate)

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Take a request while there is a whole unit; tokens may be overdrawn."""
        rate = self.rate * self.share(now)
        self._level = min(self.burst, self._level + (now - self._at) * rate)
        self._at = now
        if self._level < 1 - 1e-9:
            return (1 - self._level) / max(rate, 1e-9)
        self._level -= ask.tokens if self.counts_tokens else 1
        return 0.0

    def capacity(self, start: float, end: float) -> float:
        """Return what flows in."""
        unit = PROMPT + COMPLETION if self.counts_tokens else 1
        return _integral(self.share, start, end) * self.rate / unit


@dataclass
class Gcra:
    """The generic cell rate algorithm: one request every `1 / rate` s, up to `tolerance` s too early."""

    rate: float
    tolerance: float
    scale: float = 1.0
    depends_on_us: bool = True
    _due: float = 0.0

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Take a request that is not too early."""
        if now < self._due - self.tolerance - 1e-9:
            return self._due - self.tolerance - now
        self._due = max(now, self._due) + 1 / self.rate
        return 0.0

    def capacity(self, start: float, end: float) -> float:
        """Return one request an interval."""
        return (end - start) * self.rate


@dataclass
class FixedWindow:
    """So many requests within each window; all is forgotten at its end."""

    count: int
    scale: float
    depends_on_us: bool = True
    _window: int = -1
    _taken: int = 0

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Take a request while the window has some left."""
        window = int(now // self.scale)
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= self.count:
            return (window + 1) * self.scale - now + 1e-6
        self._taken += 1
        return 0.0

    def capacity(self, start: float, end: float) -> float:
        """Return all that the windows hold."""
        return (end - start) / self.scale * self.count


@dataclass
class SlidingWindow:
    """So many requests within any span of `scale` seconds."""

    count: int
    scale: float
    depends_on_us: bool = True
    _log: deque[float] = field(default_factory=deque)

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Take a request unless too many were taken lately."""
        while self._log and self._log[0] <= now - self.scale:
            self._log.popleft()
        if len(self._log) >= self.count:
            return self._log[0] + self.scale - now + 1e-6
        self._log.append(now)
        return 0.0

    def capacity(self, start: float, end: float) -> float:
        """Return all that fits."""
        return (end - start) / self.scale * self.count


@dataclass
class Cap:
    """So many requests in flight; one more is refused at once. `latency` is the mean of an answer's."""

    most: int
    latency: float
    share: Capacity = always
    scale: float = 1.0
    depends_on_us: bool = True

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Take a request while there is room; the next room is there when one of them ends."""
        most = max(1.0, self.most * self.share(now))
        return 0.0 if in_flight < most else self.latency / most

    def capacity(self, start: float, end: float) -> float:
        """Return what a full house gets done."""
        return _integral(self.share, start, end) * self.most / (self.latency + TRIP)


@dataclass
class Queue:
    """Takes everything; so many are worked on at a time and the others wait, their delay growing."""

    workers: int
    latency: float
    scale: float = 1.0
    depends_on_us: bool = True
    _free: list[float] = field(default_factory=list)

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Take it."""
        return 0.0

    def delay(self, now: float, work: float) -> float:
        """Return after how many seconds `work` seconds of work are done, its turn waited for."""
        start = max(now, heapq.heappop(self._free)) if len(self._free) >= self.workers else now
        heapq.heappush(self._free, start + work)
        return start + work - now

    def capacity(self, start: float, end: float) -> float:
        """Return what busy workers get done."""
        return (end - start) * self.workers / self.latency


@dataclass
class Chance:
    """Refuses by chance, whatever the rate, in front of another limiter."""

    share: float
    inner: Queue
    chance: random.Random
    scale: float = 1.0
    depends_on_us: bool = False

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Throw the dice."""
        return 0.1 if self.chance.random() < self.share else self.inner.admit(now, ask, in_flight)

    def capacity(self, start: float, end: float) -> float:
        """Return what the server does: what is refused costs it nothing."""
        return self.inner.capacity(start, end)


@dataclass
class FirstAttempt:
    """Refuses the first attempt of each row."""

    inner: Queue
    scale: float = 1.0
    depends_on_us: bool = False

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Refuse who was not here before."""
        return 0.15 if not ask.attempt else self.inner.admit(now, ask, in_flight)

    def capacity(self, start: float, end: float) -> float:
        """Return what the server does."""
        return self.inner.capacity(start, end)


@dataclass
class Both:
    """Two limits at once; the tighter one decides."""

    first: Bucket
    second: Bucket
    scale: float = 1.0
    depends_on_us: bool = True

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Ask both. What only one would take is refused without a charge."""
        for limit in (self.first, self.second):
            limit.admit(now, Ask(0, 0), in_flight) if limit.counts_tokens else None
        waits = [_peek(limit, now) for limit in (self.first, self.second)]
        if max(waits) > 0:
            return max(waits)
        self.first.admit(now, ask, in_flight)
        self.second.admit(now, ask, in_flight)
        return 0.0

    def capacity(self, start: float, end: float) -> float:
        """Return what the tighter one lets through."""
        return min(self.first.capacity(start, end), self.second.capacity(start, end))


def _peek(bucket: Bucket, now: float) -> float:
    level = min(bucket.burst, bucket._level + (now - bucket._at) * bucket.rate)  # noqa: SLF001 - of this file
    return max(0.0, (1 - level) / bucket.rate)


def _integral(share: Capacity, start: float, end: float) -> float:
    if share is always:
        return end - start
    steps = max(1, round((end - start) * 10))
    width = (end - start) / steps
    return sum(share(start + (step + 0.5) * width) for step in range(steps)) * width


@dataclass(frozen=True)
class Cell:
    """A server and the clients at it. Warm-up and measure are seconds, at the scale of the server.

    `in_flight` is what the clients were told with -j. `edition` is the one of the bank that the cell came with: each
    edition is drawn on its own, so that no cell changes halves when others are added.
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
    edition: int = 1

    @property
    def warm(self) -> float:
        """Seconds until what a client does counts: 15, or what 30 requests, two windows or four answers take."""
        limiter = self.make()
        settled = max(15.0, 30 / self.rate * self.clients, 2 * limiter.scale, 4 * self.latency)
        start = self.changes_at + settled if self.changes_at else settled
        return math.ceil(start / limiter.scale) * limiter.scale

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
    return [*_one_client(), *_many_clients(), *_by_chance()]


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
    modes: tuple[RetryAfter, ...] = ("absent", "rounded", "5 s")
    for latency, workers in ((0.02, 8), (1.0, 40), (30.0, 40)):
        for status in (429, 500, 503, 529):
            for share in (0.01, 0.05, 0.1, 0.5) if status != 529 else (0.05,):  # noqa: PLR2004 - it is as 503
                for mode in modes:
                    yield Cell(
                        f"{status} for {share:.0%} by chance, -j 64, {latency:g} s, {mode}",
                        _maker(_refusing, share, workers, latency),
                        mode,
                        latency,
                        workers / latency,
                        status,
                        in_flight=64,
                        edition=2,
                    )
            for mode in modes if status in (429, 503) else ():
                yield Cell(
                    f"{status} for first attempts, -j 64, {latency:g} s, {mode}",
                    _maker(_refusing_first, workers, latency),
                    mode,
                    latency,
                    workers / latency,
                    status,
                    in_flight=64,
                    edition=2,
                )


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
