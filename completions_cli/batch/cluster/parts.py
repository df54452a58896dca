"""Part files: the lines of an output, some thousand rows in each, named after the first of them."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

from completions_cli.batch import entry as entries
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.recovery import Retry, tally
from completions_cli.errors import UsageError

PartKind: TypeAlias = Literal["jsonl", "parquet"]

_MOST_SHOWN = 60  # bytes of a line
_LONGEST_EXAMPLE = 200  # characters of a message

_NAME = re.compile(r"part-(\d{12,})\.(jsonl|parquet)")


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
    [found] = read_all([line], output_format, file_name)
    return found


def read_all(lines: Iterable[bytes], output_format: OutputFormat, file_name: str) -> Iterator[entries.Entry]:
    """Read the lines of a part. Raises UsageError as `read` does."""
    for number, line in enumerate(lines, 1):
        found = entries.read(line, output_format)
        if found is None:
            shown = line[:_MOST_SHOWN].decode(errors="replace")
            raise UsageError(
                f"record {number} of {file_name} is not from a batch: {shown}",
                hint="Correct it, or move the file away so that its rows are completed again.",
            )
        yield found


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
    for found in read_all(lines, output_format, file_name):
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
    from completions_cli.batch.cluster import parquet_parts

    return parquet_parts.encode(lines, output_format)


def decode(content: bytes, kind: PartKind, output_format: OutputFormat, file_name: str = "a part") -> list[bytes]:
    """Read the lines of a part back. Raises UsageError if it is damaged."""
    if kind == "jsonl" or not content:
        lines = entries.without_bom(content).removesuffix(b"\n").split(b"\n")
        return [line for line in lines if line.strip()]  # other tools may have written it anew
    from completions_cli.batch.cluster import parquet_parts

    return parquet_parts.decode(content, output_format, file_name)


def kind_of(file_name: str) -> PartKind:
    """Return the kind of a part by its name."""
    return "parquet" if file_name.endswith(".parquet") else "jsonl"
