"""Rate limiters as real servers have them, pure and simulated in time.

Each limiter says of a request whether it is taken, and how many requests an all-knowing client would get through
in a span of time. Times are seconds; nothing here knows how a client finds its pace. The models are the textbook
ones: token bucket, fixed and sliding window, leaky bucket and GCRA (ITU-T I.371), caps on requests in flight.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

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
    """So many requests within each window; all is forgotten at its end. `phase` seconds of the first one are over."""

    count: int
    scale: float
    phase: float = 0.0
    depends_on_us: bool = True
    _window: int = -1
    _taken: int = 0

    def admit(self, now: float, ask: Ask, in_flight: int) -> float:
        """Take a request while the window has some left."""
        window = int((now + self.phase) // self.scale)
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= self.count:
            return (window + 1) * self.scale - self.phase - now + 1e-6
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
