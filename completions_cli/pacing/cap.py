"""The most requests that a server takes at a time, found from what it refuses."""

from collections import deque

NO_CAP = float("inf")

_MEMORY = 256  # requests remembered
_GRACE = 3.0  # times what a refusal takes to arrive: a request that is older was taken
_LEAST_GRACE = 0.05  # seconds
_FAR_BELOW = 0.3  # of the limit: no cap falls that far at once
_DOUBTS = 3  # refusals that no cap explains
_FORGIVEN = 1 / 400  # doubts, with each answer in quiet times
_FIRST_PROBE = 0.25  # seconds after a refusal until one request more is tried; doubles with each that is refused
_ANSWERS = 25.0  # answers between two requests that are one too many: 4 % of them are refused


class Cap:
    """A limit of requests in flight that follows refusals down and tries one more now and then.

    What a cap explains is a refusal while at least as many were in flight as were refused before. It does not explain
    refusals at a level at which others were taken meanwhile: after some of those `is_doubtful` is true, and
    something else than a cap is behind it.
    """

    def __init__(self) -> None:
        self.limit = NO_CAP
        self._sent: deque[tuple[float, int]] = deque(maxlen=_MEMORY)  # when, and how many were then in flight
        self._descent_at: float | None = None  # when refusals began that have not ended yet
        self._last_refused = float("-inf")
        self._doubts = 0.0
        self._proved = 0.0  # a limit that was kept without a refusal
        self._quiet = 0.0  # answers since the last refusal
        self._delay = 0.0  # what refusals take to arrive, in seconds
        self._probe_at = float("inf")
        self._gap = _FIRST_PROBE
        self._streak = 0  # steps up since the last refusal

    @property
    def is_doubtful(self) -> bool:
        """True when the refusals of late are not those of a cap."""
        return self._doubts >= _DOUBTS

    @property
    def is_descending(self) -> bool:
        """True while refusals follow one another."""
        return self._descent_at is not None

    def may_send(self, now: float, in_flight: int) -> bool:
        """Return whether one more request may be in flight; where it is due, the limit goes up for it."""
        if in_flight < self.limit:
            return True
        if self._quiet < max(_ANSWERS, self.limit) and now < self._probe_at:
            return False
        self._proved = self.limit if self._quiet >= _ANSWERS else self._proved
        self.limit += min(2.0**self._streak, max(1.0, self.limit / 4))
        self._streak += 1
        self._quiet = 0.0
        self._probe_at = now + self._gap
        return True

    def wait(self, now: float) -> float:
        """Return the seconds until `may_send` may say something else though nothing was answered."""
        return max(0.0, self._probe_at - now)

    def sent(self, now: float, in_flight: int) -> None:
        """Record a request with which so many are in flight."""
        self._sent.append((now, in_flight))

    def answered(self) -> None:
        """Record an answer."""
        self._quiet += 1
        if self._quiet >= _ANSWERS:
            self._descent_at = None
            self._doubts = max(0.0, self._doubts - _FORGIVEN)

    def refused(self, now: float, sent_at: float, level: int, in_flight: int) -> None:
        """Record a refusal of a request sent when `level` were in flight; `in_flight` are now."""
        self._delay = max(now - sent_at, self._delay * 0.9)
        if self._is_contradicted(now, sent_at, level):
            self._doubts += 1
            return
        if self._descent_at is None:
            self._descent_at = sent_at
            self._doubts += level <= self._proved
            self._proved = 0.0
        if (sent_at, level) in self._sent:
            self._sent.remove((sent_at, level))
        self._quiet, self._streak = 0.0, 0
        if sent_at > self._last_refused:
            self._gap = self._gap * 2 if self.limit < NO_CAP else _FIRST_PROBE
            self._last_refused = now
        self.limit = max(1.0, min(self.limit, max(in_flight, level // 2)))
        self._probe_at = now + self._gap

    def forget(self) -> None:
        """Begin anew without a cap."""
        self.__init__()  # type: ignore[misc] # nothing derives from it

    def _is_contradicted(self, now: float, sent_at: float, level: int) -> bool:
        """Return whether others were taken at that level or a higher one since the refusals began."""
        if self._descent_at is None:
            return sent_at > self._last_refused and level < _FAR_BELOW * self.limit < NO_CAP
        if level <= 1 or (sent_at > self._last_refused and level < _FAR_BELOW * self.limit < NO_CAP):
            return True
        settled = now - max(_LEAST_GRACE, _GRACE * self._delay)
        return any(self._descent_at < at <= settled and sent >= level for at, sent in self._sent)
