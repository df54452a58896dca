"""Parquet: row groups at a time, and of them the columns that are needed."""

import base64
import datetime as dt
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, BinaryIO, cast

from completions_cli.batch import rows
from completions_cli.batch.inputs import table
from completions_cli.batch.recipe import Recipe
from completions_cli.batch.rows import Row
from completions_cli.errors import UsageError
from completions_cli.installation import install
from completions_cli.models import Json

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

BATCH = 1000  # rows decoded at a time
_BUFFER = 1 << 20
_DAMAGED = "It may be incomplete. Write it again."


def opened(stream: BinaryIO, name: str, *, hint: str = _DAMAGED) -> "ParquetFile":
    """Open a file. Raises UsageError if it is not Parquet or is damaged, or if the library is missing."""
    try:
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise UsageError(f"{name} is Parquet, which needs a library", hint=f"Run: {install('parquet')}") from error
    with damage_named(name, hint):
        # Read as it is decoded: a row group need not fit into memory.
        return ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False)


def header(file: "ParquetFile") -> list[str]:
    """Return the names of the columns."""
    return list(file.schema_arrow.names)


def table_rows(file: "ParquetFile", recipe: Recipe, wanted: Callable[[int], bool], name: str) -> Iterator[Row]:
    """Yield the rows that are wanted by their number. Groups without one are not read."""
    check_columns(file, recipe)
    columns = recipe.columns(header(file))
    at = 0
    for group in range(file.metadata.num_row_groups):
        number, at = at, at + file.metadata.row_group(group).num_rows
        if not any(map(wanted, range(number, at))):
            continue
        for batch in _batches(file, group, columns, name):
            if any(map(wanted, range(number, number + batch.num_rows))):
                for row, record in enumerate(records(batch), number):
                    if wanted(row):
                        yield _row(row, record, recipe)
            number += batch.num_rows


def _batches(file: "ParquetFile", group: int, columns: list[str] | None, name: str) -> "Iterator[pa.RecordBatch]":
    with damage_named(name):
        yield from file.iter_batches(batch_size=BATCH, row_groups=[group], columns=columns, use_threads=False)


def records(batch: "pa.RecordBatch") -> list[dict[str, Json]]:
    """Return the records of a batch; a column with a time that Python does not know (the year -1) as numbers."""
    try:
        return cast("list[dict[str, Json]]", batch.to_pylist())
    except (ValueError, OverflowError, LookupError):  # LookupError: a time zone that this machine does not know
        columns = [_cells(column, name) for column, name in zip(batch.columns, batch.schema.names, strict=True)]
    return [dict(zip(batch.schema.names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _cells(column: "pa.Array", name: str) -> list[Json]:
    """Return the cells of a column. Raises UsageError for one whose values have no text either."""
    import pyarrow as pa

    for kind in (None, pa.int64(), pa.binary(), pa.string()):  # binary: a text that is not UTF-8
        try:
            return cast("list[Json]", (column if kind is None else column.cast(kind)).to_pylist())
        except (ValueError, OverflowError, LookupError, pa.ArrowException):
            continue
    raise UsageError(
        f"the column {name} has values that cannot be read: {column.type}",
        hint="Leave it out with --keep-columns, or write it as text.",
    )


def check(file: "ParquetFile", recipe: Recipe, name: str) -> int:
    """Decode all that will be used and return the number of rows. Raises UsageError for a damaged file."""
    columns = recipe.columns(header(file))
    total = 0
    for group in range(file.metadata.num_row_groups):
        said = file.metadata.row_group(group).num_rows
        found = sum(batch.num_rows for batch in _batches(file, group, columns, name))
        if found != said:
            raise _damaged(name, f"it names {said} rows and has {found}")
        total += found
    return total


@contextmanager
def damage_named(name: str, hint: str = _DAMAGED) -> Iterator[None]:
    """Turn what the library raises for a damaged file into a UsageError."""
    from pyarrow import ArrowException

    try:
        yield
    except (ArrowException, OSError, UnicodeDecodeError) as error:  # the last: a name in its footer is not UTF-8
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise _damaged(name, reason, hint) from error


def _damaged(name: str, reason: str, hint: str = _DAMAGED) -> UsageError:
    return UsageError(f"{name} is a damaged Parquet file: {reason}", hint=hint)


def check_columns(file: "ParquetFile", recipe: Recipe) -> None:
    """Raise UsageError if a named column is missing."""
    table.check_columns(header(file), recipe)


def _row(number: int, record: dict[str, Json], recipe: Recipe) -> Row:
    cells = {name: json_value(cell) for name, cell in record.items()}
    row = rows.table_row(number, cells, recipe)
    broken = [name for name in (*recipe.prompt_names, *recipe.send) if _is_no_text(record.get(name))]
    if broken and row.error is None:
        row = rows.bad(number, f"{broken[0]} is binary and not UTF-8", row.id, row.metadata)
    return row if row.error is None else rows.placed(row, f"row {number}")


def _is_no_text(cell: object) -> bool:
    """Return whether a cell holds bytes that are no text: they are kept as base64, which is no prompt."""
    return isinstance(cell, bytes) and _decoded(cell) is None


def _decoded(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def json_value(cell: object) -> Json:
    """Return a cell as JSON: dates and binary values as text, NaN and infinity as null."""
    if cell is None or isinstance(cell, str | bool | int):
        return cell
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None
    if isinstance(cell, dict):
        return {str(name): json_value(item) for name, item in cell.items()}
    if isinstance(cell, list | tuple):
        return [json_value(item) for item in cell]
    return _text(cell)


def _text(cell: object) -> Json:
    if isinstance(cell, bytes):
        text = _decoded(cell)
        return base64.b64encode(cell).decode() if text is None else text
    if isinstance(cell, Decimal):
        return float(cell) if cell.is_finite() and Decimal(repr(float(cell))) == cell else str(cell)
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)
