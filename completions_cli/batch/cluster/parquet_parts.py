"""Parts as Parquet: lines as rows of a table, and back, also from a table that another tool rewrote.

Texts and numbers are columns as such, nested values are JSON, and the text of the first choice is a column of its own.
"""

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

from completions_cli.api import wire
from completions_cli.batch import encoding
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.inputs import parquet
from completions_cli.errors import UsageError
from completions_cli.models import Json

if TYPE_CHECKING:
    import pyarrow as pa

_Kind: TypeAlias = Literal["text", "json", "int", "float"]

_COLUMNS: dict[OutputFormat, dict[str, _Kind]] = {
    "native": {
        "id": "text",
        "row": "int",
        "text": "text",
        "choices": "json",
        "usage": "json",
        "model": "text",
        "system_fingerprint": "text",
        "finish_reason": "text",
        "request_id": "text",
        "attempts": "int",
        "latency_ms": "float",
        "profile": "text",
        "metadata": "json",
        "prompt": "json",
        "ignored": "json",
        "scores": "json",
        "method": "text",
        "error": "json",
    },
    "openai": {"id": "text", "custom_id": "text", "profile": "text", "response": "json", "error": "json"},
}
_SOMETIMES: dict[OutputFormat, tuple[str, ...]] = {  # in lines of some rows only
    "native": ("prompt", "ignored", "scores", "method"),
    "openai": ("profile",),
}
_DAMAGED = "Nothing was changed. Restore the file, or move it away so that its rows are completed again."


def encode(lines: Iterable[bytes], output_format: OutputFormat) -> bytes:
    """Write lines as a table. Keys that are not of a batch become columns at its end."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    columns = _COLUMNS[output_format]
    records = [_cells(encoding.read(line), output_format) for line in lines]
    names = dict.fromkeys([*columns, *(name for record in records for name in record)])
    arrays = [_array([record.get(name) for record in records], columns.get(name)) for name in names]
    target = io.BytesIO()
    write_table(pa.table(arrays, names=list(names)), target, compression="zstd")
    return target.getvalue()


def decode(content: bytes, output_format: OutputFormat, name: str) -> list[bytes]:
    """Read the lines of a table back. Raises UsageError if it is damaged or ambiguous."""
    file = parquet.opened(io.BytesIO(content), name, hint=_DAMAGED)
    names = parquet.header(file)
    if twice := [column for column in names if names.count(column) > 1]:
        raise UsageError(
            f"{name} has two columns named {twice[0]}", hint="Nothing was changed. Remove or rename one of them."
        )
    with parquet.damage_named(name, _DAMAGED):
        batches = list(file.iter_batches(use_threads=False))
    return [_line(record, output_format) for batch in batches for record in parquet.records(batch)]


def _cells(record: Json, output_format: OutputFormat) -> dict[str, Json]:
    """Return the cells of a line. A `text` in it is one that somebody put there, and stays."""
    line = record if isinstance(record, dict) else {}
    return {"text": _first_text(line), **line} if output_format == "native" else line


def _line(cells: dict[str, Json], output_format: OutputFormat) -> bytes:
    """Return the line of a row, without the nulls that stand for what only some lines have."""
    columns = _COLUMNS[output_format]
    record = {name: _value(parquet.json_value(cell), columns.get(name)) for name, cell in cells.items()}
    for name in _SOMETIMES[output_format]:
        if record.get(name) is None:
            record.pop(name, None)
    if output_format == "native":
        _settle_text(record)
    return encoding.dumps(record)


def _settle_text(record: dict[str, Json]) -> None:
    """Leave a `text` out that only repeats the first choice's. Where the choices were removed, make one of it."""
    if isinstance(record.get("text"), str) and record.get("choices") is None:
        record["choices"] = [{"index": 0, "text": record["text"], "finish_reason": record.get("finish_reason")}]
    if record.get("text") in (None, encoding.encodable(_first_text(record))):
        record.pop("text", None)


def _value(cell: Json, kind: _Kind | None) -> Json:
    """Return the value of a cell: the one that its JSON says, if it is meant to be JSON and is."""
    if kind != "json" or not isinstance(cell, str):
        return cell
    try:
        return encoding.read(cell.encode())
    except ValueError:
        return cell


def _first_text(record: dict[str, Json]) -> Json:
    choices = record.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    text = first.get("text") if isinstance(first, dict) else None
    return text if isinstance(text, str) else None


def _array(values: Sequence[Json], kind: _Kind | None) -> "pa.Array":
    """Return a column: of its kind, of any kind that fits if it is not of a batch, else of JSON."""
    import pyarrow as pa

    types = {"text": pa.string(), "json": pa.string(), "int": pa.int64(), "float": pa.float64(), None: None}
    try:
        return pa.array([_cell(value, kind) for value in values], types[kind])
    except (pa.ArrowException, ValueError, OverflowError):
        return pa.array([_cell(value, "json") for value in values], pa.string())


def _cell(value: Json, kind: _Kind | None) -> Json:
    if value is None:
        return None
    if kind == "json" or (kind == "text" and not isinstance(value, str)):
        return wire.dumps(value)
    if kind == "int" and isinstance(value, str) and value.isdecimal():
        return int(value)
    return encoding.encodable(value)
