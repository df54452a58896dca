"""OUTPUT as a journal: one line for each row that is done, appended as it is done, readable at any moment.

What a crash may leave is a last line without its end, or, after a power cut, blocks of zeros;
`recover` finds what is whole, and what is not is asked again.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from completions_cli.atomic import AtomicFile
from completions_cli.errors import OutputError

_HINT = "Make room or choose another place; the same command then goes on where this run stopped."


class Entry(NamedTuple):
    """What the journal needs to know of a line: its row's number, and the kind of failure or None."""

    row: int
    failure: str | None


# Reads a line (without its LF) as an entry; None when it is not one.
EntryReader = Callable[[bytes], Entry | None]


class RowSet:
    """A set of row numbers, a bit each: a million rows take 125 kB."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._count = 0

    def add(self, number: int) -> bool:
        """Put a number in; false when it was there."""
        byte, bit = number >> 3, 1 << (number & 7)
        if byte >= len(self._bits):
            self._bits.extend(bytes(byte + 1 - len(self._bits)))
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        self._count += 1
        return True

    def __contains__(self, number: int) -> bool:
        byte = number >> 3
        return byte < len(self._bits) and bool(self._bits[byte] & 1 << (number & 7))

    def __len__(self) -> int:
        return self._count


@dataclass(slots=True)
class Recovered:
    """What a journal holds: the rows that are done, how many of them well, the failures by kind."""

    done: RowSet = field(default_factory=RowSet)
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    dropped: int = 0  # lines that were torn, damaged or there twice


class Log(Protocol):
    """What a run's lines are appended to. Raises OutputError when it takes no more."""

    is_dirty: bool

    def append(self, lines: bytes) -> None:
        """Take lines, each with its LF."""

    def sync(self) -> None:
        """Make all lines last."""


class Journal:
    """Appends lines, all of an `append` or none. Raises OutputError when the disk takes no more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            self._size = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            raise _failure(path, error) from error
        self.is_dirty = False

    def append(self, lines: bytes) -> None:
        """Write lines, each with its LF. They survive the end of this process, a power cut only after `sync`."""
        try:
            written = os.write(self._fd, lines)
            while written < len(lines):
                written += os.write(self._fd, lines[written:])
        except OSError as error:
            self._cut_back()
            raise _failure(self._path, error) from error
        self._size += len(lines)
        self.is_dirty = True

    def sync(self) -> None:
        """Make all lines last. After a failure nobody knows what did: the run must end."""
        self.is_dirty = False
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _failure(self._path, error) from error

    def close(self) -> None:
        """Close it; `sync` first."""
        os.close(self._fd)

    def _cut_back(self) -> None:
        """Take lines back that are there in part. If even that fails, `recover` will."""
        try:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
        except OSError:
            return


def recover(path: Path, read: EntryReader, *, keep_failed: bool = True) -> Recovered:
    """Read a journal and mend it: afterwards it holds whole lines, one a row.

    A torn end is cut off in place; anything else (damage in the middle, a row twice, failures that are
    not to be kept) is left out of a copy that then takes its place. Raises OutputError.
    """
    if not path.exists():
        return Recovered()
    try:
        found, whole, is_clean = _scan(path, read, keep_failed=keep_failed)
        if not is_clean:
            _rewrite(path, read, keep_failed=keep_failed)
        elif whole < path.stat().st_size:
            _truncate(path, whole)
    except OSError as error:
        raise _failure(path, error) from error
    return found


def _scan(path: Path, read: EntryReader, *, keep_failed: bool) -> tuple[Recovered, int, bool]:
    """Read it all: what is in it, up to which byte it is whole, and whether cutting it there is enough."""
    found = Recovered()
    end = whole = 0
    is_clean = True
    with path.open("rb") as file:
        for line, entry in _entries(file, read):
            end += len(line)
            if entry is None or (entry.failure and not keep_failed) or not found.done.add(entry.row):
                found.dropped += entry is None or not entry.failure
                continue
            is_clean = is_clean and whole == end - len(line)
            whole = end
            if entry.failure:
                found.failed[entry.failure] += 1
            else:
                found.ok += 1
    return found, whole, is_clean


def _entries(file: Iterator[bytes], read: EntryReader) -> Iterator[tuple[bytes, Entry | None]]:
    for line in file:
        is_whole = line.endswith(b"\n") and b"\0" not in line
        yield line, read(line[:-1]) if is_whole else None


def _rewrite(path: Path, read: EntryReader, *, keep_failed: bool) -> None:
    done = RowSet()
    copy = AtomicFile(path)
    try:
        with path.open("rb") as file:
            for line, entry in _entries(file, read):
                if entry is not None and (keep_failed or not entry.failure) and done.add(entry.row):
                    copy.write(line)
    except BaseException:
        copy.discard()
        raise
    copy.commit()


def _truncate(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def _failure(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror}", hint=_HINT)
