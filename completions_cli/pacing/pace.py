"""All that holds requests back, as one: may the next one go out now, and if not, when to ask again."""

from collections.abc import Callable
from typing import NamedTuple

from completions_cli.pacing.bucket import Bucket
from completions_cli.pacing.cap import Cap
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.first_attempts import FirstAttempts
from completions_cli.pacing.learned import LearnedRate
from completions_cli.pacing.mirror import TOKEN_RESERVE, Mirror
from completions_cli.pacing.retry_after import RetryAfter
from completions_cli.pacing.spread import Spread

FULL = float("inf")
_REQUESTS_LEFT, _REQUESTS_LIMIT = "x-ratelimit-remaining-requests", "x-ratelimit-limit-requests"
_TOKENS_LEFT, _TOKENS_LIMIT = "x-ratelimit-remaining-tokens", "x-ratelimit-limit-tokens"
RATE_HEADERS = (_REQUESTS_LEFT, _REQUESTS_LIMIT, _TOKENS_LEFT, _TOKENS_LIMIT)
_AT_LEAST = 1.0  # requests a second to begin with
_INSTANT = 0.05  # seconds; what was taken in less tells no rate
_STEP = 0.5  # requests in flight, with each answer after an outage

HeaderOf = Callable[[str], str | None]


class Ticket(NamedTuple):
    """A request that was let go: when, for how many tokens, and after how much of all that was ever charged.

    `number` is its name where tickets are handed out elsewhere, `in_flight` how many were under way with it, and
    `left_at` when it was handed out, which may be before it was used. `member` is which of several services it is for.
    `is_repeat` is true for a row that was sent before.
    """

    sent_at: float
    tokens: float
    requests_charged: float = 0.0
    tokens_charged: float = 0.0
    number: int = 0
    in_flight: int = 1
    left_at: float = 0.0
    member: int = 0
    is_repeat: bool = False


class Memory(NamedTuple):
    """What a pace has found out: seconds it is paused for, and the requests a second that 429s taught it."""

    paused: float = 0.0
    rate: float | None = None


