"""When to try again, and how long to wait first. No clock of its own: times come in as values."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from completions_cli import limits

FAILED_DEPENDENCY = 424
# 520 to 524 are Cloudflare's for what is behind it, 529 is said by services that are overloaded.
# These say that the server has too much to do, as a 429 does.
OVERLOADED_STATUSES = frozenset({408, 503, 504, 529})
RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504, *range(520, 525), 529})

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:e[0-9]+)?", re.ASCII | re.IGNORECASE)
# "Try again in 2 seconds", "Please retry after 86400 seconds", "Please try again in 1m30.5s".
_AMOUNT = r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h)(?![a-z])"
_ONE_AMOUNT = re.compile(_AMOUNT, re.IGNORECASE)
_AMOUNTS = re.compile(rf"(?:{_AMOUNT}\s*)+", re.IGNORECASE)
_IN_WORDS = re.compile(rf"(?:retry after|again in|retry in)\s+({_AMOUNTS.pattern})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries` further attempts after the first; `max_wait` the longest single wait, in seconds."""

    retries: int = 4
    max_wait: float = 120.0
    base: float = 0.5
    cap: float = 8.0

    def backoff(self, attempt: int, random: float) -> float:
        """Exponential backoff with full jitter: `attempt` counts from 0, `random` is from [0, 1)."""
        return random * min(self.cap, self.base * 2.0 ** min(attempt, 32))


def is_retryable(status: int, headers: Mapping[str, str]) -> bool:
    """Return whether an answer of this status may be different next time.

    A managed endpoint wraps its model's status in a 424; then the model's own status decides.
    """
    if status == FAILED_DEPENDENCY:
        model_status = headers.get("ms-azureml-model-error-statuscode", "")
        return model_status.isascii() and model_status.isdigit() and int(model_status[:9]) in RETRYABLE_STATUSES
    return status in RETRYABLE_STATUSES


def retry_after(headers: Mapping[str, str], message: str, now: float, field: float | None = None) -> float | None:
    """Read the wait in seconds that the server asks for, or None.

    The headers in order of precision, then a date, then a `field` of the body, then words in the message. No time at
    all, as of a date that has passed, is no wait. `now` is Unix time; where the answer carries its own `Date`, that is
    used, so a wrong clock does no harm. It has eleven digits at most: a server could repeat a key of digits as a wait.
    """
    wait = _named(headers, now) or field or _in_words(message)
    return round(min(wait, limits.WAIT_SECONDS), 3) or None if wait else None


def _named(headers: Mapping[str, str], now: float) -> float | None:
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _positive(headers.get(name, ""))
        if milliseconds is not None:
            return milliseconds / 1000
    value = headers.get("retry-after", "")
    wait = seconds(value)
    if wait is not None:
        return wait
    date = _unix_time(value)
    if date is not None:
        sent = _unix_time(headers.get("date", ""))
        return max(0.0, date - (now if sent is None else sent))
    return None


def _in_words(message: str) -> float | None:
    words = _IN_WORDS.search(message)
    return seconds(words[1]) if words else None


def seconds(text: str) -> float | None:
    """Read seconds, or amounts with their units such as "1m30.5s"; None for anything else."""
    amounts = _ONE_AMOUNT.findall(text) if _AMOUNTS.fullmatch(text.strip()) else []
    return sum(_seconds(*amount) for amount in amounts) if amounts else _positive(text)


def _seconds(number: str, unit: str) -> float:
    unit = unit.lower()
    if unit.startswith(("ms", "milli")):
        return float(number) / 1000
    return float(number) * {"s": 1, "m": 60, "h": 3600}[unit[0]]


def _positive(text: str) -> float | None:
    """Parse a finite number that is not negative; anything else is no wait."""
    number = float(text) if _NUMBER.fullmatch(text.strip()) else math.inf
    return number if math.isfinite(number) else None


def _unix_time(text: str) -> float | None:
    if not text:
        return None
    from datetime import UTC
    from email.utils import parsedate_to_datetime  # 15 ms, and hardly any answer has a date to read

    try:
        date = parsedate_to_datetime(text)
        # HTTP dates are in GMT; one that does not say so must not be taken for local time.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
