"""Reads an input row by row: a file or a pipe, of any format, compressed or not."""

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from completions_cli.batch.inputs import compression, files, kinds
from completions_cli.batch.inputs.compression import Compression
from completions_cli.batch.inputs.fingerprint import Hashing, Identity, LineCount
from completions_cli.batch.inputs.kinds import Format
from completions_cli.batch.inputs.reading import Reading
from completions_cli.batch.inputs.verified import BLOCK, Blocks, Recording, Verified
from completions_cli.batch.recipe import Recipe
from completions_cli.batch.rows import Row
from completions_cli.batch.survey import Survey
from completions_cli.errors import OutputError, UsageError

Wanted = Callable[[int], bool]

_GROWING = kinds.BY_LINE | kinds.TABLES  # of the others more at the end changes the whole
_RANDOM = 1 << 16  # bytes read at a time where reading jumps


class Source:
    """An input that can be read repeatedly from its start, with the same content each time."""

    def __init__(self, file: BinaryIO, reading: Reading, compressed: Compression | None = None) -> None:
        self._file = file
        self._reading = reading
        self._compressed = compressed
        self._blocks: Blocks | None = None
        self._identity: Identity | None = None
        self._survey: Survey | None = None
        self.lines: int | None = None  # how many rows there are, once `identity` has counted

    @property
    def name(self) -> str:
        """Return its name for messages."""
        return self._reading.name

    @property
    def kind(self) -> Format:
        """Return its format."""
        return self._reading.kind

    def identity(self) -> Identity:
        """Read it all once, count its rows, and say what it is. Raises UsageError when it is damaged."""
        if self._identity is None:
            self._identity = self._read_whole()
        return self._identity

    def has_grown_since(self, earlier: Identity) -> bool:
        """Return whether it is an `earlier` input with more at its end, from the end of a line on."""
        if self.kind not in _GROWING or self.identity().size <= earlier.size:
            return False
        hashing = Hashing(earlier)
        content = self._content(self._verified())
        while block := content.read(BLOCK):
            hashing.add(block)
        line = hashing.lines_of_earlier
        if not hashing.starts_with_earlier or line is None:
            return False
        # In a table a line's end may be within a cell.
        is_line = self.kind in kinds.BY_LINE or not earlier.size
        return is_line or self._reading.ends_record(self._content(self._verified()), line)

    def rows(self, wanted: Wanted = lambda _: True) -> Iterator[Row]:
        """Yield the rows that are wanted by their number, in order, bad ones included.

        Raises UsageError when the input as a whole cannot be read, or is no more what `identity` found.
        """
        self.identity()
        verified = self._verified()
        with compression.damage_named(self._reading.name):
            yield from self._reading.rows(self._content(verified), wanted)
        if verified.has_grown():
            raise UsageError(
                f"{self._reading.name} grew while it was read; the rows that it had before were completed",
                hint="Run the same command again to complete the new ones.",
            )

    def survey(self) -> Survey:
        """Look at its first records. Raises UsageError when the input as a whole cannot be read."""
        if self._survey is None:
            self._survey = self._look()
        return self._survey

    def is_openai(self) -> bool:
        """Return whether the lines are those of the OpenAI batch format, by the first that is an object."""
        return self.survey().is_openai

    def is_same_file(self, path: Path) -> bool:
        """Return whether this is the file at `path`."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), path.stat())
        except OSError:
            return False

    def close(self) -> None:
        """Close it."""
        self._file.close()

    def _look(self) -> Survey:
        with compression.damage_named(self._reading.name):
            self._file.seek(0)
            return self._reading.survey(compression.opened(self._file, self._compressed, self._reading.name))

    def _read_whole(self) -> Identity:
        """Hash the file by blocks and its content as a whole, and count rows on the way."""
        raw = Recording(self._file)
        hashing, count = Hashing(), LineCount(self.kind)
        with compression.damage_named(self._reading.name):
            content = self._content(raw)
            while block := content.read(BLOCK):
                hashing.add(block)
                if self.kind in kinds.BY_LINE:
                    count.add(block)
            while raw.read(BLOCK):  # what may stand after the end of a compressed file
                pass
            self._blocks = raw.blocks
            self.lines = count.total()
            if self.kind not in kinds.BY_LINE:
                self.lines = self._reading.count(self._content(self._verified()))
        return hashing.identity(self._reading.name)

    def _verified(self) -> Verified:
        return Verified(self._file, cast("Blocks", self._blocks), self._reading.name)

    def _content(self, raw: io.RawIOBase) -> BinaryIO:
        size = _RANDOM if self.kind in kinds.SEEKING else BLOCK
        return compression.opened(cast("BinaryIO", io.BufferedReader(raw, size)), self._compressed, self._reading.name)


def open_source(  # noqa: PLR0913 - what was typed
    path: str,
    *,
    kind: Format | None,
    recipe: Recipe,
    stdin: Callable[[], BinaryIO],
    spool_folder: Path | None,
    delimiter: str | None = None,
) -> Source:
    """Open the input `path`, `-` being standard input. What cannot be read twice is first put into `spool_folder`.

    Raises UsageError, or OutputError when the folder cannot take it.
    """
    is_pipe = path == "-"
    name = "standard input" if is_pipe else path
    file = _piped(stdin(), name, kind, recipe, spool_folder) if is_pipe else _opened(path, spool_folder)
    try:
        compressed = compression.of(_head(file, compression.HEAD_BYTES))
        file.seek(0)
        with compression.damage_named(name):
            head = _head(compression.opened(file, compressed, name), kinds.HEAD_BYTES)
        if compressed is None and not is_pipe:
            kinds.refuse_false_name(name, head)
        found = kinds.settle(name, kind, head, recipe, is_pipe=is_pipe)
        if compressed and found in kinds.SEEKING:
            file.seek(0)
            with compression.damage_named(name), file:
                spool = _spooled(compression.opened(file, compressed, name), spool_folder)
            file, compressed = spool, None
        file.seek(0)
        return Source(file, Reading(name, found, recipe, _sign(delimiter, found)), compressed)
    except BaseException:
        file.close()
        raise


def _sign(delimiter: str | None, kind: Format) -> str | None:
    if delimiter is not None and kind not in kinds.TABLES:
        raise UsageError(f"--delimiter is for tables, and the input is {kind}", hint="Leave it out.")
    return delimiter or ("\t" if kind == "tsv" else None)


def _opened(path: str, spool_folder: Path | None) -> BinaryIO:
    file, is_regular = files.opened(path)
    if is_regular:
        return file
    with file:
        return _spooled(file, spool_folder)


def _piped(stdin: BinaryIO, name: str, kind: Format | None, recipe: Recipe, spool_folder: Path | None) -> BinaryIO:
    """Store a pipe, unless its beginning shows that it holds no rows: it may have no end. Raises UsageError."""
    with files.failure_named(name):
        head = _head(stdin, kinds.HEAD_BYTES)
        if compression.of(head) is None:
            kinds.settle(name, kind, head, recipe, is_pipe=True)
        return _spooled(stdin, spool_folder, head)


def _head(stream: BinaryIO, size: int) -> bytes:
    """Return the first bytes of a stream."""
    parts = []
    while size > 0 and (part := stream.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _spooled(file: BinaryIO, folder: Path | None, head: bytes = b"") -> BinaryIO:
    """Copy a stream into a file without a name, so that it is known as a whole before anything is sent.

    Raises OutputError when the folder cannot take it, and what `file` raises when it is read.
    """
    with _storing(folder):
        spool: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the source closes it
        spool.write(head)
    try:
        while block := file.read(BLOCK):
            with _storing(folder):
                spool.write(block)
        with _storing(folder):
            spool.flush()
            spool.seek(0)
    except BaseException:
        with contextlib.suppress(OSError):
            spool.close()
        raise
    return cast("BinaryIO", spool)


@contextmanager
def _storing(folder: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"the input cannot be stored in {folder or 'the temporary folder'}: {error.strerror}",
            hint="During a run, piped input is kept beside OUTPUT, which takes as much space as the input.",
        ) from error