class Pace:
    """Decides when requests go out. Every time is a value of one monotonic clock, in seconds."""

    def __init__(self, concurrency: Concurrency, rpm: float | None, tpm: float | None, now: float) -> None:
        self.concurrency = concurrency
        self.in_flight = 0
        self.counts_tokens = tpm is not None
        self._requests = Bucket(rpm, now, start=1.0) if rpm else None
        self._tokens = Bucket(tpm, now) if tpm else None
        self._seen_requests = Mirror()
        self._seen_tokens = Mirror(TOKEN_RESERVE)
        self._cap = Cap()
        self._learned = LearnedRate()
        self._refusing_since = now
        self._retry_after = RetryAfter()
        self._spread = Spread()
        self._first_attempts = FirstAttempts()
        self._narrowed = FULL
        self._is_recovering = False  # an outage is over, and `_narrowed` grows with each answer

    def wait(self, now: float, tokens: float, most: float) -> float:
        """Return the seconds until a request may go out; FULL while too many are in flight.

        It will use about `tokens` and `most` of them at worst, which is what servers reckon with.
        """
        if self.in_flight >= self.concurrency.limit or self.in_flight >= self._narrowed:
            return FULL
        wait = self._retry_after.wait(now)
        if not self._learned.is_active:
            wait = max(wait, self._spread.wait(now))
            if self.in_flight >= self._cap.limit and not self._cap.may_send(now, self.in_flight):
                return max(wait, self._cap.wait(now))
        else:
            wait = max(wait, self._learned.wait(now))
        if self._requests is not None:
            wait = max(wait, self._requests.wait(now, 1))
        if self._tokens is not None:
            wait = max(wait, self._tokens.wait(now, tokens))
        if self._seen_requests.is_known:
            wait = max(wait, self._seen_requests.wait(now, 1))
        if self._seen_tokens.is_known:
            wait = max(wait, self._seen_tokens.wait(now, most))
        return wait

    def leave(self, now: float, tokens: float, most: float) -> Ticket:
        """Count a request that goes out now. Give its ticket to one of the methods below when it is over."""
        self.in_flight += 1
        if self._retry_after.is_uncounted:
            self._count_waits(now)
        self._retry_after.sent(now)
        self._spread.sent(now)
        self._cap.sent(now, self.in_flight)
        self._learned.take(now)
        if self._requests is not None:
            self._requests.take(now, 1)
        if self._tokens is not None:
            self._tokens.take(now, tokens)
        self._seen_requests.take(now, 1)
        if most:
            self._seen_tokens.take(now, most)
        requests, all_tokens = self._seen_requests.charged, self._seen_tokens.charged
        return Ticket(now, tokens, requests, all_tokens, 0, self.in_flight, now)

    def answered(self, now: float, ticket: Ticket, used: float | None) -> None:
        """Record an answer; `used` is how many tokens the service counted, where it said so."""
        self.concurrency.answered(now - ticket.sent_at, self.in_flight)
        self.in_flight -= 1
        self._spread.answered(now - ticket.sent_at)
        self._retry_after.taken(now, ticket.left_at or ticket.sent_at)
        if self._is_recovering:
            self._recover()
        self._cap.answered()
        self._first_attempts.answered(now, ticket.left_at or ticket.sent_at, is_repeat=ticket.is_repeat)
        if self._tokens is not None and used is not None:
            self._tokens.take(now, used - ticket.tokens)

    def refused(self, now: float, ticket: Ticket, retry_after: float | None) -> None:
        """Record a 429 that asks to wait `retry_after` seconds: refund its tokens, and find out what it is about."""
        self._give_back(now, ticket)
        if self._is_of_first_attempts(ticket):
            return
        learned, sent_at = self._learned, ticket.left_at or ticket.sent_at
        learned.history.refused(sent_at)
        if retry_after is not None and not learned.is_noisy and not learned.is_trying:
            self._count_waits(now)
            is_test = self._retry_after.asked(now, sent_at, retry_after)
            if is_test:
                learned.history.forget(sent_at)
                return
            self._spread.refused(now - sent_at, ticket.in_flight, retry_after)
        if learned.is_active:
            learned.refused(now, sent_at)
        else:
            self._lower_cap(now, sent_at, ticket.in_flight)

    def _is_of_first_attempts(self, ticket: Ticket) -> bool:
        """Return whether a refusal has nothing to do with the pace; forget what such refusals taught."""
        self._first_attempts.refused(ticket.left_at or ticket.sent_at, is_repeat=ticket.is_repeat)
        if self._first_attempts.are_refused:
            self._cap.forget()
            self._learned = LearnedRate()
            self._retry_after.end()
        return self._first_attempts.are_refused

    def _count_waits(self, now: float) -> None:
        """Leave waits out of the times in which something is measured, if they were of no use."""
        held, wasted = self._retry_after.held(now)
        self._learned.held(held - wasted, wasted)
        self._refusing_since = min(now, self._refusing_since + wasted)

    def _lower_cap(self, now: float, sent_at: float, level: int) -> None:
        """Treat refusals as those of a cap on requests in flight until that is in doubt; then find a rate."""
        if not self._cap.is_descending:
            self._refusing_since = sent_at
        self._cap.refused(now, sent_at, level, self.in_flight)
        if self._cap.is_doubtful:
            history = self._learned.history
            lately = history.taken(self._refusing_since, sent_at) / max(_INSTANT, sent_at - self._refusing_since)
            self._cap.forget()
            self._learned.begin(now, max(lately, history.mean(now), _AT_LEAST))

    def failed(self, now: float, ticket: Ticket, *, overloaded: bool, retry_after: float | None = None) -> None:
        """Record any other failure; `overloaded` when it says that the server has too much to do."""
        if overloaded:
            self.refused(now, ticket, retry_after)
            return
        self._give_back(now, ticket)
        if retry_after is not None:
            self._retry_after.asked(now, ticket.left_at or ticket.sent_at, retry_after)

    def pause(self, until: float) -> None:
        """Send nothing before `until`."""
        self._retry_after.pause(until)

    def narrow(self, most: int | None) -> None:
        """Limit the requests in flight to `most`, whatever else holds; None ends it, step by step."""
        if most is not None:
            self._narrowed, self._is_recovering = most, False
        elif self._narrowed != FULL and not self._is_recovering:
            # An outage ends: it said nothing of limits, and what waits must not come all at once.
            self.concurrency.restart()
            self._cap.forget()
            self._is_recovering = True

    def _recover(self) -> None:
        """Allow half a request more with each answer, so half as many more in the time that an answer takes."""
        self._narrowed += _STEP
        if self._narrowed >= self.concurrency.limit:
            self._narrowed, self._is_recovering = FULL, False

    def memory(self, now: float) -> Memory:
        """Return what another pace should know to take over."""
        return Memory(self._retry_after.left(now), self._learned.rate(now))

    def recall(self, now: float, memory: Memory) -> None:
        """Continue at what another pace found out, with nothing saved up."""
        self.pause(now + memory.paused)
        known = self._learned.rate(now)
        if memory.rate is not None and (known is None or memory.rate < known):
            self._learned.recall(now, memory.rate)
        for bucket in (self._requests, self._tokens):
            if bucket is not None:
                bucket.empty(now)

    def read(self, now: float, ticket: Ticket, header: HeaderOf) -> None:
        """Record the rate headers of an answer, whatever its status."""
        remaining = header(_REQUESTS_LEFT)
        if remaining is not None:
            _read(self._seen_requests, now, header(_REQUESTS_LIMIT), remaining, ticket.requests_charged)
        remaining = header(_TOKENS_LEFT)
        if remaining is not None:
            self.counts_tokens = True
            _read(self._seen_tokens, now, header(_TOKENS_LIMIT), remaining, ticket.tokens_charged)

    def _give_back(self, now: float, ticket: Ticket) -> None:
        self.in_flight -= 1
        if self._tokens is not None:
            self._tokens.take(now, -ticket.tokens)


def _read(mirror: Mirror, now: float, limit: str | None, remaining: str, charged: float) -> None:
    known, left = _number(limit), _number(remaining)
    if known is not None and left is not None:
        mirror.read(now, known, left, charged)


def _number(text: str | None) -> float | None:
    # What is left of tokens may be negative.
    return float(text) if text is not None and text.isascii() and text.removeprefix("-").isdigit() else None
