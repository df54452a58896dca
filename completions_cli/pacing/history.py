"""What was sent lately and what of it was refused."""

from collections import deque
from itertools import takewhile

_LONGEST = 4096


class History:
    """Requests by when they were sent, in seconds; one that was not refused counts as taken."""

    def __init__(self) -> None:
        self._sent: deque[list[float]] = deque(maxlen=_LONGEST)  # when, and 1 while it counts as taken

    def sent(self, now: float) -> None:
        """Record a request that goes out."""
        self._sent.append([now, 1])

    def refused(self, sent_at: float) -> None:
        """Record that a request sent at that moment was refused."""
        for entry in reversed(self._sent):
            if entry[0] < sent_at:
                return
            if entry[0] == sent_at and entry[1]:
                entry[1] = 0
                return

    def taken(self, after: float, until: float) -> int:
        """Return how many requests sent after one moment and before another were taken."""
        return int(sum(entry[1] for entry in self._between(after, until)))

    def has_taken(self, count: int, after: float, until: float) -> bool:
        """Return whether so many requests sent after one moment and until another were taken; looks no further back."""
        for at, is_taken in reversed(self._sent):
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
