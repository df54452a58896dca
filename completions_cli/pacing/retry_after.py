"""How long the wait that a refusal asks for holds everybody, and not only the request that was refused."""

import math
from collections import deque

_FULL_TRUST = 1.0
_TRUSTED = 4  # waits kept whole after one that proved right, until the next is tested
_FALLS = 0.125  # of the trust, with each wait that proved to be of no use
_NO_TRUST = 1 / 64
_MOST_IN_A_ROW = 32  # refusals that are needed for a wait
_UNLIKELY = 0.001  # that so many are refused in a row by chance
_WEIGHT = 1 / 32  # of the newest request in the share that is refused by chance
_GRACE = 0.1  # seconds after which a request that was not refused was taken, at least
_MEMORY = 4096  # requests sent


class RetryAfter:
    """Holds a run for as long as refusals ask, as long as what was sent since is refused, too.

    Many servers round up to a whole second where the next request would be taken after 20 ms, or refuse for reasons
    that have nothing to do with the others. So a wait ends for all but the refused request as soon as one is taken that
    was sent after it. After the first wait, which is otherwise kept whole, one request goes out early now and then to
    find that out. Each wait that proved to be of no use shortens the next ones, and makes for one more refusal
    in a row that it takes to begin one.
    """

    def __init__(self) -> None:
        self._paused_until = float("-inf")  # which no test shortens
        self._until = float("-inf")
        self._test_at = float("inf")
        self._trust = _FULL_TRUST
        self._episodes = 0
        self._kept = 0  # waits kept whole since the last test
        self._began_at = float("-inf")
        self._counted_until = float("-inf")
        self._held = 0.0  # seconds that everybody waited
        self._wasted = 0.0  # and those of them that were of no use
        self._delay = 0.0  # what refusals take to arrive
        self._taken_at = float("-inf")  # when the last request was sent that is known to have been taken
        self._refused_at = float("-inf")  # when the last one was sent that was refused
        self._in_a_row = 0  # refused without one between them that was not
        self._chance = 0.0  # share refused in rows that were too short for a wait
        self._sent: deque[float] = deque(maxlen=_MEMORY)  # after the last of these

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go out."""
        if now < self._paused_until:
            return self._paused_until - now
        if now >= self._until:
            return 0.0
        if not self._sent:
            return max(0.0, min(self._test_at, self._until) - now)
        over = self._sent[0] + self._grace
        if now < over:
            return min(over, self._until) - now
        self.taken(now, self._sent[0])
        return 0.0

    def sent(self, now: float) -> None:
        """Record a request that goes out."""
        self._sent.append(now)

    def taken(self, now: float, sent_at: float) -> None:
        """Record that a request was not refused: so it is no use to wait for what was refused before."""
        self._taken_at = max(self._taken_at, sent_at)
        if now < self._until and sent_at > self._refused_at:
            self._trust = self._trust * _FALLS if self._trust > _NO_TRUST else 0.0
            self._wasted += now - self._began_at
            self._count_time(now)
            self._until = now

    def asked(self, now: float, sent_at: float, seconds: float) -> bool:
        """Record a refusal that asks for so many seconds; return whether it was one that tested a wait."""
        if seconds <= 0:
            return False
        self._delay = max(now - sent_at, self._delay * 0.9)
        is_over = now >= self._until
        is_test = not is_over and bool(self._sent) and sent_at == self._sent[0] >= self._test_at
        self._count(now, sent_at)
        if is_test:
            self._trust = min(_FULL_TRUST, max(_NO_TRUST, self._trust) * 2)
            self._kept = 0
            self._test_at = now + seconds * self._trust if self._trust < _FULL_TRUST else float("inf")
        elif is_over:
            if self._in_a_row < self._row:
                return False
            self._begin(now, seconds)
        elif self._test_at != float("inf"):
            self._test_at = max(self._test_at, now + seconds * self._share())
        self._until = max(self._until, now + seconds)
        return is_test

    @property
    def is_uncounted(self) -> bool:
        """True while everybody waited for longer than `held` has told."""
        return self._counted_until < self._until or self._held > 0

    def held(self, now: float) -> tuple[float, float]:
        """Return for how many seconds everybody waited since this was asked last, and how many were of no use."""
        self._count_time(min(now, self._until))
        held, wasted = self._held, self._wasted
        self._held = self._wasted = 0.0
        return held, wasted

    def pause(self, until: float) -> None:
        """Send nothing before `until`, come what may."""
        self._paused_until = max(self._paused_until, until)

    def end(self) -> None:
        """Hold nobody for what was refused so far, unless it is for a pause."""
        self._until, self._test_at = float("-inf"), float("inf")
        self._in_a_row = 0

    def left(self, now: float) -> float:
        """Return how long everybody is to wait, in seconds, tests left aside."""
        return max(0.0, max(self._until, self._paused_until) - now)

    @property
    def _grace(self) -> float:
        return max(_GRACE, 3 * self._delay)

    @property
    def _row(self) -> int:
        """How many refusals in a row it takes to begin a wait."""
        if not self._episodes:
            return 1
        unlikely = math.log(_UNLIKELY) / math.log(self._chance) if self._chance else 0.0
        return min(_MOST_IN_A_ROW, max(2 if self._trust >= _NO_TRUST else 4, math.ceil(unlikely)))

    def _count(self, now: float, sent_at: float) -> None:
        """Count a refusal: in the row of those before it, if none between them was taken."""
        taken = 0
        while self._sent and self._sent[0] <= sent_at:
            taken += self._sent.popleft() < sent_at
        if self._sent and self._sent[0] + self._grace <= now:
            self._taken_at = max(self._taken_at, self._sent[0])
        if self._taken_at > sent_at:
            return
        if taken:
            self._end_row(taken)
        self._in_a_row += 1
        self._refused_at = max(self._refused_at, sent_at)

    def _end_row(self, taken: int) -> None:
        refused = self._in_a_row if self._in_a_row < self._row else 0
        self._chance += (1 - (1 - _WEIGHT) ** (taken + refused)) * (refused / (taken + refused) - self._chance)
        self._in_a_row = 0

    def _count_time(self, until: float) -> None:
        self._held += max(0.0, until - self._counted_until)
        self._counted_until = max(self._counted_until, until)

    def _begin(self, now: float, seconds: float) -> None:
        self._episodes += 1
        self._in_a_row = 0
        self._began_at = self._counted_until = now
        is_test = self._episodes > 1 and (self._trust < _FULL_TRUST or self._kept >= _TRUSTED or self._episodes == 2)  # noqa: PLR2004 - the second
        self._kept = 0 if is_test else self._kept + 1
        self._test_at = now + seconds * self._share() if is_test else float("inf")

    def _share(self) -> float:
        return min(0.5, self._trust)
