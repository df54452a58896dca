"""A request rate found from refusals.

A server that refuses has nothing left at that moment. So what it took between two refusals is what it allows in
that time, however deep its bucket was at the start: the next rate is that measured one. It is kept a little below
for a while, then grows, slowly at first, so that a limit that rose is found too.

Some refusals have another cause than the rate. When a share is refused at a rate that was taken before, a lower one is
tried (`trial`): where that does not make for fewer refusals, twice in a row, their share is remembered as noise, the
rate goes back up, and only what goes beyond the noise counts. Refusals that come in bursts are no noise: others use
the same limit (`crowd`).
"""

from completions_cli.pacing import crowd, growth
from completions_cli.pacing.history import History
from completions_cli.pacing.pauses import Pauses
from completions_cli.pacing.trial import Trial, least_row, least_taken, most_explained, settled, share_explained

_SHORTEST_MEASURE = 0.1  # seconds between two refusals that say something about a rate
_LEAST_TAKEN = 5  # requests between two refusals that tell a rate
_RECENT = 2.0  # seconds
_RECENT_REQUESTS = 20
_NOISY_SAMPLE = 60
_UNDERRATED = 1.25  # times the mean since the last refusal was taken lately: the mean is of slower times
_ABOVE = 1.1  # of that mean: where nothing is saved up for bursts, the latest rate is the limit
_BEFORE_REFUSAL = 0.8  # of the rate at which the first refusal came
_IDLE = 0.2  # share of the time
_UNSURE_CUT = 0.25  # of the rate, where too little was taken to measure one
_SLOWEST = 0.1
_BURST_SECONDS = 0.02

_FEW = 3  # refusals that make a share
_TOLERATED = 0.02
_TOLERATED_LONG = 0.06
_LEARNS = 0.15
_NOISY = 0.05
_NO_NOISE = 0.002
_TRIED = 0.9  # of what was taken, to see whether that makes for fewer refusals
_TRIALS = 2  # in a row that do not make for fewer: the first may have been at a rate that was too high
_EVERY = 8  # requests between two looks at a trial
_WINDOW = 100  # requests after which noise is looked at again


