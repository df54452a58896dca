"""A limit that others use as well: how it is told from refusals by chance, and how a rate changes under it.

Each refusal cuts the rate by the same share, and between refusals it grows by the same share a second for everybody.
So whoever has the higher rate is refused, and cut, more often, and the shares even out.
"""

import math

from completions_cli.pacing import growth
from completions_cli.pacing.history import History

_LASTS = 180.0  # seconds after the last sign of others
_CUT = 0.1  # of the rate, with each refusal
_REGROWN = 5.0  # seconds in which the rate grows by as much,
_REGROWN_REQUESTS = 25.0  # or what so many requests take
_MOST = 5.0  # log of the growth since the last refusal
_MEMORY = 120.0  # seconds,
_MEMORY_REQUESTS = 1000  # and requests at most, that tell whether refusals come by chance
_ENOUGH = 40  # requests under way of which a share is refused although the rate falls,
_LATELY = 60  # of the last ones
_MANY = 0.15


class Crowd:
    """Whether others use the limit. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.before = 0.0  # requests a second, when their first sign came
        self.since = float("-inf")  # since when refusals tell what is happening
        self._until = float("-inf")
        self._forgotten = float("-inf")  # what was sent before says nothing of chance any more

    def is_here(self, now: float) -> bool:
        """Return whether there was a sign of others lately."""
        return now < self._until

    def noticed(self, now: float, rate: float) -> None:
        """Record a sign of others, at a rate in requests a second."""
        if now >= self._until:
            self.since, self.before = now, rate
        self._until = now + _LASTS

    def may_be_chance(self, history: History, settled: float) -> bool:
        """Return whether refusals of requests sent until a moment came as evenly as those by chance.

        Refusals for too high a rate come in bursts: when a bucket is empty or a window full, or when others try more.
        """
        start = max(settled - _MEMORY, history.start_of(_MEMORY_REQUESTS, settled), self._forgotten)
        return history.is_even(start, settled)

    def was_mistaken(self, history: History, settled: float) -> bool:
        """Return whether it was no crowd, and forget what spoke for one.

        Giving way does not help against refusals by chance that began of late: as many are refused as before, evenly.
        """
        start = max(self.since, history.start_of(_LATELY, settled))
        sent, refused = history.counts(start, settled)
        if sent < _ENOUGH or refused < _MANY * sent or not history.is_even(start, settled):
            return False
        self.since = self._forgotten = start
        self._until = float("-inf")
        return True


def grown(rate: float, elapsed: float) -> float:
    """Return what a rate has grown to, in requests a second, so many seconds after a refusal."""
    return rate * math.exp(min(_MOST, _CUT * elapsed / growth.period(rate, _REGROWN, _REGROWN_REQUESTS)))


def cut(rate: float) -> float:
    """Return the rate after a refusal, in requests a second."""
    return rate * (1 - _CUT)
