"""Tables as text: CSV and its like."""

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from completions_cli import limits
from completions_cli.batch import rows, template
from completions_cli.batch.inputs import delimiters, text_lines
from completions_cli.batch.inputs.text_lines import Oversized
from completions_cli.batch.recipe import Recipe
from completions_cli.batch.rows import Row
from completions_cli.errors import UsageError
from completions_cli.quoting import listed

# No line decodes to these: bytes that are not UTF-8 become other surrogates.
_TOO_LARGE = "\ud800"
_END = "\ud801"
# What the library says of a record that it cannot read, in part, and what we say.
_REASONS = {
    "unexpected end": "a quotation mark is never closed: the rest of the table is in this record",
    "expected after": "text or a space follows a closing quotation mark; one within a cell must be doubled",
    "new-line": "a line ends with CR alone; tr '\\r' '\\n' makes it LF",
    "field limit": f"larger than {limits.ROW_BYTES // limits.MIB} MiB",
}


@dataclass(frozen=True, slots=True)
class Record:
    """A record, its number from 0 and the line it begins on. `reason` says why it cannot be read."""

    number: int
    line: int
    cells: list[str]
    reason: str | None = None


class Table:
    """A table that is read once, from its start. Raises UsageError when its header cannot be read."""

    def __init__(self, stream: BinaryIO, recipe: Recipe, delimiter: str | None) -> None:
        csv.field_size_limit(limits.ROW_BYTES)
        self._recipe = recipe
        lines = self._texts(stream)
        first = next(lines, _END)
        self._skipped = 0
        stated = delimiters.stated(first.rstrip("\r\n")) if delimiter is None else None
        if stated is not None:
            first, self._skipped = next(lines, _END), 1
        self._sign = delimiter or stated or delimiters.guessed(first.rstrip("\r\n"), recipe.prompt_names)
        self._lines: list[str] = []  # of the record at hand
        # Without `strict`, a quotation mark that is escaped with a backslash would garble its cell in silence.
        self._reader = csv.reader(self._kept(itertools.chain([first], lines)), delimiter=self._sign, strict=True)
        self.header = self._read_header()

    def check(self) -> None:
        """Raise UsageError if a column that is used is missing."""
        if self.header:
            check_columns(self.header, self._recipe)

    def records(self) -> Iterator[Record]:
        """Yield the records after the header."""
        number = 0
        while True:
            line = self._reader.line_num + self._skipped + 1
            self._lines.clear()
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Record(number, line, self._as_far_as_read(), _reason(error))
                number += 1
                continue
            if cells and cells != [_END]:  # a blank line is no record
                yield Record(number, line, cells, self._reason(cells))
                number += 1

    def has_end_at(self, line: int) -> bool:
        """Return whether a record ends with the line of this number."""
        at = self._reader.line_num + self._skipped
        for _ in self.records() if at < line else ():
            at = self._reader.line_num + self._skipped
            if at >= line:
                break
        return at == line

    def rows(self, wanted: Callable[[int], bool]) -> Iterator[Row]:
        """Yield the rows that are wanted by their number."""
        for record in self.records():
            if wanted(record.number):
                row = self._row(record)
                yield row if row.error is None else rows.placed(row, f"line {record.line}, row {record.number}")

    def _row(self, record: Record) -> Row:
        cells = dict(zip(self.header, record.cells, strict=False))
        if record.reason is None:
            return rows.table_row(record.number, cells, self._recipe)
        name = cells.get("id") or None
        return rows.bad(record.number, record.reason, name if name and _is_text(name) else None)

    def _reason(self, cells: list[str]) -> str | None:
        if any(_TOO_LARGE in cell for cell in cells):
            return f"larger than {limits.ROW_BYTES // limits.MIB} MiB"
        if not _is_text("".join(cells)):
            return "not UTF-8"
        if len(cells) > len(self.header):
            return f"{len(cells)} cells under {len(self.header)} columns"
        return None

    def _read_header(self) -> list[str]:
        try:
            header = next(self._reader, [])
        except csv.Error as error:
            raise UsageError(
                f"the table's first line cannot be read: {_reason(error)}",
                hint="The first line names the columns. --delimiter says what is between them.",
            ) from error
        return [] if header == [_END] else header

    def _as_far_as_read(self) -> list[str]:
        """Return the cells of a broken record as far as they can be read: its id may be among them."""
        try:
            return next(csv.reader(self._lines, delimiter=self._sign), [])
        except csv.Error:
            return []

    def _kept(self, lines: Iterable[str]) -> Iterator[str]:
        """Yield lines, and remember those of the current record."""
        for line in lines:
            self._lines.append(line)
            yield line

    def _texts(self, stream: BinaryIO) -> Iterator[str]:
        """Decode lines for the CSV reader; bytes that are not UTF-8 are smuggled through, and found in their record.

        What follows the last line is a record of its own, unless a cell is still open.
        """
        for line in text_lines.lines(stream):
            # A quoted cell may go on over lines: each needs its end.
            yield (_TOO_LARGE if isinstance(line, Oversized) else line.decode("utf-8", "surrogateescape")) + "\n"
        yield _END


def _reason(error: csv.Error) -> str:
    return next((reason for words, reason in _REASONS.items() if words in str(error)), f"not a record of CSV: {error}")


def check_columns(header: list[str], recipe: Recipe) -> None:
    """Raise UsageError if a table lacks a named column."""
    shown = f"It has: {listed(header)}."
    used = {*recipe.prompt_names, *recipe.send, "id"}
    needed = {name for name in recipe.prompt_names if name not in header and name.split(".")[0] not in header}
    if needed:
        sign = delimiters.unusual(header, needed)
        advice = template.suggestion(header) if sign is None else f"--delimiter '{sign}' splits it into columns."
        raise UsageError(f"the table has no column {listed(sorted(needed))}", hint=f"{shown} {advice}")
    if twice := sorted({name for name in used if header.count(name) > 1}):
        raise UsageError(f"the table has several columns {listed(twice)}", hint="Give each one its own name.")
    for option, names in (("--send-fields", recipe.send), ("--keep-columns", recipe.keep or ())):
        if missing := sorted(set(names) - set(header)):
            raise UsageError(f"{option}: the table has no column {listed(missing)}", hint=shown)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
