"""Lines of a stream of bytes: only LF ends one, and one that is too large is not kept."""

from collections.abc import Iterator
from typing import BinaryIO

from completions_cli import limits
from completions_cli.errors import UsageError

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_BLOCK = 1 << 20
_KEPT = 4096


class Oversized(bytes):
    """The beginning of a line that is too large."""

    __slots__ = ()


def lines(stream: BinaryIO, *, is_first: bool = True) -> Iterator[bytes]:
    """Yield lines without their LF, a byte order mark at the beginning left out.

    `is_first` is false for a stretch from the middle of a file. Raises UsageError for UTF-16.
    """
    readline = stream.readline
    while line := readline(limits.ROW_BYTES + 1):
        if is_first:
            is_first = False
            if line.startswith(_WIDE_BOMS):
                raise UsageError("the input is UTF-16", hint="Convert it: iconv -f UTF-16 -t UTF-8.")
            line = line.removeprefix(_BOM)
        if line.endswith(b"\n"):
            yield line[:-1]
        elif len(line) <= limits.ROW_BYTES:
            yield line
        else:
            while (more := readline(_BLOCK)) and not more.endswith(b"\n"):
                pass
            yield Oversized(line[:_KEPT])
