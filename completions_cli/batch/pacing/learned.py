"""A request rate found from bare 429s.

A server that refuses has nothing left at that moment. So what it took between two refusals is what
it allows in that time, however deep its bucket was at the start: the next rate is that measured one. It is
kept a little below for some seconds, then let grow, slowly at first, so that a limit that rose is found too.

Now and then a refusal has another cause than the rate. One in a hundred is therefore not reacted to, and
where going slower again and again changes nothing, the rate goes back to where it was, and up from there.
"""

_SHORTEST_MEASURE = 1.0  # seconds between two refusals that say something about a rate
_LONGEST_PAUSE = 10.0
_BELOW = 0.97
_PLATEAU = 5.0  # seconds until the rate is back at what was measured
_GROWTH = 8.4  # seconds after that until it is doubled
_RARE = 4.0  # requests a second; where there are fewer, all takes longer, up to so many times:
_LONGEST_SCALE = 4.0
_MEMORY = 10.0  # seconds over which the refused share is looked at
_TOLERATED = 0.01  # refused share that is not reacted to
_NEARLY_ALL = 0.95  # refused share from which on nothing gets through
_SURE = 2.5  # refusals lately from which on shares tell something
_LOST = 0.25  # refused share that shows that the limit fell
_VAIN = 0.7  # of the rate before; cut to this without getting rid of refusals, it was cut in vain
_NOISE_GAIN = 1.25  # a step up, as long as that does not make for many more refusals
_BURST_SECONDS = 2.0
_SLOWEST = 1 / 60


