"""The input as rows, one at a time: files, compressed files and pipes, in every format there is."""

import csv
import gzip
import hashlib
import os
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, BinaryIO, Literal, cast

from completions_cli.api import wire
from completions_cli.batch import rows
from completions_cli.batch.rows import MAX_ROW_BYTES, Row
from completions_cli.batch.template import Template
from completions_cli.errors import OutputError, UsageError

Format = Literal["jsonl", "txt", "csv"]
Wanted = Callable[[int], bool]

SUFFIXES: Mapping[str, Format] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "txt", ".csv": "csv"}
_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_SNIFFED_LINES = 100
# No line decodes to these: bytes that are not UTF-8 become other surrogates.
_TOO_LARGE = "\ud800"
_END = "\ud801"


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one input from another: its size in bytes and the SHA-256 of its content."""

    name: str
    size: int
    sha256: str


class Source:
    """An input that can be read from its start again and again. `is_whole` is false for a stretch of lines of one."""

    def __init__(  # noqa: PLR0913 - what kind of file it is
        self,
        file: BinaryIO,
        name: str,
        kind: Format,
        *,
        compressed: bool,
        template: Template | None,
        is_whole: bool = True,
    ) -> None:
        self._file = file
        self._name = name
        self.kind = kind
        self._compressed = compressed
        self._template = template
        self._is_whole = is_whole
        self.lines: int | None = None  # what `identity` counted, where lines are rows

    def identity(self) -> Identity:
        """Read it all and say what it is; by the way, count its lines."""
        self._file.seek(0)
        digest = hashlib.sha256()
        size = lines = 0
        last = b"\n"
        while block := self._file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            lines += block.count(b"\n")
            last = block
        if self.kind != "csv" and not self._compressed:
            self.lines = lines + (not last.endswith(b"\n"))
        return Identity(self._name, size, digest.hexdigest())

    def rows(self, wanted: Wanted = lambda _: True) -> Iterator[Row]:
        """Yield the rows that are wanted by their number, in order, bad ones included.

        Raises UsageError when the input as a whole cannot be read.
        """
        self._file.seek(0)
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=self._file)) if self._compressed else self._file
        try:
            if self.kind == "csv":
                yield from (row for row in _table_rows(stream, self._template) if wanted(row.number))
            elif self.kind == "txt":
                yield from _line_rows(self._lines(stream), rows.text_row, wanted)
            else:
                template = self._template
                parse = rows.json_row if template is None else partial(rows.json_row, template=template)
                yield from _line_rows(self._lines(stream), parse, wanted, blank=False)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UsageError(f"{self._name} is damaged: {error}", hint="Is it a whole gzip file?") from error
        except OSError as error:
            raise UsageError(f"{self._name} cannot be read: {error.strerror or error}") from error

    def _lines(self, stream: BinaryIO) -> Iterator[bytes | None]:
        return _lines(stream, is_first=self._is_whole)

    def check(self) -> None:
        """Read its beginning. Raises UsageError when the input as a whole cannot be read."""
        next(self.rows(), None)

    def position(self) -> float:
        """Return how much of the input has been read, 0 to 1."""
        size = os.fstat(self._file.fileno()).st_size
        return self._file.tell() / size if size else 1.0

    def is_openai(self) -> bool:
        """Return whether the lines are those of the OpenAI batch format, by the first that is an object."""
        if self.kind != "jsonl":
            return False
        self._file.seek(0)
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=self._file)) if self._compressed else self._file
        try:
            for _, line in zip(range(_SNIFFED_LINES), _lines(stream), strict=False):
                try:
                    value = wire.loads((line or b"").decode())
                except ValueError:
                    continue
                if isinstance(value, dict):
                    return rows.is_openai(value)
        except (EOFError, zlib.error, OSError):
            return False  # `rows` will say what is wrong
        return False

    def is_same_file(self, path: Path) -> bool:
        """Return whether this is the file at `path`."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), path.stat())
        except OSError:
            return False

    def close(self) -> None:
        """Close it."""
        self._file.close()


