"""A file that is read twice and must be the same both times: hashed in blocks first, and each block checked later."""

import io
from array import array
from hashlib import blake2b
from typing import BinaryIO

from completions_cli.errors import UsageError

BLOCK = 1 << 20


class Blocks:
    """The digests of a file's blocks, in 8 bytes each, and its size. All blocks but the last have `length` bytes."""

    def __init__(self, length: int = BLOCK) -> None:
        self.size = 0
        self.length = length
        self._first = 0  # the number of the block that the first digest is of
        self._digests = array("Q")

    def add(self, block: bytes) -> None:
        """Record the next block."""
        self._digests.append(_digest(block))
        self.size += len(block)

    def is_right(self, number: int, block: bytes) -> bool:
        """Return whether a block is unchanged."""
        at = number - self._first
        return 0 <= at < len(self._digests) and self._digests[at] == _digest(block)

    def around(self, start: int, stop: int) -> "Blocks":
        """Return the digests that are needed to check bytes `start` to `stop`."""
        found = Blocks(self.length)
        found.size, found._first = self.size, start // self.length
        found._digests = self._digests[found._first : -(-stop // self.length)]
        return found


class InputChangedError(UsageError):
    """The input is not what it was when it was read first."""


class Recording(io.RawIOBase):
    """A stream that records the blocks of a file while it is read from start to end."""

    def __init__(self, file: BinaryIO, length: int = BLOCK) -> None:
        file.seek(0)
        self._file = file
        self._block = memoryview(b"")
        self.blocks = Blocks(length)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: object, /) -> int:
        """Read the next bytes, and record their block."""
        if not self._block:
            block = _whole_block(self._file, self.blocks.length)
            if block:
                self.blocks.add(block)
            self._block = memoryview(block)
        view = memoryview(buffer)  # type: ignore[arg-type] # a writable buffer
        size = min(len(view), len(self._block))
        view[:size] = self._block[:size]
        self._block = self._block[size:]
        return size


class Verified(io.RawIOBase):
    """A file as it was recorded: what has changed since, or was not there, raises InputChangedError."""

    def __init__(self, file: BinaryIO, blocks: Blocks, name: str) -> None:
        self._file, self._blocks, self._name = file, blocks, name
        self._at = 0
        self._number = -1
        self._block = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the offset in the file."""
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset."""
        base = (0, self._at, self._blocks.size)[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: object, /) -> int:
        """Read bytes of an unchanged block. Raises InputChangedError."""
        view = memoryview(buffer)  # type: ignore[arg-type] # a writable buffer
        number, within = divmod(self._at, self._blocks.length)
        if self._at >= self._blocks.size:
            return 0
        if number != self._number:
            self._load(number)
        size = min(len(view), len(self._block) - within)
        view[:size] = self._block[within : within + size]
        self._at += size
        return size

    def has_grown(self) -> bool:
        """Return whether the file has grown."""
        return self._file.seek(0, io.SEEK_END) > self._blocks.size

    def _load(self, number: int) -> None:
        start = number * self._blocks.length
        self._file.seek(start)
        block = _whole_block(self._file, self._blocks.length)[: self._blocks.size - start]
        if not self._blocks.is_right(number, block):
            raise InputChangedError(
                f"{self._name} was changed while it was read",
                hint="Rows that were read before are answered. Restore it and run the same command to resume; "
                "--overwrite starts over with the new content.",
            )
        self._number, self._block = number, memoryview(block)


def _whole_block(file: BinaryIO, length: int) -> bytes:
    parts = []
    missing = length
    while missing and (part := file.read(missing)):
        parts.append(part)
        missing -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _digest(block: bytes) -> int:
    return int.from_bytes(blake2b(block, digest_size=8).digest(), "little")
