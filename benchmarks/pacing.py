"""Simulates batches against rate-limited servers and prints how much of the limit is used and how much is refused.

The pace is the one that `batch` uses, the limiter is the emulator's own, and only time is played: an hour takes
seconds. `--trace NAME` prints a scenario second by second.

Columns: `used` is the share of what the server allowed that was taken after the first minute, `429` the share of
requests refused in that time, `first` the same within the first minute, `back` the seconds after a change of the
limit until a five-second mean is at 90 % of the new one.
"""

import argparse
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from completions_cli.batch.pacing.concurrency import Concurrency
from completions_cli.batch.pacing.pace import FULL, Pace, Ticket
from completions_cli.emulator.config import LimitHeader
from completions_cli.emulator.limits import Limits

ALL = frozenset(LimitHeader)
RATES = frozenset({LimitHeader.RATELIMIT})
SECONDS = frozenset({LimitHeader.RETRY_AFTER})
BARE: frozenset[LimitHeader] = frozenset()

FEW = 0.1  # refused share that a run has got over a lower limit with
PROMPT_TOKENS, MAX_TOKENS, MEDIAN_TOKENS = 50, 256, 60


@dataclass(frozen=True)
class Scenario:
    """A server and a client. `change` multiplies the limit at half time; `window` makes it count by fixed minutes."""

    name: str
    rpm: int | None = None
    tpm: int | None = None
    headers: frozenset[LimitHeader] = BARE
    latency: float = 1.0
    change: float = 1.0
    flags: bool = False
    fixed: int | None = None
    seconds: float = 360.0
    window: bool = False
    noise: float = 0.0  # refused at random, whatever the rate
    reported: bool = True  # part of what the targets are for


SCENARIOS = [
    *[Scenario(f"rate headers, {rpm} rpm, {latency:g} s", rpm=rpm, headers=RATES, latency=latency)
      for rpm in (60, 600, 6000) for latency in (0.05, 1.0, 5.0)],
    *[Scenario(f"rate headers, {tpm} tpm, {latency:g} s", tpm=tpm, headers=RATES, latency=latency)
      for tpm in (20_000, 200_000, 2_000_000) for latency in (0.05, 1.0, 5.0)],
    *[Scenario(f"--rpm, {rpm} rpm, {latency:g} s", rpm=rpm, flags=True, latency=latency)
      for rpm in (60, 600, 6000) for latency in (0.05, 1.0)],
    *[Scenario(f"--tpm, {tpm} tpm, {latency:g} s", tpm=tpm, flags=True, latency=latency)
      for tpm in (20_000, 200_000, 2_000_000) for latency in (0.05, 1.0)],
    *[Scenario(f"bare 429, {rpm} rpm, {latency:g} s", rpm=rpm, latency=latency)
      for rpm in (120, 600, 6000) for latency in (0.05, 1.0, 5.0)],
    *[Scenario(f"bare 429, {tpm} tpm, {latency:g} s", tpm=tpm, latency=latency)
      for tpm in (20_000, 200_000) for latency in (0.05, 1.0)],
    *[Scenario(f"Retry-After, {rpm} rpm, {latency:g} s", rpm=rpm, headers=SECONDS, latency=latency)
      for rpm in (120, 600, 6000) for latency in (0.05, 1.0)],
    *[Scenario(f"bare 429, {rpm} rpm x {change:g}, {latency:g} s", rpm=rpm, change=change, latency=latency)
      for rpm in (600, 3000) for change in (2.0, 0.5) for latency in (0.05, 1.0)],
    *[Scenario(f"rate headers, 600 rpm x {change:g}", rpm=600, change=change, headers=RATES) for change in (2.0, 0.5)],
    Scenario("fixed minutes, bare 429, 600 rpm", rpm=600, window=True, reported=False),
    Scenario("fixed minutes, rate headers, 600 rpm", rpm=600, window=True, headers=RATES, reported=False),
    Scenario("1 in 20 refused at random, 600 rpm", rpm=600, noise=0.05, reported=False),
    Scenario("1 in 200 refused at random, 60000 rpm", rpm=60000, noise=0.005, latency=0.1, reported=False, seconds=180),
    Scenario("1 in 20 refused at random, 60000 rpm", rpm=60000, noise=0.05, latency=0.1, reported=False, seconds=180),
]  # fmt: skip


