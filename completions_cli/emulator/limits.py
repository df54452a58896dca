"""Requests and tokens a minute: two token buckets, and the headers that tell of them."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from completions_cli.emulator.config import LimitHeader

_MINUTE = 60.0


class Bucket:
    """A budget per minute that refills steadily; it may be overdrawn, as the service's own may.

    Something is given out while anything is left: a request larger than the whole budget gets
    through, and those after it wait the longer.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float]) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._left = float(per_minute)
        self._read = clock()

    def left(self) -> float:
        """Return how much is left now; negative when overdrawn."""
        now = self._clock()
        self._left = min(self.per_minute, self._left + (now - self._read) * self.per_minute / _MINUTE)
        self._read = now
        return self._left

    def wait(self) -> float:
        """Return the seconds until a whole unit is there; 0 if it is there now."""
        return max(0.0, (1 - self.left()) * _MINUTE / self.per_minute)

    def take(self, amount: float) -> None:
        """Use some of it up (or, if negative, give some back)."""
        self._left = min(self.per_minute, self.left() - amount)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may go on: `wait` is 0, or the seconds until the next one may."""

    wait: float
    headers: dict[str, str]


class Limits:
    """The limits of one emulator. Without `rpm` and `tpm` everything passes and no header is sent."""

    def __init__(
        self,
        rpm: int | None,
        tpm: int | None,
        headers: Collection[LimitHeader],
        clock: Callable[[], float],
    ) -> None:
        self._requests = Bucket(rpm, clock) if rpm else None
        self._tokens = Bucket(tpm, clock) if tpm else None
        self._headers = headers

    def admit(self, estimate: int) -> Verdict:
        """Charge one request and its estimated tokens (prompt + max_tokens), or tell how long to wait."""
        buckets = [bucket for bucket in (self._requests, self._tokens) if bucket]
        if not buckets:
            return Verdict(0.0, {})
        wait = max(bucket.wait() for bucket in buckets)
        if not wait:
            if self._requests:
                self._requests.take(1)
            if self._tokens:
                self._tokens.take(estimate)
        return Verdict(wait, self._rates() | (self.retry_headers(wait) if wait else {}))

    def settle(self, estimate: int, actual: int) -> None:
        """Give back what the estimate was too high by, once the tokens are counted."""
        if self._tokens:
            self._tokens.take(actual - estimate)

    def _rates(self) -> dict[str, str]:
        if LimitHeader.RATELIMIT not in self._headers:
            return {}
        headers = {}
        for name, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket:
                headers[f"x-ratelimit-limit-{name}"] = str(bucket.per_minute)
                headers[f"x-ratelimit-remaining-{name}"] = str(math.floor(bucket.left()))
        return headers

    def retry_headers(self, wait: float) -> dict[str, str]:
        """Return the headers that ask for a wait, in whole seconds and in milliseconds, rounded up."""
        values = {
            LimitHeader.RETRY_AFTER: math.ceil(wait),
            LimitHeader.RETRY_AFTER_MS: math.ceil(wait * 1000),
            LimitHeader.X_MS_RETRY_AFTER_MS: math.ceil(wait * 1000),
        }
        return {str(name): str(value) for name, value in values.items() if name in self._headers}
