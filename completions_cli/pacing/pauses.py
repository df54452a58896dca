"""Pauses while everything is refused: each twice as long as the one before."""

_LONGEST = 10.0  # seconds


class Pauses:
    """Says when to send nothing. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._began_at = float("-inf")
        self._until = float("-inf")
        self._count = 0  # since something was taken

    def left(self, now: float) -> float:
        """Return the seconds until the pause is over."""
        return max(0.0, self._until - now)

    def taken(self) -> None:
        """Record that something was taken: the next pause is short."""
        self._count = 0

    def is_new(self, sent_at: float) -> bool:
        """Return whether a request sent at a moment knew of the last pause."""
        return sent_at > self._began_at

    def begin(self, now: float, rate: float) -> float:
        """Begin a pause and return its length: what a request takes at this rate, doubled with each pause."""
        seconds = min(_LONGEST, 2.0**self._count / rate)
        self._count += 1
        self._began_at, self._until = now, max(self._until, now + seconds)
        return float(seconds)