@dataclass
class Clock:
    """The time that is played, in seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class FixedMinutes:
    """A limiter that counts requests by the minute and forgets them all at its end."""

    def __init__(self, rpm: int, headers: frozenset[LimitHeader], clock: Clock) -> None:
        self.rpm = rpm
        self._tell = LimitHeader.RATELIMIT in headers
        self._clock = clock
        self._minute = 0
        self._count = 0

    def admit(self) -> tuple[bool, dict[str, str]]:
        """Count a request, or refuse it."""
        minute = int(self._clock.now // 60)
        if minute != self._minute:
            self._minute, self._count = minute, 0
        taken = self._count < self.rpm
        self._count += taken
        told = {
            "x-ratelimit-limit-requests": str(self.rpm),
            "x-ratelimit-remaining-requests": str(self.rpm - self._count),
        }
        return taken, told if self._tell else {}


@dataclass
class Seen:
    """What came of one second."""

    taken: int = 0
    refused: int = 0
    tokens: int = 0


@dataclass
class Run:
    """One simulation."""

    scenario: Scenario
    chance: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - a game
    clock: Clock = field(default_factory=Clock)
    seen: dict[int, Seen] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scenario = self.scenario
        self.limits = Limits(scenario.rpm, scenario.tpm, scenario.headers, self.clock)
        self.window = FixedMinutes(scenario.rpm or 1, scenario.headers, self.clock) if scenario.window else None
        flags = (scenario.rpm, scenario.tpm) if scenario.flags else (None, None)
        self.pace = Pace(Concurrency(scenario.fixed), *flags, 0.0)
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.again: deque[int] = deque()
        self.mean_tokens: float | None = None
        self.timer: float | None = None

    def play(self) -> None:
        """Let time pass."""
        half = self.scenario.seconds / 2
        self.at(half, self.change)
        self.pump()
        while self.events:
            self.clock.now, _, event = heapq.heappop(self.events)
            if self.clock.now > self.scenario.seconds:
                return
            event()
            self.pump()

    def at(self, moment: float, event: Callable[[], None]) -> None:
        """Have something happen."""
        heapq.heappush(self.events, (moment, next(self.order), event))

    def change(self) -> None:
        """Change the limit."""
        for bucket in (self.limits._requests, self.limits._tokens):  # noqa: SLF001 - no emulator changes its limits
            if bucket:
                bucket.left()
                bucket.per_minute = round(bucket.per_minute * self.scenario.change)

    def pump(self) -> None:
        """Send what may be sent; there is always more."""
        while True:
            now = self.clock.now
            completion = self.again[0] if self.again else self._length()
            guess = PROMPT_TOKENS + (MAX_TOKENS if self.mean_tokens is None else self.mean_tokens)
            wait = self.pace.wait(now, guess, PROMPT_TOKENS + MAX_TOKENS)
            if wait > 0:
                if not self.again:
                    self.again.append(completion)
                if wait != FULL and (self.timer is None or self.timer <= now or now + wait < self.timer):
                    self.timer = now + max(wait, 1e-6)
                    self.at(self.timer, lambda: None)
                return
            if self.again:
                self.again.popleft()
            self.send(self.pace.leave(now, guess, PROMPT_TOKENS + MAX_TOKENS), completion)

    def send(self, ticket: Ticket, completion: int) -> None:
        """Send a request; half of the shortest round trip later the server sees it."""
        self.at(self.clock.now + 0.005, lambda: self.arrive(ticket, completion))

    def arrive(self, ticket: Ticket, completion: int) -> None:
        """Have the server take or refuse it."""
        estimate = PROMPT_TOKENS + MAX_TOKENS
        if self.window is not None:
            taken, headers = self.window.admit()
        else:
            verdict = self.limits.admit(estimate)
            taken, headers = not verdict.wait, verdict.headers
        if taken and self.scenario.noise and self.chance.random() < self.scenario.noise:
            taken = False
        seen = self.seen.setdefault(int(self.clock.now), Seen())
        if not taken:
            seen.refused += 1
            self.at(self.clock.now + 0.005, lambda: self.refuse(ticket, headers, completion))
            return
        seen.taken += 1
        seen.tokens += PROMPT_TOKENS + completion
        took = self.scenario.latency * (0.3 + 0.7 * completion / MEDIAN_TOKENS)
        self.at(self.clock.now + took, lambda: self.answer(ticket, headers, completion, estimate))

    def refuse(self, ticket: Ticket, headers: dict[str, str], completion: int) -> None:
        """Have the client see a 429."""
        asked = headers.get("retry-after")
        self.pace.refused(self.clock.now, ticket, float(asked) if asked else None)
        self.pace.read(self.clock.now, ticket, headers.get)
        self.again.append(completion)

    def answer(self, ticket: Ticket, headers: dict[str, str], completion: int, estimate: int) -> None:
        """Have the client see an answer."""
        self.limits.settle(estimate, PROMPT_TOKENS + completion)
        self.mean_tokens = completion if self.mean_tokens is None else self.mean_tokens * 0.95 + completion * 0.05
        self.pace.answered(self.clock.now, ticket, PROMPT_TOKENS + completion)
        self.pace.read(self.clock.now, ticket, headers.get)

    def _length(self) -> int:
        return max(1, min(MAX_TOKENS, round(self.chance.lognormvariate(0, 0.9) * MEDIAN_TOKENS)))


@dataclass(frozen=True)
class Figures:
    """What a run comes to."""

    used: float
    refused: float
    refused_first: float
    back: float | None


def measure(run: Run) -> Figures:
    """Work out the figures of a run."""
    scenario = run.scenario
    half = scenario.seconds / 2
    start, end = (60, int(scenario.seconds)) if scenario.change == 1 else (60, int(half))
    per_second = ((scenario.rpm or scenario.tpm) or 0) / 60
    amounts = {second: seen.taken if scenario.rpm else seen.tokens for second, seen in run.seen.items()}
    used = sum(amounts.get(second, 0) for second in range(start, end)) / (per_second * (end - start))
    back = None
    if scenario.change != 1:
        goal = per_second * scenario.change * 0.9
        back = next(
            (
                second - half
                for second in range(int(half), int(scenario.seconds) - 5)
                if sum(amounts.get(second + step, 0) for step in range(5)) / 5 >= goal
                and (scenario.change > 1 or _share(run, second, second + 5) < FEW)
            ),
            float("inf"),
        )
    return Figures(used, _share(run, start, int(scenario.seconds)), _share(run, 0, 60), back)


def _share(run: Run, start: int, end: int) -> float:
    seen = [run.seen[second] for second in range(start, end) if second in run.seen]
    refused = sum(item.refused for item in seen)
    return refused / max(1, refused + sum(item.taken for item in seen))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trace", help="print the seconds of the scenario of this name")
    options = parser.parse_args()
    print(f"{'scenario':42} {'used':>7} {'429':>7} {'first':>7} {'back':>6}")
    for scenario in SCENARIOS:
        if options.trace and scenario.name != options.trace:
            continue
        run = Run(scenario)
        run.play()
        found = measure(run)
        back = "" if found.back is None else f"{found.back:.0f} s"
        print(f"{scenario.name:42} {found.used:7.1%} {found.refused:7.1%} {found.refused_first:7.1%} {back:>6}")
        if options.trace:
            for second in range(int(scenario.seconds)):
                print(second, run.seen.get(second))


if __name__ == "__main__":
    main()
