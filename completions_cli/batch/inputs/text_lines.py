"""Lines of a stream of bytes: only LF ends one, and one that is too large is not kept."""

import re
from collections.abc import Iterator
from typing import BinaryIO

from completions_cli import limits
from completions_cli.errors import UsageError

BOM = b"\xef\xbb\xbf"
# By their byte order marks, and without one by their zeros.
_WIDE = {
    "UTF-32": re.compile(rb"\xff\xfe\0\0|\0\0\xfe\xff|(?:[^\0]\0{3}){4}|(?:\0{3}[^\0]){4}"),
    "UTF-16": re.compile(rb"\xff\xfe|\xfe\xff|(?:[^\0]\0){8}|(?:\0[^\0]){8}"),
}
_BLOCK = 1 << 20
_KEPT = 4096


class Oversized(bytes):
    """The beginning of a line that is too large."""

    __slots__ = ()


def lines(stream: BinaryIO, *, is_first: bool = True) -> Iterator[bytes]:
    """Yield lines without their LF, a byte order mark at the beginning left out.

    `is_first` is false for a stretch from the middle of a file. Raises UsageError for UTF-16 and UTF-32.
    """
    readline = stream.readline
    while line := readline(limits.ROW_BYTES + 1):
        if is_first:
            is_first = False
            refuse_wide(line, "the input")
            line = line.removeprefix(BOM)
        if line.endswith(b"\n"):
            yield line[:-1]
        elif len(line) <= limits.ROW_BYTES:
            yield line
        else:
            while (more := readline(_BLOCK)) and not more.endswith(b"\n"):
                pass
            yield Oversized(line[:_KEPT])


def refuse_wide(beginning: bytes, name: str) -> None:
    """Raise UsageError for text that is UTF-16 or UTF-32."""
    encoding = next((encoding for encoding, looks_so in _WIDE.items() if looks_so.match(beginning)), None)
    if encoding is not None:
        raise UsageError(f"{name} is {encoding}", hint=f"Convert it: iconv -f {encoding} -t UTF-8.")
