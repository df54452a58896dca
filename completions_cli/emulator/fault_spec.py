"""How a fault is asked for: KIND[=VALUE][:RATE], or :xN for the first N requests."""

import math
import re
from dataclasses import dataclass

from completions_cli.errors import UsageError

_SPEC = re.compile(r"(?P<kind>[^=:]+)(=(?P<value>[^=:]+))?(:(x(?P<first>[0-9]{1,18})|(?P<rate>[^=:]+)))?")


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One `--fault` as typed: which kind, its value if any, and how often.

    `rate` is the share of requests it strikes, 0..1; `first`, if set, strikes the first N requests instead.
    """

    kind: str
    value: float | None = None
    rate: float = 1.0
    first: int | None = None


def parse_spec(text: str) -> FaultSpec:
    """Read one `--fault`. Whether the kind exists is not looked at. Raises UsageError."""
    matched = _SPEC.fullmatch(text.strip())
    if not matched:
        raise _wrong(text, "write KIND, KIND:RATE, KIND=VALUE or KIND=VALUE:RATE")
    rate = _number(text, matched["rate"], "RATE")
    if rate is not None and not 0 <= rate <= 1:
        raise _wrong(text, "RATE is the share of requests that are affected, from 0 to 1")
    return FaultSpec(
        kind=matched["kind"],
        value=_number(text, matched["value"], "VALUE"),
        rate=1.0 if rate is None else rate,
        first=int(matched["first"]) if matched["first"] else None,
    )


def _number(text: str, word: str | None, name: str) -> float | None:
    if word is None:
        return None
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise _wrong(text, f"{name} must be a number, not {word!r}")
    return number


def _wrong(text: str, why: str) -> UsageError:
    return UsageError(f"--fault {text}: {why}", hint="`completions emulator --list-faults` shows every KIND.")
