"""Every number that can be typed or configured: what it counts, and between which bounds it makes sense.

Bounds are wide; beyond them lies what no clock, queue or memory can hold, and a slip of the keyboard.
"""

import re
import sys
from dataclasses import dataclass

from completions_cli.models import Json

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,30}", re.ASCII)
_GROUPED = re.compile(r"[+-]?\d{1,3}([,_' \u00a0\u202f]\d{3})+", re.ASCII)
_COMMA = re.compile(r"([+-]?\d+),(\d+)", re.ASCII)
_UNIT = re.compile(r"([+-]?[\d.]+)\s*(s|sec|secs|seconds|ms|m|min|h|%|k|K|M)", re.ASCII)
_BEYOND_WORDS = 2**62
_FACTORS = {"%": 0.01, "ms": 0.001, "m": 60, "min": 60, "h": 3600, "k": 1000, "K": 1000, "M": 1_000_000}


class NumberError(ValueError):
    """Says what a number must be; `hint` how this one is written here, if it is one in another notation."""

    def __init__(self, words: str, hint: str | None = None) -> None:
        super().__init__(words)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Number:
    """A kind of number. `unit` is what it counts, as in "seconds"; bounds are included, but 0 is not where `above`."""

    high: float
    low: float = 0
    unit: str | None = None
    is_whole: bool = False
    above: bool = False  # zero is none

    def parse(self, text: str) -> Json:
        """Read a number that was typed. Raises NumberError."""
        pattern = _WHOLE if self.is_whole else _NUMBER
        if not pattern.fullmatch(text):
            raise NumberError(self.words, _advice(text, is_whole=self.is_whole))
        return self.check(int(text) if _WHOLE.fullmatch(text) else float(text))

    def check(self, value: Json) -> Json:
        """Check a number in its type. Raises NumberError."""
        # NaN is within no bounds.
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise NumberError(self.words)
        if (self.is_whole and value != int(value)) or (self.above and value == self.low):
            raise NumberError(self.words)
        return int(value) if self.is_whole else value

    @property
    def words(self) -> str:
        """What it must be, as in "a whole number from 1 to 10,000"."""
        unit = f" of {self.unit}" if self.unit else ""
        if self.high >= _BEYOND_WORDS:
            return "a whole number" if self.is_whole else "a number"
        if self.above:
            return f"a positive number{unit}, at most {_shown(self.high)}"
        return (
            f"{'a whole number' if self.is_whole else 'a number'}{unit} from {_shown(self.low)} to {_shown(self.high)}"
        )

    @property
    def schema(self) -> dict[str, Json]:
        """The same in JSON Schema."""
        lowest = "exclusiveMinimum" if self.above else "minimum"
        return {"type": "integer" if self.is_whole else "number", lowest: self.low, "maximum": self.high}


def _shown(bound: float) -> str:
    return f"{bound:,g}" if abs(bound) < 1 else f"{bound:,.0f}"


def _advice(text: str, *, is_whole: bool) -> str | None:
    """Return how a number in another notation is written here; None for what is no number in any."""
    text = text.strip()
    if _GROUPED.fullmatch(text):
        return f"Write it without separators: {re.sub('[^0-9+-]', '', text)}."
    decimal, unit = _COMMA.fullmatch(text), _UNIT.fullmatch(text)
    if decimal and not is_whole:
        return f"Write it with a point: {decimal[1]}.{decimal[2]}"
    if unit and _NUMBER.fullmatch(unit[1]):
        return f"Write it without a unit: {float(unit[1]) * _FACTORS.get(unit[2], 1):.15g}"
    return None


# Parameters are for the server to judge; JSON and its readers have these bounds.
PARAMETERS = {
    "integer": Number(2**64, -(2**64), is_whole=True),
    "number": Number(sys.float_info.max, -sys.float_info.max),
}

# Sockets count their milliseconds in 31 bits.
SECONDS = Number(1_000_000, unit="seconds", above=True)
WAIT = Number(1_000_000, unit="seconds")
RETRIES = Number(10_000, is_whole=True)

_PRICE = Number(1_000_000_000)
_RATE = Number(1_000_000_000, 0.001)

# The options of commands that are numbers and no settings, by their long names.
OPTIONS = {
    "--samples": Number(10_000, 1, is_whole=True),
    "--pack": Number(10_000, 1, is_whole=True),
    "--limit": Number(1_000_000_000_000, is_whole=True),
    "--concurrency": Number(10_000, 1, is_whole=True),  # sockets are finite
    "--rpm": _RATE,
    "--tpm": Number(1_000_000_000_000, 0.001),
    "--max-tokens-total": Number(1_000_000_000_000_000, 1, is_whole=True),
    "--max-cost": _PRICE,
    "--price-in": _PRICE,
    "--price-out": _PRICE,
    "--max-errors": Number(1_000_000_000_000, 1, is_whole=True),
    "--latency": Number(86_400, unit="seconds"),
    "--tokens-per-second": Number(1_000_000, 0.001),
    "--port": Number(65_535, is_whole=True),
}
