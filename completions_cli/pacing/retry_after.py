"""How long the wait that a refusal asks for holds everybody, and not only the request that was refused."""

_FULL_TRUST = 1.0
_TRUSTED = 4  # waits kept whole after one that proved right, until the next is tested
_FALLS = 0.125  # of the trust, with each wait that proved too long
_NO_TRUST = 1 / 64
_GRACE = 0.1  # seconds after which a request that was not refused was taken, at least


class RetryAfter:
    """Holds a run for as long as refusals ask, unless that proves to be of no use.

    Many servers round up to a whole second where the next request would be taken after 20 ms, or refuse for reasons
    that have nothing to do with the others. So after the first wait, which is kept whole, one request goes out early
    now and then: taken, it ends the wait and shortens those that follow; refused, the wait is kept to its end.
    """

    def __init__(self) -> None:
        self._paused_until = float("-inf")  # which no test shortens
        self._until = float("-inf")
        self._test_at = float("inf")
        self._tested_at: float | None = None
        self._trust = _FULL_TRUST
        self._episodes = 0
        self._kept = 0  # waits kept whole since the last test
        self._held = 0.0
        self._given_back = 0.0
        self._delay = 0.0  # what refusals take to arrive

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go out."""
        if now < self._paused_until:
            return self._paused_until - now
        if now >= self._until:
            return 0.0
        if self._tested_at is None:
            return max(0.0, min(self._test_at, self._until) - now)
        over = self._tested_at + max(_GRACE, 3 * self._delay)
        if now < over:
            return min(over, self._until) - now
        self._trust = self._trust * _FALLS if self._trust > _NO_TRUST else 0.0
        self._given_back += self._until - now
        self._until, self._tested_at = now, None
        return 0.0

    def sent(self, now: float) -> None:
        """Record a request that goes out."""
        if now < self._until and self._tested_at is None:
            self._tested_at = now

    def asked(self, now: float, sent_at: float, seconds: float) -> bool:
        """Record a refusal that asks for so many seconds; return whether it was one that tested a wait."""
        if seconds <= 0:
            return False
        self._delay = max(now - sent_at, self._delay * 0.9)
        is_over = now >= self._until
        is_test = not is_over and self._tested_at is not None and sent_at >= self._tested_at
        if is_test:
            self._trust = min(_FULL_TRUST, max(_NO_TRUST, self._trust) * 2)
            self._kept, self._tested_at, self._test_at = 0, None, float("inf")
        elif is_over:
            self._begin(now, seconds)
        elif self._test_at != float("inf"):
            self._test_at = max(self._test_at, now + seconds * self._share())
        self._held += max(0.0, now + seconds - max(now, self._until))
        self._until = max(self._until, now + seconds)
        return is_test

    def held(self) -> float:
        """Return for how many seconds more everybody waited since this was asked last."""
        held, self._held, self._given_back = self._held - self._given_back, 0.0, 0.0
        return held

    def pause(self, until: float) -> None:
        """Send nothing before `until`, come what may."""
        self._paused_until = max(self._paused_until, until)

    def left(self, now: float) -> float:
        """Return how long everybody is to wait, in seconds, tests left aside."""
        return max(0.0, max(self._until, self._paused_until) - now)

    def _begin(self, now: float, seconds: float) -> None:
        self._episodes += 1
        self._tested_at = None
        is_test = self._episodes > 1 and (self._trust < _FULL_TRUST or self._kept >= _TRUSTED or self._episodes == 2)  # noqa: PLR2004 - the second
        self._kept = 0 if is_test else self._kept + 1
        self._test_at = now + seconds * self._share() if is_test else float("inf")

    def _share(self) -> float:
        return min(0.5, self._trust)
