"""Ways to count a budget of a minute: a steady bucket, windows, nothing saved up, shared with others.

Something is given out while anything is left: a request larger than the whole budget gets through, and those after it
wait the longer. Times are seconds of the clock that is given.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

Clock = Callable[[], float]

MINUTE = 60.0
_OTHERS_SHARE = 0.5  # of a shared budget, while other clients are there
_OTHERS_SECONDS = 30.0  # that they stay, and stay away


class Budget(Protocol):
    """What is left of so much a minute; negative when overdrawn."""

    per_minute: int

    def left(self) -> float:
        """Return how much is left now."""

    def wait(self) -> float:
        """Return the seconds until a whole unit is there; 0 if it is there now."""

    def take(self, amount: float) -> None:
        """Use some of it up (or, if negative, give some back)."""


class Bucket:
    """Refills steadily and holds a minute's worth, or `most`."""

    def __init__(self, per_minute: int, clock: Clock, most: float | None = None) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._most = per_minute if most is None else most
        self._left = float(self._most)
        self._read = clock()

    def left(self) -> float:
        """Return how much is left now."""
        now = self._clock()
        self._left = min(self._most, self._left + self._given(self._read, now))
        self._read = now
        return self._left

    def wait(self) -> float:
        """Return the seconds until a whole unit is there, if nobody else takes it."""
        return max(0.0, (1 - self.left()) * MINUTE / self.per_minute)

    def take(self, amount: float) -> None:
        """Use some of it up."""
        self._left = min(self._most, self.left() - amount)

    def _given(self, start: float, end: float) -> float:
        return (end - start) * self.per_minute / MINUTE


class Burstless(Bucket):
    """Saves nothing up: requests are to come evenly. Of tokens a second's worth may come at once."""

    def __init__(self, per_minute: int, clock: Clock, *, counts_tokens: bool = False) -> None:
        super().__init__(per_minute, clock, most=max(1.0, per_minute / MINUTE) if counts_tokens else 1.0)


class Shared(Bucket):
    """Has other clients, that take half for half a minute and then stay away as long."""

    def _given(self, start: float, end: float) -> float:
        return (self._until(end) - self._until(start)) * self.per_minute / MINUTE

    def _until(self, moment: float) -> float:
        """Return for how many seconds' worth of the whole this client was served up to a moment."""
        whole, rest = divmod(moment, 2 * _OTHERS_SECONDS)
        alone = min(rest, _OTHERS_SECONDS)
        together = (rest - alone) * (1 - _OTHERS_SHARE)
        return whole * _OTHERS_SECONDS * (2 - _OTHERS_SHARE) + alone + together


class FixedWindow:
    """Forgets all at the end of each minute."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._window = -1
        self._taken = 0.0

    def left(self) -> float:
        """Return how much of this minute is left."""
        window = int(self._clock() // MINUTE)
        if window != self._window:
            self._window, self._taken = window, 0.0
        return self.per_minute - self._taken

    def wait(self) -> float:
        """Return the seconds until the next minute."""
        return 0.0 if self.left() >= 1 else MINUTE - self._clock() % MINUTE

    def take(self, amount: float) -> None:
        """Use some of it up."""
        self.left()
        self._taken += amount


class SlidingWindow:
    """Counts what was taken within the last minute, whenever that was."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._log: deque[tuple[float, float]] = deque()
        self._taken = 0.0

    def left(self) -> float:
        """Return how much of the last minute's budget is left."""
        while self._log and self._log[0][0] <= self._clock() - MINUTE:
            self._taken -= self._log.popleft()[1]
        return self.per_minute - self._taken

    def wait(self) -> float:
        """Return the seconds until enough was taken longer ago than a minute."""
        missing = 1 - self.left()
        for moment, amount in self._log:
            if missing <= 0:
                break
            missing -= amount
            if missing <= 0:
                return max(0.0, moment + MINUTE - self._clock())
        return 0.0 if missing <= 0 else MINUTE

    def take(self, amount: float) -> None:
        """Use some of it up."""
        self._log.append((self._clock(), amount))
        self._taken += amount


def _burstless_tokens(per_minute: int, clock: Clock) -> Budget:
    return Burstless(per_minute, clock, counts_tokens=True)


REQUESTS: Mapping[str, Callable[[int, Clock], Budget]] = {
    "bucket": Bucket,
    "fixed-window": FixedWindow,
    "sliding-window": SlidingWindow,
    "burstless": Burstless,
    "shared": Shared,
}
TOKENS = {**REQUESTS, "burstless": _burstless_tokens}
