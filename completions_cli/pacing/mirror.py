"""The server's own bucket, as its headers tell of it, with what was sent since taken off."""

from completions_cli.pacing.bucket import ROUNDING

TOKEN_RESERVE = 0.002  # of the limit: guesses of tokens are a little wrong


class Mirror:
    """Follows one `x-ratelimit-…` pair. Between two answers it fills as a bucket of that limit would.

    An answer tells what was left when its request came in: only what was sent after that request
    is taken off, and an answer to an older request than the last one read says nothing new.

    `reserve` is a share of the limit that is left unused, for what is charged by a guess.
    """

    def __init__(self, reserve: float = 0.0) -> None:
        self._reserve = reserve
        self.is_known = False  # whether the server has told its limit
        self._limit: float | None = None
        self._level = 0.0
        self._at = 0.0
        self.charged = 0.0  # all that was ever taken: a request keeps it to say when it was sent
        self._read_at_charge = -1.0

    def read(self, now: float, limit: float, remaining: float, charged_then: float) -> None:
        """Record an answer's headers. `charged_then` is what `charged` was once its request was taken."""
        if limit <= 0 or charged_then < self._read_at_charge:
            return
        self._limit = limit
        self.is_known = True
        self._read_at_charge = charged_then
        # No debt is of more than a minute: a server that says so must not stop the run for good.
        self._level = max(-limit, min(remaining, limit)) - (self.charged - charged_then)
        self._at = now

    def wait(self, now: float, cost: float) -> float:
        """Return the seconds until the server should have `cost` left."""
        if self._limit is None:
            return 0.0
        rate = self._limit / 60
        level = min(self._limit, self._level + (now - self._at) * rate)
        missing = min(cost + self._limit * self._reserve, self._limit) - level
        return missing / rate if missing > ROUNDING else 0.0

    def take(self, now: float, cost: float) -> None:
        """Count a request that goes out."""
        self.charged += cost
        if self._limit is not None:
            self._level = min(self._limit, self._level + (now - self._at) * self._limit / 60) - cost
            self._at = now
