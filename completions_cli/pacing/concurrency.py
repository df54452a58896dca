"""How many requests may be in flight: more while the server keeps up, fewer when its answers queue."""

_START = 16
_WINDOW = 16  # answers whose mean latency is compared, at least,
_LONGEST_WINDOW = 64  # and at most
_KEEPS_UP = 1.3  # times the best latency seen
_IS_SLOW = 1.6
_AIM = 1.2
_NOISE = 0.01  # seconds of latency that mean nothing
_DRIFT = 1.0005  # the best latency is forgotten by so much a window
_LEAST = 0.5  # of the limit, at one step down
_DRAINS = 0.75  # of the latency before: half the limit had a shorter queue
_HELPED = 0.9  # of the latency before; what shrinking does not bring down to this was not queueing


class Concurrency:
    """A limit that adapts between 1 and `most`, or stays what it was set to.

    It grows by one an answer, which doubles it in the time of an answer, until the server first shows that it has
    enough, then by a tenth a window; latency above the best seen stops growth, far above it shrinks the limit.
    Where a smaller limit does not make for shorter answers, they take longer by themselves: that is the new normal.
    """

    def __init__(self, fixed: int | None = None, most: int = 1024) -> None:
        self._adapts = fixed is None
        self._most = most
        self._limit = float(fixed or min(_START, most))
        self.limit = int(self._limit)  # how many may be in flight now
        self._is_starting = True
        self._is_draining = False
        self._keeps_up = True
        self._best: float | None = None
        self._before_shrinking: tuple[float, float] | None = None  # limit and latency
        self._total = 0.0
        self._count = 0
        self._was_full = False
        self._skip = 0  # answers to requests sent before the limit shrank

    def answered(self, latency: float, in_flight: int) -> None:
        """Record an answer that came after `latency` seconds, when `in_flight` were under way with it."""
        if not self._adapts:
            return
        if self._skip:
            self._skip -= 1
            return
        self._total += latency
        self._count += 1
        is_full = in_flight >= self.limit
        self._was_full = self._was_full or is_full
        if self._is_starting and is_full and self._keeps_up and self._is_short(latency, _IS_SLOW):
            self._grow(1.0)
        if self._count >= self._window:
            self._end_window(self._total / self._count)

    @property
    def _window(self) -> int:
        return min(_LONGEST_WINDOW, max(_WINDOW, self.limit))

    def restart(self) -> None:
        """Begin as at the start: after an outage nobody knows what the server can do."""
        if self._adapts:
            self._limit = float(min(_START, self._most))
            self.limit = int(self._limit)
            self._is_starting = self._keeps_up = True
            self._begin_window()

    def _is_short(self, latency: float, factor: float) -> bool:
        return self._best is None or latency <= self._best * factor + _NOISE

    def _grow(self, by: float) -> None:
        self._limit = min(float(self._most), self._limit + by)
        self.limit = int(self._limit)

    def _end_window(self, mean: float) -> None:
        before, self._before_shrinking = self._before_shrinking, None
        if self._is_draining and before is not None:
            self._drain(mean, before)
            self._begin_window()
            return
        if before is not None and mean > before[1] * _HELPED:
            self._limit, self._best = before[0], mean
        best = self._best = mean if self._best is None else min(mean, self._best * _DRIFT)
        self._keeps_up = self._is_short(mean, _KEEPS_UP)
        if self._keeps_up:
            # A limit that was never reached says nothing about a higher one.
            if self._was_full and not self._is_starting:
                self._grow(max(1.0, self._limit / 10))
        elif self._is_starting:
            self._is_starting, self._is_draining = False, True
            self._shrink(mean, _LEAST)
        elif not self._is_short(mean, _IS_SLOW):
            self._shrink(mean, max(_LEAST, best * _AIM / mean))
        self._begin_window()

    def _drain(self, mean: float, before: tuple[float, float]) -> None:
        """Halve the limit until answers get no shorter: how long they take without a queue is not known before."""
        self._best = mean if self._best is None else min(self._best, mean)
        if mean <= before[1] * _DRAINS and self._limit > 1:
            self._shrink(mean, _LEAST)
        else:
            self._limit, self._is_draining = before[0], False

    def _shrink(self, mean: float, to: float) -> None:
        self._before_shrinking = self._limit, mean
        self._skip = int(self._limit)
        self._limit = max(1.0, self._limit * to)

    def _begin_window(self) -> None:
        self.limit = int(self._limit)
        self._total, self._count, self._was_full = 0.0, 0, False
