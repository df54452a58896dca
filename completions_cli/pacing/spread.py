"""What was held back by a wait goes out one after another, so that its answers do not come all at once either.

Where answers take equally long, what is sent at once is answered at once, and sent at once again. When the limit is
reached, the whole bunch is refused; of requests that follow one another, only as many as go out before the first
refusal arrives.
"""

_BEFORE_REFUSAL = 2  # requests sent in the time that a refusal takes to arrive
_OF_ANSWER = 0.5  # of the time that an answer takes, at most, for as many as were in flight
_OF_WAIT = 0.05  # of the wait that a refusal asks for, at most
_WEIGHT = 1 / 16  # of the newest answer in their mean latency


class Spread:
    """Spaces out what is sent after a wait. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._latency = 0.0  # mean, of answers
        self._gap = 0.0  # seconds between two requests
        self._left = 0  # requests that are still spaced out
        self._next_at = float("-inf")

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go out."""
        return max(0.0, self._next_at - now)

    def sent(self, now: float) -> None:
        """Record a request that goes out."""
        if self._left:
            self._left -= 1
            self._next_at = now + self._gap

    def answered(self, latency: float) -> None:
        """Record an answer that came after `latency` seconds."""
        self._latency += (latency - self._latency) * (_WEIGHT if self._latency else 1)

    def refused(self, delay: float, level: int, asked: float) -> None:
        """Space out as many requests as were in flight with one that was refused.

        The refusal came after `delay` seconds and asks for a wait of so many.
        """
        self._left = max(self._left, level)
        most = min(_OF_ANSWER * self._latency, _OF_WAIT * asked)
        self._gap = min(delay / _BEFORE_REFUSAL, most / self._left)
