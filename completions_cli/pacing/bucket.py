"""A rate the user gave, kept evenly."""

ROUNDING = 1e-9  # what is missing by no more is no reason to wait

_BURST_SECONDS = 2.0


class Bucket:
    """Fills at `per_minute` and holds two seconds' worth, or one unit where that is more.

    What costs more than it holds passes when it is full, and leaves a debt: it runs alone
    instead of waiting for ever.
    """

    def __init__(self, per_minute: float, now: float, *, start: float | None = None) -> None:
        self.rate = per_minute / 60
        self.capacity = max(1.0, self.rate * _BURST_SECONDS)
        self._level = self.capacity if start is None else start
        self._at = now

    def wait(self, now: float, cost: float) -> float:
        """Return the seconds until `cost` may be taken; 0 when it may be now."""
        self._fill(now)
        missing = min(cost, self.capacity) - self._level
        return missing / self.rate if missing > ROUNDING else 0.0

    def take(self, now: float, cost: float) -> None:
        """Take `cost` out; a negative cost gives back."""
        self._fill(now)
        self._level = min(self.capacity, self._level - cost)

    def empty(self, now: float) -> None:
        """Lose what is saved up."""
        self._fill(now)
        self._level = min(self._level, 0.0)

    def _fill(self, now: float) -> None:
        self._level = min(self.capacity, self._level + (now - self._at) * self.rate)
        self._at = now
