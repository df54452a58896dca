"""How long an exchange may stay silent, and how long it may take at all."""

import time
from collections.abc import Callable

from completions_cli.errors import RequestTimeoutError
from completions_cli.transport import reports


class Patience:
    """Bounds every wait of one call: `timeout` seconds of silence, `deadline` seconds in all.

    What counts as a sound is for the caller to say, by `heard()`: a byte trickling in is not
    enough in a stream, where comments keep the connection alive and nothing else. `spent` seconds of the deadline have
    passed already.
    """

    def __init__(
        self,
        timeout: float | None,
        deadline: float | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        spent: float = 0.0,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._deadline = deadline
        self._ends = None if deadline is None else clock() + deadline - spent
        self._heard = clock()
        self._lingers: float | None = None  # until then, where nothing more is needed
        self.server = "server"  # as messages name it; whoever sends says who it is

    @property
    def is_overdue(self) -> bool:
        """True when the deadline of the whole call has passed."""
        return self._ends is not None and self._clock() >= self._ends

    def heard(self) -> None:
        """Start the timeout again."""
        self._heard = self._clock()
        self._lingers = None

    def linger(self, seconds: float) -> None:
        """Bound all waits from now on: until `heard` is called, none goes on for longer than `seconds` in all."""
        if self._lingers is None:
            self._lingers = self._clock() + seconds

    def remaining(self, at_most: float | None = None) -> float | None:
        """Return the seconds the next wait may take, None for any. Raises RequestTimeoutError when none are left."""
        now = self._clock()
        limits = [
            limit
            for limit in (
                at_most,
                None if self._timeout is None else self._heard + self._timeout - now,
                None if self._ends is None else self._ends - now,
                None if self._lingers is None else self._lingers - now,
            )
            if limit is not None
        ]
        if not limits:
            return None
        if min(limits) <= 0:
            raise self.expired()
        return min(limits)

    def remaining_in_all(self) -> float | None:
        """Return the seconds until the deadline of the whole call, None when there is none."""
        return None if self._ends is None else self._ends - self._clock()

    def expired(self) -> RequestTimeoutError:
        """Make the error for a wait that ran out, naming the limit that ended it."""
        if self.is_overdue:
            return reports.overdue(self.server, self._deadline)
        return reports.silent(self.server, self._timeout)
