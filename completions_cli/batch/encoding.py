"""JSON, fast: requests and lines of output written, rows and answers read, as `wire` does it in every case.

orjson refuses what it cannot write or read as it is (integers over 64 bits, halves of surrogate pairs, NaN); the slow
way then does it. Where a long number is read, which orjson would round, it is not asked.
"""

import re
from collections.abc import Callable

import orjson

from completions_cli.api import wire
from completions_cli.models import Json

_LONG_NUMBER = re.compile(rb"(?<![.\d])\d{19}")  # of a fraction any length is read alike
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_RUN = b"0" * 19


def dumps(value: Json) -> bytes:
    """Write compact JSON in UTF-8. Raises UsageError for what JSON cannot express."""
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


def _read(text: bytes, slowly: Callable[[str], Json]) -> Json:
    # The search alone takes longer than orjson does.
    if _RUN not in text.translate(_DIGITS) or not _LONG_NUMBER.search(text):
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            pass
    return slowly(text.decode())
