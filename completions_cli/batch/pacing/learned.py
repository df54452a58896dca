"""A request rate found from bare 429s.

A server that refuses has nothing left at that moment. So what it took between two refusals is what
it allows in that time, however deep its bucket was at the start: the next rate is that measured one. It is
kept a little below for some seconds, then let grow, slowly at first, so that a limit that rose is found too.
"""

from typing import NamedTuple

_SHORTEST_MEASURE = 1.0  # seconds between two refusals that say something about a rate
_LONGEST_PAUSE = 30.0
_BELOW = 0.97
_PLATEAU = 5.0  # seconds until the rate is back at what was measured
_GROWTH = 8.4  # seconds after that until it is doubled
_LOST = 0.25  # refused share within the plateau that shows that the limit fell
_NOISE_GAIN = 1.1
_BURST_SECONDS = 2.0
_SLOWEST = 1 / 60


class _Mark(NamedTuple):
    """The moment a refusal was last reacted to, and what had been counted by then."""

    at: float
    sent: int
    refused: int


class LearnedRate:
    """Paces requests once a server has refused one; before that it lets all through."""

    def __init__(self) -> None:
        self._measured: float | None = None  # requests a second
        self._mark: _Mark | None = None
        self._level = 0.0
        self._at = 0.0
        self._sent = 0
        self._refused = 0
        self._paused_until = float("-inf")
        self._fruitless = 0  # reactions in a row with nothing taken between

    def rate(self, now: float) -> float | None:
        """Tell the rate in requests a second, None while there is none."""
        if self._measured is None or self._mark is None:
            return None
        elapsed = (now - self._mark.at) / self._scale
        if elapsed < _PLATEAU:
            return self._measured * (_BELOW + (1 - _BELOW) * elapsed / _PLATEAU)
        return self._measured * (1 + ((elapsed - _PLATEAU) / _GROWTH) ** 3)

    def wait(self, now: float) -> float:
        """Tell the seconds until a request may go out."""
        if now < self._paused_until:
            return self._paused_until - now
        rate = self.rate(now)
        if rate is None:
            return 0.0
        self._fill(now, rate)
        return 0.0 if self._level >= 1 else (1 - self._level) / rate

    def take(self, now: float) -> None:
        """Count a request that goes out."""
        self._sent += 1
        rate = self.rate(now)
        if rate is not None:
            self._fill(now, rate)
            self._level -= 1

    def refused(self, now: float, sent_at: float, asked: float | None = None) -> None:
        """Take in a 429 to a request sent at `sent_at`; `asked` is the wait it asked for, in seconds."""
        self._refused += 1
        mark = self._mark
        if mark is None:
            self._react(now, _SHORTEST_MEASURE if asked is None else asked)
            return
        elapsed = now - mark.at
        if sent_at <= mark.at or elapsed < _SHORTEST_MEASURE:
            return  # sent before the last refusal was known, or too soon after it to tell
        sent, refused = self._sent - mark.sent, self._refused - mark.refused
        if sent <= refused:
            self._nothing_taken(now, asked)
            return
        self._fruitless = 0
        taken = (sent - refused) / elapsed
        if self._measured is None:
            self._measured = max(_SLOWEST, taken)
        elif elapsed >= _PLATEAU * self._scale:
            # Refusals in spite of a rate below the limit have another cause, which going slower does not cure.
            self._measured = self._measured * _NOISE_GAIN if refused > 1 + sent // 50 else max(_SLOWEST, taken)
        elif refused > sent * _LOST:
            self._measured = max(_SLOWEST, taken)
        else:
            return
        self._react(now, 0.0)

    @property
    def _scale(self) -> float:
        """How much slower everything goes where requests are rare."""
        return max(1.0, 2.0 / (self._measured or 1.0))

    def _nothing_taken(self, now: float, asked: float | None) -> None:
        self._fruitless += 1
        if self._measured is not None:
            self._measured = max(_SLOWEST, self._measured / 2)
        self._react(now, min(_LONGEST_PAUSE, _SHORTEST_MEASURE * 2.0**self._fruitless) if asked is None else asked)

    def _react(self, now: float, pause: float) -> None:
        self._mark = _Mark(now, self._sent, self._refused)
        self._at = now
        self._level = min(self._level, 0.0)
        self._paused_until = max(self._paused_until, now + pause)

    def _fill(self, now: float, rate: float) -> None:
        self._level = min(max(1.0, rate * _BURST_SECONDS), self._level + (now - self._at) * rate)
        self._at = now
