"""Servers that refuse the first attempt of every row, whatever the pace, and take the next one."""

_SURE = 16  # of each in a row


class FirstAttempts:
    """Tells by rows whether their first attempts are refused because they are the first.

    A limit does not know which requests were sent before: it takes some first attempts, or refuses some repeated ones.
    Each time that the suspicion proves wrong it takes twice as much to arise again.
    """

    def __init__(self) -> None:
        self.are_refused = False
        self._needed = _SURE
        self._firsts_refused = 0  # in a row
        self._repeats_taken = 0  # in a row

    def answered(self, *, is_repeat: bool) -> None:
        """Record an answer."""
        if is_repeat:
            self._repeats_taken += 1
        else:
            self._firsts_refused = 0
        self._look()

    def refused(self, *, is_repeat: bool) -> None:
        """Record a refusal."""
        if is_repeat:
            self._repeats_taken = 0
        else:
            self._firsts_refused += 1
        self._look()

    def _look(self) -> None:
        was_refused = self.are_refused
        self.are_refused = min(self._firsts_refused, self._repeats_taken) >= (1 if was_refused else self._needed)
        if was_refused and not self.are_refused:
            self._needed *= 2