def open_source(
    path: str,
    *,
    kind: Format | None,
    template: Template | None,
    stdin: Callable[[], BinaryIO],
    spool_folder: Path | None,
) -> Source:
    """Open the input `path`, `-` being standard input. What cannot be read twice is first put into `spool_folder`.

    Raises UsageError, or OutputError when the folder cannot take it.
    """
    if path == "-":
        return Source(
            _spooled(stdin(), spool_folder), "standard input", kind or "jsonl", compressed=False, template=template
        )
    name = path.lower()
    compressed = name.endswith(".gz")
    found = kind or SUFFIXES.get(Path(name.removesuffix(".gz")).suffix)
    if found is None:
        raise UsageError(
            f"{path}: what kind of input is it?",
            hint="Known by their names: .jsonl, .txt, .csv, each also with .gz; else say --input-format.",
        )
    try:
        file: BinaryIO = Path(path).expanduser().open("rb")
        mode = os.fstat(file.fileno()).st_mode
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path} cannot be read: {reason}", hint="Check the path.") from error
    if not stat.S_ISREG(mode):
        file = _spooled(file, spool_folder)
    return Source(file, path, found, compressed=compressed, template=template)


def _spooled(file: BinaryIO, folder: Path | None) -> BinaryIO:
    """Copy a stream into a file without a name, so that it is known as a whole before anything is sent."""
    try:
        spool: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - the source closes it
        while block := file.read(_BLOCK):
            spool.write(block)
        spool.flush()
    except OSError as error:
        raise OutputError(
            f"the input cannot be set aside in {folder or 'the temporary folder'}: {error.strerror}",
            hint="A pipe is kept beside OUTPUT while it is worked on: that takes as much room as its content.",
        ) from error
    return cast("BinaryIO", spool)


def _line_rows(
    lines: Iterator[bytes | None], parse: Callable[[int, bytes], Row], wanted: Wanted, *, blank: bool = True
) -> Iterator[Row]:
    number = 0
    for line in lines:
        if line is not None and not blank and (not line or line.isspace()):
            continue
        if wanted(number):
            yield rows.bad(number, _size_error()) if line is None else parse(number, line)
        number += 1


def _lines(stream: BinaryIO, *, is_first: bool = True) -> Iterator[bytes | None]:
    """Yield lines without their LF, None for one that is too large: only LF ends a line."""
    readline = stream.readline
    while line := readline(MAX_ROW_BYTES + 1):
        if is_first:
            is_first = False
            if line.startswith(_WIDE_BOMS):
                raise UsageError("the input is UTF-16", hint="Convert it: iconv -f UTF-16 -t UTF-8.")
            line = line.removeprefix(_BOM)
        if line.endswith(b"\n"):
            yield line[:-1]
        elif len(line) <= MAX_ROW_BYTES:
            yield line
        else:
            while (more := readline(_BLOCK)) and not more.endswith(b"\n"):
                pass
            yield None


def _table_rows(stream: BinaryIO, template: Template | None) -> Iterator[Row]:
    csv.field_size_limit(MAX_ROW_BYTES)
    reader = csv.reader(_texts(stream))
    try:
        header = next(reader)
    except csv.Error as error:
        raise UsageError(f"the table's first line cannot be read: {error}") from error
    if header == [_END]:
        return
    _check_header(header, template)
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield rows.bad(number, f"not a record of CSV: {error}")
            number += 1
            continue
        if cells and cells != [_END]:  # a blank line is no record
            yield _table_row(number, header, cells, template)
            number += 1


def _table_row(number: int, header: list[str], cells: list[str], template: Template | None) -> Row:
    if cells[-1].endswith(_END):
        return rows.bad(number, "a quotation mark is never closed: the rest of the table is in this record")
    if len(cells) > len(header):
        return rows.bad(number, f"{len(cells)} cells under {len(header)} columns")
    if _TOO_LARGE in cells:
        return rows.bad(number, _size_error())
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return rows.bad(number, "not UTF-8")
    return rows.table_row(number, dict(zip(header, cells, strict=False)), template)


def _texts(stream: BinaryIO) -> Iterator[str]:
    """Decode lines for the CSV reader; bytes that are not UTF-8 are smuggled through, and found in their record.

    What follows the last line is a record of its own, unless a cell is still open.
    """
    for line in _lines(stream):
        # A quoted cell may go on over lines: each needs its end.
        yield (_TOO_LARGE if line is None else line.decode("utf-8", "surrogateescape")) + "\n"
    yield _END


def _size_error() -> str:
    return f"larger than {MAX_ROW_BYTES // (1024 * 1024)} MiB"


def _check_header(header: list[str], template: Template | None) -> None:
    if header[-1:] and header[-1].endswith(_END):
        raise UsageError("the table's first line cannot be read: a quotation mark is never closed")
    missing = sorted((template.names if template else {"prompt"}) - set(header))
    if missing:
        raise UsageError(
            f"the table has no column {', '.join(missing)}",
            hint=f"It has: {', '.join(header)}. Make prompts of them with --template 'Translate: {{text}}'.",
        )