class LearnedRate:
    """Paces requests by what the server was seen to take. Times are monotonic seconds, rates requests a second."""

    def __init__(self) -> None:
        self.history = History()
        self.noise = 0.0  # share refused whatever the rate
        self._measured: float | None = None
        self._is_starting = False  # and doubles quickly
        self._since = 0.0  # when the rate began to grow from there
        self._set_at = float("-inf")
        self._anchor = 0.0  # the refusal that the next measure counts from
        self._held = 0.0  # seconds since then in which nothing was sent
        self._idle = 0.0  # seconds since then in which something else held requests back
        self._exact: float | None = None  # the mean between the last two refusals, where more was tried
        self._last_refused = float("-inf")
        self._in_a_row = 0
        self._pauses = Pauses()
        self._looked_at = 0.0
        self._trial: Trial | None = None
        self._delay = 0.0  # what refusals take to arrive
        self._sent_since = 0
        self._level = self._at = 0.0
        self._crowd = crowd.Crowd()

    @property
    def is_active(self) -> bool:
        """True once there is a rate."""
        return self._measured is not None

    @property
    def is_trying(self) -> bool:
        """True while a lower rate is tried."""
        return self._trial is not None and self._in_a_row < self._row

    @property
    def is_noisy(self) -> bool:
        """True while many refusals have another cause than the rate."""
        return self.noise >= _NOISY

    def begin(self, now: float, rate: float) -> None:
        """Pace from now on, at about this rate."""
        self._is_starting = True
        self._anchor, self._idle, self._held = now, 0.0, 0.0
        self._set(now, max(rate, _SLOWEST))

    def recall(self, now: float, rate: float) -> None:
        """Go on at a rate that was measured before."""
        self.begin(now, rate)
        self._is_starting = False

    def rate(self, now: float) -> float | None:
        """Return the rate, or None before the first measurement."""
        measured = self._measured
        if measured is None:
            return None
        if self._trial is not None:
            return measured
        elapsed = max(0.0, now - self._since)
        if self._is_starting:
            return growth.doubling(measured, elapsed)
        if self._crowd.is_here(now):
            return crowd.grown(measured, elapsed)
        return growth.after_measuring(measured, elapsed)

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go out."""
        if pause := self._pauses.left(now):
            return pause
        rate = self.rate(now)
        if rate is None:
            return 0.0
        self._fill(now, rate)
        return 0.0 if self._level >= 1 else (1 - self._level) / rate

    def held(self, seconds: float, wasted: float = 0.0) -> None:
        """Record that everybody waited for so many seconds, whatever the rate, and for others that were of no use."""
        self._held += seconds
        self._anchor += wasted
        self.history.wait(seconds, wasted)

    def take(self, now: float) -> None:
        """Count a request that goes out."""
        self.history.sent(now)
        self._sent_since += 1
        if self._measured is None:
            return
        if self._trial is not None and not self._sent_since % _EVERY and self.is_trying:
            self._end_trial(now, self._trial)
        if self._sent_since >= _WINDOW:
            self._look_at_noise(now)
        rate = self.rate(now)
        if rate is not None:
            self._fill(now, rate)
            self._level -= 1

    def refused(self, now: float, sent_at: float) -> None:
        """Record a refusal of a request sent at `sent_at`, which `history` knows of."""
        if self._measured is None or sent_at <= self._set_at:
            return
        self._delay = max(now - sent_at, self._delay * 0.9)
        between = self.history.taken(self._last_refused, sent_at)
        self._in_a_row = 1 if between else self._in_a_row + 1
        if between:
            self._pauses.taken()
        self._last_refused = sent_at
        if self._crowd.is_here(now) and self._trial is None and not self._is_starting:
            if self._in_a_row < self._row:
                self._share(now)
        elif self._trial is not None and self.is_trying:
            self._end_trial(now, self._trial)
        elif self.history.has_taken(_LEAST_TAKEN, self._anchor, sent_at) or self._in_a_row >= self._row:
            self._react(now, sent_at)
        if self._in_a_row >= self._row and self._pauses.is_new(sent_at):
            self._pause(now)

    @property
    def _row(self) -> float:
        """How many refusals in a row are no chance, going by what was refused before them."""
        start = self.history.start_of(_RECENT_REQUESTS, self._last_refused)
        sent, refused = self.history.counts(start, self._last_refused)
        before = (refused - self._in_a_row) / max(1, sent - self._in_a_row)
        return least_row(max(self.noise, before))

    def _react(self, now: float, sent_at: float) -> None:
        sample = _NOISY_SAMPLE if self.is_noisy else _RECENT_REQUESTS
        start = max(self._set_at, self.history.start_of(sample, sent_at))
        sent, refused = self.history.counts(start, sent_at)
        if not self._is_safe(now):
            if refused > most_explained(self.noise, sent):
                if self.noise and self._in_a_row < self._row:
                    self._try_lower(now, start, self.rate(now) or 0.0)
                else:
                    self.noise = 0.0
                    self._measure(now, sent_at)
        elif refused >= _FEW and refused / sent > max(_TOLERATED, share_explained(self.noise)):
            if self._in_a_row >= self._row:
                least = (1 - refused / sent) * (self._measured or 0.0)
                self._measure(now, sent_at)
                self._measured = max(self._measured or 0.0, least)
            elif self.history.share(self._set_at, _NOISY_SAMPLE, sent_at) > _TOLERATED_LONG:
                self._try_lower(now, start, self._measured or 0.0)

    def _look_at_noise(self, now: float) -> None:
        """Learn which share is refused whatever the rate: the one that a lower rate does not cure."""
        since = max(self._set_at, self._looked_at)
        sent, refused = self.history.counts(since, now)
        self._looked_at, self._sent_since = now, 0
        if self._trial is not None or not sent:
            return
        if self.noise and not self._may_be_chance(now):
            self.noise = 0.0
            self._give_way(now, self.history.rate(since, now) * (1 - refused / sent), self.rate(now) or 0.0)
        share = refused / sent
        if share < self.noise:
            self.noise += _LEARNS * (share - self.noise)
            self.noise = 0.0 if self.noise < _NO_NOISE else self.noise
        elif refused > 1 and share > 2 * self.noise + _NO_NOISE and self._is_safe(now):
            self._try_lower(now, since, self._measured or 0.0)

    def _try_lower(self, now: float, since: float, before: float, again: Trial | None = None) -> None:
        """Go below the rate of what was taken since a moment, to see whether a smaller share is refused then."""
        sent, refused = self.history.counts(since, now)
        rate = min(self.rate(now) or 0.0, self.history.rate(since, now))
        taken = rate * (sent - refused) / sent
        if not self._may_be_chance(now):
            self._give_way(now, crowd.cut(taken), before)
            return
        self._trial = again._replace(taken=taken) if again else Trial(refused / sent, taken, before)
        share = least_taken(sent, refused) if again else (sent - refused + 1) / (sent + 1)
        self._set(now, max(_SLOWEST, _TRIED * rate * share))

    def _end_trial(self, now: float, trial: Trial) -> None:
        """Act on a trial once it is clear what the lower rate does to the refused share."""
        sent, refused = self.history.counts(self._set_at, settled(now, self._delay))
        verdict = trial.verdict(sent, refused)
        if verdict == "cured":
            self._trial = None
            self.noise = min(self.noise, refused / sent)
            self._set(now, max(trial.taken, self._measured or 0.0))
        elif verdict == "other":  # so it does depend on the rate, or the limit has changed
            self._try_lower(now, self._set_at, trial.before)
        elif verdict == "same" and trial.number < _TRIALS:
            self._try_lower(now, self._set_at, trial.before, trial._replace(number=trial.number + 1))
        elif verdict == "same" and not self._may_be_chance(now):
            self._give_way(now, (self._measured or 0.0) * (1 - refused / sent), trial.before)
        elif verdict == "same":
            self._trial = None
            self.noise = max(trial.share, refused / sent)
            self._is_starting = True
            self._set(now, trial.before)

    def _may_be_chance(self, now: float) -> bool:
        return self._crowd.may_be_chance(self.history, settled(now, self._delay))

    def _give_way(self, now: float, rate: float, before: float) -> None:
        """Go on at a rate that was taken, and share the limit with others for a while."""
        self._trial, self._is_starting = None, False
        self._crowd.noticed(now, before)
        self._set(now, max(_SLOWEST, rate, _UNSURE_CUT * (self.rate(now) or 0.0)))

    def _share(self, now: float) -> None:
        """Give way to others a little, unless that proved to be of no use."""
        if self._crowd.was_mistaken(self.history, settled(now, self._delay)):
            self._try_lower(now, self._crowd.since, self._crowd.before)
        else:
            self._set(now, max(_SLOWEST, crowd.cut(self.rate(now) or 0.0)))

    def _is_safe(self, now: float) -> bool:
        """Return whether the rate is within what was measured."""
        return not self._is_starting and (self.rate(now) or 0.0) <= (self._measured or 0.0)

    def _measure(self, now: float, sent_at: float) -> None:
        self._trial = None
        elapsed = max(0.0, sent_at - self._anchor)
        taken = self.history.taken(self._anchor, sent_at)
        measured = taken / max(_SHORTEST_MEASURE, elapsed)
        span = min(max(_RECENT, _RECENT_REQUESTS / max(measured, 1.0)), elapsed)
        lately = self.history.taken(sent_at - span, sent_at) / max(_SHORTEST_MEASURE, span)
        current = self.rate(now) or 0.0
        exact, self._exact = self._exact, None
        if taken < _LEAST_TAKEN:
            measured = exact or max(measured, _UNSURE_CUT * current, self.history.mean(now) / 2)
        else:
            if self._held > _IDLE * elapsed:
                # What is given out again by the window may come in the same bursts as it was taken.
                measured = max(measured, self.history.mean(now) / 2)
            else:
                self._exact = measured
                measured = lately if lately > measured * _UNDERRATED else max(measured, min(lately, measured * _ABOVE))
                if self._is_starting or self._idle > _IDLE * elapsed:
                    measured = max(measured, _BEFORE_REFUSAL * current)
            self._anchor, self._idle, self._held = sent_at, 0.0, 0.0
        self._is_starting = not exact and not self._exact
        self._set(now, max(_SLOWEST, measured))

    def _pause(self, now: float) -> None:
        pause = self._pauses.begin(now, self.rate(now) or _SLOWEST)
        self._held += pause
        self.history.wait(pause)
        self._since += pause
        self._level, self._at = 0.0, now + pause

    def _set(self, now: float, rate: float) -> None:
        self._measured = rate
        self._since = self._set_at = self._at = now
        self._level = min(self._level, 0.0)

    def _fill(self, now: float, rate: float) -> None:
        elapsed, most = max(0.0, now - self._at), max(1.0, rate * _BURST_SECONDS)
        level = self._level + elapsed * rate
        if level > most:  # something else than the rate holds requests back: it is not tried, so it does not grow
            idle = min(elapsed, (level - most) / rate)
            self._since += idle
            self._idle += idle
            level = most
        self._level = level
        self._at = max(now, self._at)