class LearnedRate:
    """Paces requests once a server has refused one; before that it lets all through."""

    def __init__(self) -> None:
        self._measured: float | None = None  # requests a second
        self._since = 0.0  # when the rate began to grow from there
        self.is_active = False  # whether a refusal was seen
        self._anchor: float | None = None  # the refusal that the next measure counts from
        self._taken = 0  # sent since then, less what was refused of that
        self._minute = _LastMinute()
        self._recent = _Recent()
        self._reacted_at = float("-inf")
        self._paused_until = float("-inf")
        self._fruitless = 0  # reactions in a row with nothing taken between
        self._before_cuts: float | None = None
        self._noise: float | None = None  # refused share that going slower did not cure
        self._level = 0.0
        self._at = 0.0

    def rate(self, now: float) -> float | None:
        """Return the rate in requests a second, None while there is none."""
        if self._measured is None:
            return None
        elapsed = max(0.0, now - self._since) / self._scale
        if elapsed < _PLATEAU:
            return self._measured * (_BELOW + (1 - _BELOW) * elapsed / _PLATEAU)
        growth = 1 + ((elapsed - _PLATEAU) / _GROWTH) ** 3
        return self._measured * growth

    def recall(self, now: float, rate: float) -> None:
        """Go on at a rate that was measured before, in requests a second."""
        self._measured = rate
        self._begin(now)
        self._react(now, 0.0)

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go out."""
        if now < self._paused_until:
            return self._paused_until - now
        rate = self.rate(now)
        if rate is None:
            return 0.0
        self._fill(now, rate)
        return 0.0 if self._level >= 1 else (1 - self._level) / rate

    def take(self, now: float) -> None:
        """Count a request that goes out."""
        self._minute.add(now, 1)
        if self._anchor is None:
            return
        self._taken += 1
        self._recent.add(now, sent=1.0)
        rate = self.rate(now)
        if rate is not None:
            self._fill(now, rate)
            self._level -= 1

    def refused(self, now: float, sent_at: float, asked: float | None = None) -> None:
        """Record a 429 to a request sent at `sent_at`; `asked` is the wait it asked for, in seconds."""
        self._minute.add(sent_at, -1)
        if self._anchor is None:
            self._begin(now)
            self._react(now, _SHORTEST_MEASURE if asked is None else asked)
            return
        if sent_at > self._anchor:
            self._taken -= 1
        if sent_at <= self._reacted_at:
            return  # sent before the last refusal was known: it tells nothing new
        self._recent.add(now, refused=1.0)
        if now - self._reacted_at < _SHORTEST_MEASURE and not self._fruitless:
            return
        share = self._recent.share
        is_sure = self._recent.refused >= _SURE or self._fruitless > 0
        if is_sure and share >= _NEARLY_ALL:
            self._fruitless += 1
            self._react(now, min(_LONGEST_PAUSE, _SHORTEST_MEASURE * 2.0**self._fruitless) if asked is None else asked)
        elif (is_sure and share > _LOST) or (share >= _TOLERATED and self._may_react(now)):
            self._fruitless = 0
            if self._noise is None or self._measured is None or share > max(_LOST, 2 * self._noise):
                self._cut(now, share)
            else:
                self._measured *= _NOISE_GAIN
                self._begin(now)
                self._react(now, 0.0)

    @property
    def is_at_a_loss(self) -> bool:
        """True while many are refused and there is no rate yet."""
        return self._measured is None and self._recent.refused >= _SURE and self._recent.share > _LOST

    @property
    def _scale(self) -> float:
        """How much slower everything goes where requests are rare."""
        return min(_LONGEST_SCALE, max(1.0, _RARE / (self._measured or _RARE)))

    def _may_react(self, now: float) -> bool:
        return now - self._since >= _PLATEAU * self._scale

    def _cut(self, now: float, share: float) -> None:
        elapsed = max(_SHORTEST_MEASURE, now - (self._anchor or 0.0))
        # What went through within a minute may have been saved up for it, but not more than once as much.
        taken = max(_SLOWEST, self._taken / elapsed, self._minute.total(now) / 120)
        self._noise = None
        if share > _LOST or self._before_cuts is None or taken > self._before_cuts:
            self._before_cuts = taken
        elif taken < _VAIN * self._before_cuts:
            taken, self._noise = self._before_cuts, share
        self._measured = taken
        self._begin(now)
        self._react(now, 0.0)

    def _begin(self, now: float) -> None:
        self.is_active = True
        self._anchor = now
        self._taken = 0

    def _react(self, now: float, pause: float) -> None:
        self._reacted_at = now
        self._recent = _Recent()
        self._since = now + pause
        self._paused_until = max(self._paused_until, now + pause)
        self._at = now
        self._level = min(self._level, 0.0)

    def _fill(self, now: float, rate: float) -> None:
        self._level = min(max(1.0, rate * _BURST_SECONDS), self._level + (now - self._at) * rate)
        self._at = now


class _LastMinute:
    """What the server took within the last 60 seconds."""

    def __init__(self) -> None:
        self._counts = [0] * 60
        self._seconds = [-1] * 60  # which second each of them is of

    def add(self, moment: float, count: int) -> None:
        """Count for the second of `moment`."""
        second = int(moment)
        slot = second % 60
        if self._seconds[slot] != second:
            if count < 0:
                return  # longer ago than is remembered
            self._seconds[slot], self._counts[slot] = second, 0
        self._counts[slot] += count

    def total(self, now: float) -> int:
        """Add up."""
        first = int(now) - 60
        return sum(count for second, count in zip(self._seconds, self._counts, strict=True) if second > first)


class _Recent:
    """What was sent and refused lately; older counts fade."""

    def __init__(self) -> None:
        self.sent = 0.0
        self.refused = 0.0
        self._at = float("-inf")

    def add(self, now: float, *, sent: float = 0.0, refused: float = 0.0) -> None:
        """Count."""
        kept = max(0.0, 1 - (now - self._at) / _MEMORY)
        self.sent = self.sent * kept + sent
        self.refused = self.refused * kept + refused
        self._at = now

    @property
    def share(self) -> float:
        """The refused share."""
        return self.refused / max(1.0, self.sent)
