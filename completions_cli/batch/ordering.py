"""Lines of one or more outputs in the order of their rows, each row once, in memory that does not grow with them.

Where each row's line stands is kept in a file of its own, 16 bytes a row.
"""

import struct
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self, cast

from completions_cli.atomic import AtomicFile
from completions_cli.batch.journal import EntryReader
from completions_cli.errors import OutputError

_PLACE = struct.Struct("<qq")  # which file and failed or not, offset + 1; zeros: no such row
_MOST_OPEN = 200
_CHUNK = 4096 * _PLACE.size


@dataclass(slots=True)
class Arranged:
    """What came of it: rows written, lines left out because they were torn or of a row that was there already."""

    rows: int = 0
    failed: int = 0
    torn: int = 0
    repeated: int = 0
    last: int = -1

    @property
    def absent(self) -> int:
        """Rows before the last that none of the parts has."""
        return self.last + 1 - self.rows


def sort_in_place(path: Path, read: EntryReader) -> None:
    """Put an output into the order of its rows; one that is in order is left alone. Raises OutputError."""
    if not _is_sorted(path, read):
        arrange([path], [read], path)


def arrange(parts: Sequence[Path], readers: Sequence[EntryReader], output: Path) -> Arranged:
    """Write the lines of all parts to `output`, atomically. Of a row that is there twice, success counts.

    Raises OutputError when the output, or the place for temporary files beside it, cannot be written.
    """
    done = Arranged()
    try:
        with ExitStack() as stack:
            files = stack.enter_context(_Files(parts))
            index = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile(buffering=0, dir=output.parent)))
            for number, read in enumerate(readers):
                _index(index, number, files[number], read, done)
            copy = AtomicFile(output)
            try:
                for number, offset in _places(index):
                    files[number].seek(offset)
                    copy.write(files[number].readline())
            except BaseException:
                copy.discard()
                raise
            copy.commit()
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}", hint="Is there room for a copy?") from error
    return done


class _Files:
    """Files by number; of many, only those last used are open."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._open: dict[int, BinaryIO] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()

    def __getitem__(self, number: int) -> BinaryIO:
        file = self._open.pop(number, None)
        if file is None:
            if len(self._open) >= _MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
            file = self._paths[number].open("rb")
        self._open[number] = file
        return file


def _index(index: BinaryIO, number: int, file: BinaryIO, read: EntryReader, done: Arranged) -> None:
    offset = 0
    for line in file:
        entry = read(line[:-1]) if line.endswith(b"\n") else None
        if entry is None:
            done.torn += 1
        else:
            failed = entry.failure is not None
            done.last = max(done.last, entry.row)
            known = _place(index, entry.row)
            if known is None:
                done.rows += 1
                done.failed += failed
            else:
                done.repeated += 1
            known_failed = known is not None and known[0] & 1
            if known is None or (known_failed and not failed):
                done.failed -= bool(known_failed)
                index.seek(entry.row * _PLACE.size)
                index.write(_PLACE.pack(number << 1 | failed, offset + 1))
        offset += len(line)


def _place(index: BinaryIO, row: int) -> tuple[int, int] | None:
    index.seek(row * _PLACE.size)
    found = index.read(_PLACE.size)
    if len(found) < _PLACE.size:
        return None
    file, offset = _PLACE.unpack(found)
    return (file, offset) if offset else None


def _places(index: BinaryIO) -> Iterator[tuple[int, int]]:
    index.seek(0)
    while chunk := index.read(_CHUNK):
        for file, offset in _PLACE.iter_unpack(chunk):
            if offset:
                yield file >> 1, offset - 1


def _is_sorted(path: Path, read: EntryReader) -> bool:
    last = -1
    with path.open("rb") as file:
        for line in file:
            entry = read(line[:-1])
            if entry is None or entry.row <= last:
                return False
            last = entry.row
    return True
