"""Distinguishes a server that is down from rows that it cannot answer, and says how long to wait."""

_SUSPICIOUS = 30  # failures in a row, over all rows
_LOST_ROUTE = 20  # refusals in a row that rows alone do not explain
_PATIENCE_A_RETRY = 7.5  # seconds; with the default of 4 retries half a minute


class Outage:
    """Counts failures since the server last answered or properly refused a request.

    `suspicious` failures in a row, over all rows, mean that the rows cannot be to blame.

    Times are values of one monotonic clock, in seconds.
    """

    def __init__(self, retries: int, max_wait: float, suspicious: int = _SUSPICIOUS) -> None:
        self._suspicious = suspicious
        self._patience = min(max_wait, _PATIENCE_A_RETRY * retries)
        self._max_wait = max_wait
        self._failures = 0
        self.refusals = 0  # in a row, of the route or the key
        self._failing_since: float | None = None
        self._throttled_since: float | None = None
        self._probed_at = float("-inf")
        self.probes = 0  # times that somebody went and looked since it was suspected
        self.was_alive = False

    def alive(self) -> None:
        """Record an answer or refusal that only a working server gives."""
        self.was_alive = True
        self._failures = self.refusals = self.probes = 0
        self._failing_since = self._throttled_since = None

    def suspect(self, now: float, probes: int) -> None:
        """Record that the server fails for others, too, who have probed it this often."""
        if not self.is_suspected:
            self._failures = self._suspicious
        if self._failing_since is None:
            self._failing_since = now
        self.probes = max(self.probes, probes)

    def failed(self, now: float, sent_at: float) -> None:
        """Record a failure, of a request sent at `sent_at`, that may be different next time."""
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = now
        if self.is_suspected and sent_at >= self._probed_at:
            self._probed_at = now
            self.probes += 1

    def throttled(self, now: float) -> None:
        """Record a 429."""
        if self._throttled_since is None:
            self._throttled_since = now

    def refused(self) -> None:
        """Record a refusal that concerns the route or the key rather than the row."""
        self.refusals += 1

    def failing_for(self, now: float) -> float:
        """Return for how many seconds all requests have failed."""
        return 0.0 if self._failing_since is None else now - self._failing_since

    def throttled_for(self, now: float) -> float:
        """Return for how many seconds all answers were 429s."""
        return 0.0 if self._throttled_since is None else now - self._throttled_since

    @property
    def is_suspected(self) -> bool:
        """True while so many requests have failed in a row that the rows cannot be the cause."""
        return self._failures >= self._suspicious

    @property
    def is_route_lost(self) -> bool:
        """True if the key, route or model seems to be refused for all rows."""
        return self.refusals >= _LOST_ROUTE

    def patience_left(self, now: float) -> float:
        """Return for how many more seconds to wait for the end of an outage; 0 or less means not at all."""
        return self._patience - self.failing_for(now)

    def is_exhausted(self, now: float) -> bool:
        """Return whether all answers have been 429s for too long."""
        return self.throttled_for(now) > self._max_wait
