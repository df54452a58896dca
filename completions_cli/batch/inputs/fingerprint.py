"""Tells inputs apart, and recognises one that has grown."""

import hashlib
import re
from dataclasses import dataclass, field

from completions_cli.batch.inputs import text_lines
from completions_cli.batch.inputs.kinds import Format

_LF = 0x0A


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of an input: the size in bytes and the SHA-256 of its uncompressed content."""

    name: str
    size: int
    sha256: str

    def is_same(self, other: "Identity") -> bool:
        """Return whether the content is the same; names may differ."""
        return (self.size, self.sha256) == (other.size, other.sha256)


@dataclass(slots=True)
class Hashing:
    """Hashes content as it arrives, and looks at the place where an `earlier` input ended."""

    earlier: Identity | None = None
    size: int = 0
    starts_with_earlier: bool = False
    lines_of_earlier: int | None = None  # when it ended with a line
    _sha256: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    _lines: int = 0
    _last: int = _LF

    def add(self, block: bytes) -> None:
        """Feed the next bytes."""
        earlier = self.earlier
        if earlier is not None and self.size <= earlier.size < self.size + len(block):
            self._compare(earlier, block, earlier.size - self.size)
        else:
            self._sha256.update(block)
        if earlier is not None and self.size < earlier.size:
            self._lines += block.count(b"\n")
        self.size += len(block)
        self._last = block[-1]

    def _compare(self, earlier: Identity, block: bytes, cut: int) -> None:
        """Look where the earlier input ended, `cut` bytes into a block."""
        self._sha256.update(block[:cut])
        self.starts_with_earlier = self._sha256.hexdigest() == earlier.sha256
        self._sha256.update(block[cut:])
        lines = self._lines + block.count(b"\n", 0, cut)
        if (block[cut - 1] if cut else self._last) == _LF:
            self.lines_of_earlier = lines
        elif block[cut] == _LF or block[cut : cut + 2] == b"\r\n":
            self.lines_of_earlier = lines + 1

    def identity(self, name: str) -> Identity:
        """Return the identity of the hashed content, under this name."""
        return Identity(name, self.size, self._sha256.hexdigest())


class LineCount:
    """Counts the lines of content that comes in blocks; of JSON Lines those that are not blank."""

    def __init__(self, kind: Format) -> None:
        self._counts_blank = kind == "txt"
        self._rest = b"\n"  # from the end of the last whole line on
        self._count = 0
        self._is_first = True  # block, which may begin with a byte order mark

    def add(self, block: bytes) -> None:
        """Feed the next bytes."""
        if self._counts_blank:
            self._count += block.count(b"\n")
            self._rest = block[-1:]
            return
        if self._is_first:
            self._is_first = False
            block = block.removeprefix(text_lines.BOM)
        end = block.rfind(b"\n")
        if end < 0:
            self._rest += block if len(self._rest) < _LONG else b""
            return
        self._count += len(_BEGINNING.findall(self._rest + block[:end]))
        self._rest = block[end:]

    def total(self) -> int:
        """Return how many there are."""
        if self._counts_blank:
            return self._count + (self._rest != b"\n")
        return self._count + len(_BEGINNING.findall(self._rest))


_LONG = 1 << 16  # a line that has come to so much and is white space alone is none that anybody has
_BEGINNING = re.compile(rb"\n[ \t\r\x0b\x0c]*[^ \t\r\n\x0b\x0c]")
