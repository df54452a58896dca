"""What one emulator lets through (a minute, at a time, by chance), and the headers that tell of it."""

import math
import random
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from completions_cli.emulator.budgets import REQUESTS, TOKENS, Bucket, Budget, Clock
from completions_cli.emulator.config import LimitHeader, LimitKind

_UNTIL_ROOM = 1.0  # seconds that a refusal asks for where nobody can know better
_REMEMBERED = 100_000  # requests that were sent before


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may go on: `wait` is 0, or the seconds until the next one may."""

    wait: float
    headers: dict[str, str]


class Limits:
    """The limits of one emulator. Without any everything passes and no header is sent.

    What is admitted is to be given to `leave` once its answer has gone out.
    """

    def __init__(  # noqa: PLR0913 - each limit there is
        self,
        rpm: int | None,
        tpm: int | None,
        headers: Collection[LimitHeader],
        clock: Callable[[], float],
        *,
        kind: LimitKind | None = None,
        seed: int = 0,
    ) -> None:
        kind = kind or LimitKind()
        self._requests = _budget(REQUESTS, rpm, kind, clock)
        self._tokens = _budget(TOKENS, tpm, kind, clock)
        self._sent_before: OrderedDict[int, None] | None = OrderedDict() if kind.first_attempts else None
        self._headers = headers
        self._most = kind.in_flight
        self._chance = kind.chance
        self._in_flight = 0
        self._dice = random.Random(seed)  # noqa: S311 - a game, the same for a seed

    def admit(self, estimate: int, body: bytes = b"") -> Verdict:
        """Charge one request and its estimated tokens (prompt + max_tokens), or tell how long to wait."""
        budgets = [budget for budget in (self._requests, self._tokens) if budget]
        wait = max((budget.wait() for budget in budgets), default=0.0)
        is_full = self._most is not None and self._in_flight >= self._most
        if is_full or (self._chance and self._dice.random() < self._chance) or self._is_first(body):
            wait = max(wait, _UNTIL_ROOM)
        if not wait:
            self._in_flight += 1
            if self._requests:
                self._requests.take(1)
            if self._tokens:
                self._tokens.take(estimate)
        return Verdict(wait, self._rates() | (self.retry_headers(wait) if wait else {}))

    def _is_first(self, body: bytes) -> bool:
        """Return whether first attempts are refused and this is one."""
        if self._sent_before is None:
            return False
        known = hash(body)
        is_first = known not in self._sent_before
        self._sent_before[known] = None
        if len(self._sent_before) > _REMEMBERED:
            self._sent_before.popitem(last=False)
        return is_first

    def leave(self) -> None:
        """Count an answer that has gone out."""
        self._in_flight -= 1

    def settle(self, estimate: int, actual: int) -> None:
        """Refund what the estimate was too high by, once the tokens are counted."""
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


def _budget(
    kinds: Mapping[str, Callable[[int, Clock], Budget]], per_minute: int | None, kind: LimitKind, clock: Clock
) -> Budget | None:
    """Return the budget of a limit, None where there is none."""
    if not per_minute:
        return None
    return kinds[kind.budget](per_minute, clock) if kind.burst is None else Bucket(per_minute, clock, kind.burst)
