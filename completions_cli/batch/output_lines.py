"""The lines of an output, even a rewritten one: rows, blanks, or what a crash left. Anything else is refused."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from completions_cli import limits
from completions_cli.batch import entry as entries
from completions_cli.batch.entry import Entry
from completions_cli.batch.row_set import RowSet
from completions_cli.errors import UsageError

# Reads a line, with or without its end, as an entry; None when it is not one.
EntryReader = Callable[[bytes], Entry | None]

_ZEROS = re.compile(rb"\0{16}")  # UTF-16 and UTF-32 have fewer in a row
_SHOWN = 40


class OutputLine(NamedTuple):
    """A line by its number from 1 and its offset in bytes; `stop` is the offset after it.

    `content` is without mark, zeros and LF at its ends. `entry` is None for a blank line and for damage. `has_zeros`
    says that zeros stand on a line before or after what is whole.
    """

    number: int
    offset: int
    stop: int
    content: bytes
    entry: Entry | None
    is_damage: bool
    has_end: bool
    has_zeros: bool


def read(path: Path, reader: EntryReader, *, row_total: int | None = None) -> Iterator[OutputLine]:
    """Yield the lines of an output.

    Raises UsageError for a line that somebody wrote and that is none of a batch, of a row that the input of
    `row_total` rows has not, or one of several flat lines of a row; OSError when the file cannot be read.
    """
    offset = 0
    flat = RowSet()
    with path.open("rb") as file:
        for number, raw in enumerate(iter(partial(file.readline, limits.OUTPUT_LINE_BYTES), b""), 1):
            line = _line(number, offset, raw, reader)
            offset += len(raw)
            if line.entry is None:
                if line.is_damage and not _is_of_a_crash(line, raw):
                    raise _foreign(path, line)
            elif row_total is not None and line.entry.row >= row_total:
                raise _beyond(path, line.number, line.entry.row, row_total)
            elif line.entry.is_flat and not flat.add(line.entry.row):
                raise _one_of_several(path, line.number, line.entry.row)
            yield line


def _line(number: int, offset: int, raw: bytes, reader: EntryReader) -> OutputLine:
    has_end = raw.endswith(b"\n")
    written = raw if has_end else raw.rstrip(b"\0")
    content = written[:-1] if has_end else written
    if number == 1:
        content = entries.without_bom(content)
    stop = offset + len(written)
    start = stop - has_end - len(content)
    bare = content.strip(b"\0")
    entry = reader(bare)
    if entry is not None and len(bare) < len(content):
        return OutputLine(number, start + content.index(bare), stop, bare, entry, False, has_end, True)
    is_blank = bool(written) and not content.strip()
    return OutputLine(number, start, stop, content, entry, entry is None and not is_blank, has_end, False)


def _is_of_a_crash(line: OutputLine, raw: bytes) -> bool:
    """Return whether a crash may have left this: zeros in place of blocks, or an object that lacks its end."""
    rest = line.content.strip(b"\0 \t\r\n")
    is_torn = not line.has_end and rest.startswith(b"{") and not entries.begins_with_whole_object(rest)
    return is_torn or not rest or _ZEROS.search(raw) is not None


def _foreign(path: Path, line: OutputLine) -> UsageError:
    content = line.content.strip()
    shown = content[:_SHOWN].decode("utf-8", "replace")
    return UsageError(
        f"line {line.number} of {path} is not a line of a batch: {shown}",
        hint=f"Nothing was changed. Each line must be a JSON object that names its row. {_advice(content)}",
    )


def _advice(content: bytes) -> str:
    """Return how to turn the output of another tool into lines of a batch."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return "It is not UTF-8: convert the file."
    if content.startswith(b"["):
        return "If this begins an array, `jq -c '.[]'` writes each element on a line of its own."
    if content.endswith(b"},"):
        return "Remove the comma at its end."
    if content.startswith(b"{") and not entries.is_json(content):
        return "It is not one whole object: `jq -c .` writes each object on a line of its own."
    return "Remove that line, or choose another OUTPUT."


def _beyond(path: Path, number: int, row: int, row_total: int) -> UsageError:
    return UsageError(
        f"line {number} of {path} is of row {row}, but the input has {row_total} rows, numbered from 0",
        hint="Nothing was changed. Remove that line, or choose another OUTPUT.",
    )


def _one_of_several(path: Path, number: int, row: int) -> UsageError:
    return UsageError(
        f"line {number} of {path} is another line of row {row}, and neither has choices",
        hint="Nothing was changed. If they are samples in a table, use the OUTPUT that it was made from.",
    )
