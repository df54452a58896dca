"""Part files: the lines of an output, some thousand rows in each, named after the first of them."""

import io
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from completions_cli.api import wire
from completions_cli.batch import encoding
from completions_cli.batch import entry as entries
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.recovery import Retry, tally
from completions_cli.errors import UsageError
from completions_cli.models import Json

if TYPE_CHECKING:
    import pyarrow as pa

PartKind: TypeAlias = Literal["jsonl", "parquet"]

_MOST_SHOWN = 60  # bytes of a line
_LONGEST_EXAMPLE = 200  # characters of a message

_NAME = re.compile(r"part-(\d{12,})\.(jsonl|parquet)")
_TEXTS: dict[OutputFormat, tuple[str, ...]] = {
    "native": ("id", "model", "system_fingerprint", "finish_reason", "request_id", "profile", "method"),
    "openai": ("id", "custom_id", "profile"),
}
_SOMETIMES: dict[OutputFormat, tuple[str, ...]] = {  # in lines of some rows only
    "native": ("prompt", "ignored", "scores", "method"),
    "openai": ("profile",),
}
_NUMBERS = {"row": int, "attempts": int, "latency_ms": float}


@dataclass(frozen=True, slots=True)
class PartEntry:
    """What a part holds: its size in bytes, the number of rows and of answers, the failures by kind.

    `retryable` counts the failures that may pass; `examples` has one of each kind, its row and its message.
    """

    size: int
    rows: int
    ok: int
    failed: dict[str, int] = field(default_factory=dict)
    retryable: int = 0
    models: dict[str, int] = field(default_factory=dict)
    finish_reasons: dict[str, int] = field(default_factory=dict)
    ignored: dict[str, int] = field(default_factory=dict)
    examples: dict[str, tuple[int, str]] = field(default_factory=dict)
    profiles: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, values: list[Any]) -> "PartEntry | None":
        """Build an entry from saved fields; None if another version saved them."""
        return cls(*values) if len(values) == len(fields(cls)) else None

    @property
    def has_repeats(self) -> bool:
        """True if several lines have the same row, as in parts that somebody joined."""
        return self.ok + sum(self.failed.values()) > self.rows

    def again(self, retry: Retry | None) -> int:
        """Count the rows that have a line and are sent again."""
        return {None: 0, "all": self.rows - self.ok, "retryable": self.retryable}[retry]


def name(first: int, kind: PartKind) -> str:
    """Return the name of the part that begins with row `first`."""
    return f"part-{first:012}.{kind}"


def first_row(file_name: str) -> int | None:
    """Return the first row of a part by its name; None if it is no part."""
    found = _NAME.fullmatch(file_name)
    return int(found[1]) if found else None


def read(line: bytes, output_format: OutputFormat, file_name: str) -> entries.Entry:
    """Read a line of a part. Raises UsageError: what is not understood is not touched."""
    found = entries.read(line, output_format)
    if found is None:
        raise UsageError(
            f"{file_name} holds a line that is not from a batch: {line[:_MOST_SHOWN].decode(errors='replace')}",
            hint="Correct it, or move the file away so that its rows are completed again.",
        )
    return found


def entry(
    content: bytes,
    lines: Iterable[bytes],
    output_format: OutputFormat,
    file_name: str = "a part",
    rows: range | None = None,
) -> PartEntry:
    """Count a part's lines, which are of these `rows`. Raises UsageError."""
    ok = retryable = 0
    failed, models, reasons, ignored, profiles = (Counter[str]() for _ in range(5))
    examples: dict[str, tuple[int, str]] = {}
    seen = set[int]()
    for line in lines:
        found = read(line, output_format, file_name)
        seen.add(found.row)
        if rows is not None and found.row not in rows:
            raise UsageError(
                f"{file_name} holds row {found.row}, which belongs elsewhere or is not in this input",
                hint="Move the file away so that its rows are completed again.",
            )
        if found.failure is None:
            ok += 1
            tally(models, found.model)
            tally(reasons, found.finish_reason)
            ignored.update(found.ignored)
            if found.profile is not None:
                tally(profiles, found.profile)
        else:
            failed[found.failure] += 1
            retryable += found.is_retryable
            examples.setdefault(found.failure, (found.row, (found.message or "")[:_LONGEST_EXAMPLE]))
    counts = (dict(models), dict(reasons), dict(ignored), examples, dict(profiles))
    return PartEntry(len(content), len(seen), ok, dict(failed), retryable, *counts)


def encode(lines: Iterable[bytes], kind: PartKind, output_format: OutputFormat) -> bytes:
    """Write lines (without their LF) as the content of a part."""
    if kind == "jsonl":
        return b"".join(line + b"\n" for line in lines)
    import pyarrow as pa
    from pyarrow import parquet

    records = [_columns(wire.loads(line.decode()), output_format) for line in lines]
    target = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(records, schema=_schema(output_format)), target, compression="zstd")
    return target.getvalue()


def decode(content: bytes, kind: PartKind, output_format: OutputFormat) -> list[bytes]:
    """Read the lines of a part back."""
    if kind == "jsonl" or not content:
        lines = entries.without_bom(content).removesuffix(b"\n").split(b"\n")
        return [line for line in lines if line.strip()]  # other tools may have written it anew
    from pyarrow import parquet

    records = parquet.read_table(io.BytesIO(content)).to_pylist()
    return [encoding.dumps(_record(record, output_format)) for record in records]


def kind_of(file_name: str) -> PartKind:
    """Return the kind of a part by its name."""
    return "parquet" if file_name.endswith(".parquet") else "jsonl"


def _columns(record: dict[str, Json], output_format: OutputFormat) -> dict[str, Json]:
    """Turn a line into a row of a table: texts and numbers as such, nested values as JSON."""
    plain = {*_NUMBERS, *_TEXTS[output_format]}
    cells = {key: value if key in plain or value is None else wire.dumps(value) for key, value in record.items()}
    for key in _TEXTS[output_format]:
        if cells.get(key) is not None and not isinstance(cells[key], str):
            cells[key] = wire.dumps(cells[key])
    if output_format == "native":
        first = record["choices"][0] if record["choices"] else {}
        cells["text"] = first.get("text") if isinstance(first.get("text"), str) else None
    return cells


def _record(cells: dict[str, Json], output_format: OutputFormat) -> dict[str, Json]:
    plain = {*_NUMBERS, *_TEXTS[output_format]}
    return {
        key: value if key in plain or value is None else wire.loads(value)
        for key, value in cells.items()
        if key != "text" and not (value is None and key in _SOMETIMES[output_format])
    }


def _schema(output_format: OutputFormat) -> "pa.Schema":
    import pyarrow as pa

    if output_format == "openai":
        return pa.schema([(key, pa.string()) for key in ("id", "custom_id", "profile", "response", "error")])
    texts = ("choices", "usage", "model", "system_fingerprint", "finish_reason", "request_id")
    return pa.schema(
        [
            ("id", pa.string()),
            ("row", pa.int64()),
            ("text", pa.string()),
            *((key, pa.string()) for key in texts),
            ("attempts", pa.int64()),
            ("latency_ms", pa.float64()),
            ("profile", pa.string()),
            ("metadata", pa.string()),
            *((key, pa.string()) for key in _SOMETIMES["native"]),
            ("error", pa.string()),
        ]
    )
