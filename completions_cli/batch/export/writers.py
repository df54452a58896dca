"""Tables of each kind, written record by record."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias
from unicodedata import category

from completions_cli.batch import encoding
from completions_cli.batch.export import records
from completions_cli.batch.export.columns import Kind
from completions_cli.errors import UsageError
from completions_cli.installation import install

if TYPE_CHECKING:
    import pyarrow as pa

Table: TypeAlias = Literal["csv", "tsv", "parquet", "jsonl"]
Cell: TypeAlias = str | int | float | bool | None

# Where some reader begins a new line, or stops.
_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
# What spreadsheets take for a formula, and the marks that some turn into these.
_SIGNS = "=+@\t＝＋－＠﹦﹢﹣﹫\u2212-"  # noqa: RUF001 - not ASCII on purpose
_FORMULA = re.compile(
    rf"\A(?=(?P<before>[^!-~{_BREAKS}{_SIGNS}]*)[{_SIGNS}])|\A(?=[\r\n])"
    # A spreadsheet splits CSV at semicolons where commas are in numbers. It may find the end of a line or a separator
    # within one of our cells, and take quotes behind it for the beginning of another.
    rf"|(?<=[{_BREAKS};\t])(?=(?P<within>[^!#-~{_BREAKS}{_SIGNS}]*)[{_SIGNS}])"
)
# What shows nothing, so that a cell seems to begin after it: controls, blanks, marks and what has no character; and
# letters and a symbol that are blank all the same. A quote stands only in `within`.
_UNSEEN = frozenset(("Cc", "Cf", "Cn", "Co", "Cs", "Me", "Mn", "Zl", "Zp", "Zs"))
_BLANK = frozenset('"\u115f\u1160\u2800\u3164\uffa0')
_GROUP = 10_000  # records of a Parquet file written together


class Sink(Protocol):
    """Where a table goes."""

    def write(self, data: bytes) -> None:
        """Write all of it. Raises OutputError."""


class Writer(Protocol):
    """Writes records to a sink. `close` before a file is committed."""

    def add(self, cells: Iterable[Cell]) -> None:
        """Write a record."""

    def close(self) -> None:
        """Write what is left."""


def open_writer(table: Table, file: Sink, kinds: Mapping[str, Kind]) -> Writer:
    """Begin a table with these columns."""
    if table == "jsonl":
        return JsonLines(file, kinds)
    if table == "parquet":
        return Parquet(file, kinds)
    return Delimited(file, kinds, "\t" if table == "tsv" else ",")


class JsonLines:
    """An object a line."""

    def __init__(self, file: Sink, kinds: Mapping[str, Kind]) -> None:
        self._file, self._names = file, list(kinds)

    def add(self, cells: Iterable[Cell]) -> None:
        """Write a record."""
        self._file.write(encoding.dumps(dict(zip(self._names, cells, strict=True))) + b"\n")

    def close(self) -> None:
        """Do nothing."""


class Delimited:
    """CSV or TSV, UTF-8, quoted as RFC 4180 says.

    What a spreadsheet would run gets an apostrophe in front: at the beginning of a cell, and for readers that split
    cells there, of its lines and after its semicolons and tabs.
    """

    # The csv module quotes a text that holds a character of this; it is cut off each record. Spreadsheets may split
    # TSV at commas, too, though not within quotes.
    _QUOTED = f"{_BREAKS}\0,"

    def __init__(self, file: Sink, kinds: Mapping[str, Kind], delimiter: str) -> None:
        self._file = file
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, delimiter=delimiter, lineterminator=self._QUOTED)
        self._write(_unique(_defused(name) for name in kinds))

    def add(self, cells: Iterable[Cell]) -> None:
        """Write a record."""
        self._write(_plain(cell) for cell in cells)

    def close(self) -> None:
        """Do nothing."""

    def _write(self, cells: Iterable[Cell]) -> None:
        self._writer.writerow(cells)
        record = self._buffer.getvalue().removesuffix(self._QUOTED)
        self._file.write(f"{record}\n".encode("utf-8", "replace"))
        self._buffer.seek(0)
        self._buffer.truncate()


class Parquet:
    """Parquet, some thousand records at a time."""

    def __init__(self, file: Sink, kinds: Mapping[str, Kind]) -> None:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise UsageError("Parquet needs pyarrow, which is not installed", hint=install("parquet")) from None
        types = {"text": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
        self._schema: pa.Schema = pa.schema([(encoding.encodable(name), types[kind]) for name, kind in kinds.items()])
        self._writer = parquet.ParquetWriter(pa.PythonFile(_RawFile(file), mode="w"), self._schema, compression="zstd")
        self._columns: list[list[Cell]] = [[] for _ in kinds]

    def add(self, cells: Iterable[Cell]) -> None:
        """Write a record."""
        for column, cell in zip(self._columns, cells, strict=True):
            column.append(encoding.encodable(cell))
        if len(self._columns[0]) >= _GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        arrays = [pa.array(column, field.type) for column, field in zip(self._columns, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self._columns = [[] for _ in self._columns]


class _RawFile(io.RawIOBase):
    """A file that Parquet is written to."""

    def __init__(self, file: Sink) -> None:
        self._file = file
        self._size = 0

    def writable(self) -> bool:
        """Return true."""
        return True

    def tell(self) -> int:
        """Return how much was written."""
        return self._size

    def write(self, data: "pa.Buffer") -> int:
        """Write all of it."""
        content = bytes(data)
        self._file.write(content)
        self._size += len(content)
        return len(content)


def _unique(names: Iterable[str]) -> Iterable[str]:
    """Return names of columns, each once: what defuses a name may make another of it."""
    found: dict[str, None] = {}
    for name in names:
        found[records.own_name(name, found, ())] = None
    return found


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return _defused(cell) if isinstance(cell, str) else cell


def _defused(text: str) -> str:
    return _FORMULA.sub(_apostrophe, text)


def _apostrophe(found: re.Match[str]) -> str:
    before = found["before"] or found["within"] or ""
    return "'" if all(mark in _BLANK or category(mark) in _UNSEEN for mark in before) else ""
