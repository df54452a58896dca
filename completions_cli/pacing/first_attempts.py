"""Servers that refuse the first attempt of every row, whatever the pace, and take the next one."""

import math
from dataclasses import dataclass

_SURE = 16  # of each
_AGAIN = 4  # first attempts


@dataclass(slots=True)
class _Seen:
    """What speaks for such a server since something spoke against it. Moments are monotonic seconds."""

    firsts_refused: int = 0
    refused_at: float = math.inf  # when the first of those was sent
    repeats_taken: int = 0  # of those sent after that
    taken_at: float = math.inf  # when enough of them had been answered
    refused_again: int = 0  # first attempts sent after that


class FirstAttempts:
    """Tells by rows whether their first attempts are refused because they are the first.

    A limit does not know which requests were sent before: it takes some first attempts, or refuses some repeated ones.
    But a window that opens takes the repeated ones first, which waited for it, and then is full for the others. So the
    order counts: first attempts are refused, repeated ones that were sent later are taken, and first attempts sent
    after those answers are refused again. By then it is known if other first attempts were taken.

    Each time that the suspicion proves wrong it takes twice as much to arise again. Times are monotonic seconds.
    """

    def __init__(self) -> None:
        self.are_refused = False
        self._needed = _SURE
        self._seen = _Seen()

    def answered(self, now: float, sent_at: float, *, is_repeat: bool) -> None:
        """Record an answer."""
        seen = self._seen
        if not is_repeat:
            self._contradicted()
        elif sent_at > seen.refused_at:
            seen.repeats_taken += 1
            seen.taken_at = now if seen.repeats_taken == self._needed else seen.taken_at

    def refused(self, sent_at: float, *, is_repeat: bool) -> None:
        """Record a refusal."""
        seen = self._seen
        if is_repeat:
            self._contradicted()
            return
        seen.refused_at = min(seen.refused_at, sent_at)
        seen.firsts_refused += 1
        seen.refused_again += sent_at > seen.taken_at
        self.are_refused = self.are_refused or (seen.firsts_refused >= self._needed and seen.refused_again >= _AGAIN)

    def _contradicted(self) -> None:
        """Begin anew: a first attempt was taken, or a repeated one refused."""
        self._needed *= 2 if self.are_refused else 1
        self.are_refused, self._seen = False, _Seen()
