"""JSON, fast: requests and lines of output written, rows and answers read, as `wire` does it in every case.

orjson refuses what it cannot write or read as it is (integers over 64 bits, halves of surrogate pairs, NaN); the slow
way then does it. Where a long number is read, which orjson would round, it is not asked.
"""

from collections.abc import Callable
from typing import TypeVar

import orjson

from completions_cli.api import wire
from completions_cli.models import Json

_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_RUN = b"0" * 19
_POINT = ord(".")
_Value = TypeVar("_Value")


def dumps(value: Json) -> bytes:
    """Return compact JSON in UTF-8. Raises UsageError for a value that JSON cannot express."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return wire.dumps(value).encode()


def loads(text: bytes) -> Json:
    """Read JSON in UTF-8, refusing NaN and what is infinite as a float. Raises ValueError, whatever is wrong."""
    return _read(text, wire.loads)


def read(text: bytes) -> Json:
    """Read JSON that a server wrote: NaN and whatever is infinite becomes null. Raises ValueError otherwise."""
    return _read(text, wire.read)


def encodable(value: _Value) -> _Value | str:
    """Return a text with a question mark for each half of a surrogate pair, which no UTF-8 has; else the value."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _read(text: bytes, slowly: Callable[[str], Json]) -> Json:
    if not _may_hold_long_number(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return slowly(text.decode())


def _may_hold_long_number(text: bytes) -> bool:
    """Return whether a text may hold a number of 19 digits or more before its point: a fraction of any length is fine.

    A regular expression would take longer than orjson takes to read it all.
    """
    digits = text.translate(_DIGITS)
    at = digits.find(_RUN)
    while at > 0 and digits[at - 1] == _POINT:
        at = digits.find(_RUN, at + len(_RUN))
    return at >= 0
