"""How many requests may be in flight: more while the server keeps up, fewer when it refuses or slows down."""

_START = 16
_WINDOW = 32  # answers whose mean latency is compared, at least
_KEEPS_UP = 1.5  # times the best latency seen
_IS_SLOW = 2.5
_NOISE = 0.01  # seconds of latency that mean nothing
_DRIFT = 1.0005  # the best latency is forgotten by so much a window
_SHRINK = 0.8
_HELPED = 0.9  # of the latency before; what shrinking does not bring down to this was not queueing
_FEW = 6  # failures that say nothing, however few the answers beside them
_TOLERATED = 0.15  # share of failures that is no sign of overload
_CUT = 0.7
_VAIN = 0.5  # of the limit before; cut to this without getting rid of failures, it was cut in vain,
_MOST = 0.5  # unless this share of all that was asked failed
_FEWER = 0.7  # of the share before; there are fewer failures than before


class Concurrency:
    """A limit that adapts between 1 and `most`, or stays what it was set to.

    It doubles from window to window until the server first shows that it has enough, then grows by a
    tenth; latency well above the best seen stops growth, far above it shrinks the limit, as overload does at once.
    Where a smaller limit does not make for shorter answers, or for fewer failures, it has another cause than
    the limit: that is the new normal.
    """

    def __init__(self, fixed: int | None = None, most: int = 1024) -> None:
        self._adapts = fixed is None
        self._most = most
        self._limit = float(fixed or min(_START, most))
        self.limit = int(self._limit)  # how many may be in flight now
        self._is_starting = True
        self._best: float | None = None
        self._before_shrinking: tuple[float, float] | None = None  # limit and latency
        self._total = 0.0
        self._count = 0
        self._was_full = False
        self._dropped_at = float("-inf")
        self._failures = 0  # in this window
        self._tolerated = _TOLERATED
        self._before_cuts: tuple[float, float] | None = None  # limit and share of failures

    def answered(self, latency: float, in_flight: int) -> None:
        """Record an answer that came after `latency` seconds, when `in_flight` were under way with it."""
        if not self._adapts:
            return
        self._total += latency
        self._count += 1
        self._was_full = self._was_full or in_flight >= self.limit
        if self._count >= self._window:
            self._end_window(self._total / self._count)

    @property
    def _window(self) -> int:
        return max(_WINDOW, self.limit)

    def failed(self, now: float, sent_at: float) -> None:
        """Record a failure that is a sign of overload where it is not one among many answers."""
        if not self._adapts or sent_at <= self._dropped_at:
            return
        self._failures += 1
        outcomes = self._failures + self._count
        share = self._failures / outcomes
        if self._failures < _FEW or share <= (self._tolerated if outcomes >= self._window else _MOST):
            return
        before = self._before_cuts
        if before is None or share < before[1] * _FEWER:
            self._before_cuts = self._limit, share
        elif self._limit < before[0] * _VAIN and share < _MOST:
            self._limit, self._tolerated, self._before_cuts = before[0], share * 1.5, None
            self._begin_window()
            return
        self.overloaded(now, sent_at)
        self._begin_window()

    def overloaded(self, now: float, sent_at: float, *, by: float = _CUT) -> None:
        """Record a sure sign of overload, once for all requests that were under way at the time."""
        if not self._adapts or sent_at <= self._dropped_at:
            return
        self._dropped_at = now
        self._is_starting = False
        self._limit = max(1.0, self._limit * by)
        self.limit = int(self._limit)

    def _end_window(self, mean: float) -> None:
        before, self._before_shrinking = self._before_shrinking, None
        if before is not None and mean > before[1] * _HELPED:
            self._limit, self._best = before[0], mean
        best = self._best = mean if self._best is None else min(mean, self._best * _DRIFT)
        if mean <= best * _KEEPS_UP + _NOISE:
            # A limit that was never reached says nothing about a higher one.
            if self._was_full:
                grown = self._limit * 2 if self._is_starting else self._limit + max(1.0, self._limit / 10)
                self._limit = min(float(self._most), grown)
        else:
            self._is_starting = False
            if mean > best * _IS_SLOW + _NOISE:
                self._before_shrinking = self._limit, mean
                self._limit = max(1.0, self._limit * _SHRINK)
        if self._failures <= self._tolerated * self._count:
            self._before_cuts = None
        self._begin_window()

    def _begin_window(self) -> None:
        self.limit = int(self._limit)
        self._total, self._count, self._failures, self._was_full = 0.0, 0, 0, False
