"""Lines of one or more outputs in the order of their rows, each row once, in memory that does not grow with them."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Self

from completions_cli.batch import output_lines
from completions_cli.batch.journal import Journal
from completions_cli.batch.line_index import LineIndex, Place
from completions_cli.batch.output_lines import EntryReader
from completions_cli.batch.recovery import tally
from completions_cli.errors import OutputError

_MOST_OPEN = 200


@dataclass(slots=True)
class Arranged:
    """The result: rows written, and lines left out because they were torn or repeated a row."""

    rows: int = 0
    failed: int = 0
    torn: int = 0
    repeated: int = 0
    last: int = -1
    total: int | None = None
    models: Counter[str] = field(default_factory=Counter)  # answers by the model that they name
    unchecked: list[Path] = field(default_factory=list)  # parts of which nothing tells what run they are of

    @property
    def absent(self) -> int:
        """Rows missing from all parts: of the `total` of the input or, if that is unknown, before the last row."""
        return max(0, (self.last + 1 if self.total is None else self.total) - self.rows)


def sort_in_place(journal: Journal, reader: EntryReader) -> None:
    """Put an output into the order of its rows; one that is in order is left alone. Raises OutputError."""
    try:
        is_sorted = _is_sorted(journal.path, reader)
    except OSError as error:
        journal.check()  # which says what became of it, if somebody took it away
        raise OutputError(f"{journal.path} cannot be read: {error.strerror}", hint="Check the disk.") from error
    if not is_sorted:
        arrange([journal.path], [reader], journal)


def arrange(
    parts: Sequence[Path],
    readers: Sequence[EntryReader],
    journal: Journal,
    *,
    row_total: int | None = None,
    before: Callable[[], None] = lambda: None,
) -> Arranged:
    """Replace an output by the lines of all parts, atomically. If a row is there twice, its answer is kept.

    `before` is called just before the lines take their place.

    Raises UsageError for a line that is none of a batch, or of a row beyond `row_total`; OutputError when the output,
    or a temporary file beside it, cannot be written.
    """
    output = journal.path
    done = Arranged()
    try:
        with LineIndex(output.parent) as index, Files(parts) as files:
            for number, (part, reader) in enumerate(zip(parts, readers, strict=True)):
                index.add(_places(part, reader, number, done, row_total))
            lines = done.rows
            done.rows, done.failed, done.last = index.summary()
            done.repeated = lines - done.rows
            _copy(index, files, journal, before)
    except OSError as error:
        raise OutputError(
            f"{output} cannot be written: {error.strerror}", hint="It needs room for a copy; check the disk."
        ) from error
    return done


def _places(part: Path, reader: EntryReader, number: int, done: Arranged, row_total: int | None) -> Iterator[Place]:
    for line in output_lines.read(part, reader, row_total=row_total):
        done.torn += line.is_damage
        if line.entry is not None:
            done.rows += 1
            if line.entry.model is not None:
                tally(done.models, line.entry.model)
            yield Place(line.entry.row, line.entry.failure is not None, number, line.offset)


def _copy(index: LineIndex, files: "Files", journal: Journal, before: Callable[[], None]) -> None:
    copy = journal.copy()
    try:
        for number, offset in index.in_order():
            files[number].seek(offset)
            copy.write(files[number].readline().rstrip(b"\0\n") + b"\n")
        before()
    except BaseException:
        copy.discard()
        raise
    copy.commit()


class Files:
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


def _is_sorted(path: Path, reader: EntryReader) -> bool:
    last = -1
    for line in output_lines.read(path, reader):
        if line.entry is None or line.entry.row <= last:
            return False
        last = line.entry.row
    return True
