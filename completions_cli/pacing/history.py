"""What was sent lately and what of it was refused."""

import math
from collections import deque
from itertools import groupby, takewhile

_LONGEST = 4096
_MINUTE = 60.0
_BLOCK = 10  # requests whose refusals are counted together
_FEWEST_BLOCKS = 4
_UNEVEN = 4.0  # standard deviations by which the spread among blocks is beyond that of chance
_INSTANT = 0.05  # seconds; what was sent in less tells no rate


class History:
    """Requests by when they were sent, in seconds; one that was not refused counts as taken."""

    def __init__(self) -> None:
        self._began_at: float | None = None
        self._waited = 0.0  # seconds so far in which nobody was let out
        self._sent: deque[list[float]] = deque(maxlen=_LONGEST)  # when, 1 while it counts as taken, `_waited` then

    def sent(self, now: float) -> None:
        """Record a request that goes out."""
        self._began_at = now if self._began_at is None else self._began_at
        self._sent.append([now, 1, self._waited])

    def wait(self, seconds: float, wasted: float = 0.0) -> None:
        """Record that nobody was let out for so many seconds, and for others that were of no use."""
        self._waited += seconds + wasted
        if self._began_at is not None:
            self._began_at += wasted

    def refused(self, sent_at: float) -> None:
        """Record that a request sent at that moment was refused."""
        for entry in reversed(self._sent):
            if entry[0] < sent_at:
                return
            if entry[0] == sent_at and entry[1]:
                entry[1] = 0
                return

    def forget(self, sent_at: float) -> None:
        """Leave a request out that was sent at that moment."""
        for back, entry in enumerate(reversed(self._sent), 1):
            if entry[0] <= sent_at:
                if entry[0] == sent_at:
                    del self._sent[-back]
                return

    def taken(self, after: float, until: float) -> int:
        """Return how many requests sent after one moment and before another were taken."""
        return int(sum(entry[1] for entry in self._between(after, until)))

    def has_taken(self, count: int, after: float, until: float) -> bool:
        """Return whether so many requests sent after one moment and until another were taken; looks no further back."""
        for at, is_taken, _ in reversed(self._sent):
            if at <= after:
                return False
            count -= is_taken > 0 and at <= until
            if count <= 0:
                return True
        return False

    def counts(self, after: float, until: float) -> tuple[int, int]:
        """Return how many requests sent after one moment and until another were sent and refused."""
        entries = self._between(after, until)
        return len(entries), len(entries) - int(sum(entry[1] for entry in entries))

    def share(self, after: float, most: int, until: float) -> float:
        """Return which share of the last requests between two moments was refused, of so many at most."""
        sent, refused = self.counts(max(after, self.start_of(most, until)), until)
        return refused / max(1, sent)

    def is_even(self, after: float, until: float) -> bool:
        """Return whether requests sent between two moments were refused as evenly as by chance, or too few to tell."""
        taken: list[float] = []
        for _, together in groupby(self._between(after, until), key=lambda entry: entry[0]):
            each = [entry[1] for entry in together]  # which of those sent at one moment were refused is not known
            taken += [sum(each) / len(each)] * len(each)
        blocks = [_BLOCK - sum(taken[start : start + _BLOCK]) for start in range(0, len(taken) - _BLOCK + 1, _BLOCK)]
        if len(blocks) < _FEWEST_BLOCKS or not any(blocks):
            return True
        mean = sum(blocks) / len(blocks)
        spread = sum((refused - mean) ** 2 for refused in blocks)
        freedom = len(blocks) - 1
        most = freedom + _UNEVEN * math.sqrt((2 + 1 / mean) * freedom)  # of a chi-squared value, the rarer the wider
        return spread <= mean * (1 - mean / _BLOCK) * most

    def mean(self, now: float) -> float:
        """Return the mean rate of what was taken in the last minute, or since the first request."""
        since = max(now - _MINUTE, now if self._began_at is None else self._began_at - _INSTANT)
        return self.taken(since, now) / max(1.0, now - since)

    def rate(self, after: float, until: float) -> float:
        """Return how many requests a second were sent between two moments, waits left aside."""
        entries = self._between(after, until)
        if not entries:
            return 0.0
        first_at, _, waited_then = entries[-1]
        return len(entries) / max(_INSTANT, until - first_at - (self._waited - waited_then))

    def start_of(self, count: int, until: float) -> float:
        """Return the moment before which none of the last `count` requests sent until `until` was sent."""
        for entry in reversed(self._sent):
            count -= entry[0] <= until
            if count <= 0:
                return entry[0] - 1e-9
        return float("-inf")

    def _between(self, after: float, until: float) -> list[list[float]]:
        late = takewhile(lambda entry: entry[0] > after, reversed(self._sent))
        return [entry for entry in late if entry[0] <= until]
