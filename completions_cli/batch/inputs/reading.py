"""Reads rows of any format."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

from completions_cli.batch.inputs import json_array, line_formats, parquet, text_lines
from completions_cli.batch.inputs.kinds import Format
from completions_cli.batch.inputs.table import Table
from completions_cli.batch.recipe import PLAIN, Recipe
from completions_cli.batch.rows import Row
from completions_cli.batch.survey import Survey, of_json, of_table, of_text
from completions_cli.errors import UsageError

_FIRST = 1000  # records that are looked at before anything is sent
_FIRST_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Reading:
    """How an input is to be read. `delimiter` is of a table, None where its header tells."""

    name: str
    kind: Format
    recipe: Recipe = PLAIN
    delimiter: str | None = None

    def rows(self, stream: BinaryIO, wanted: Callable[[int], bool], *, is_first: bool = True) -> Iterator[Row]:
        """Yield the rows that are wanted by their number, bad ones included.

        `is_first` is false for a stretch of lines from the middle of a file.
        Raises UsageError when the input as a whole cannot be read.
        """
        found = self._rows(stream, wanted, is_first=is_first)
        return map(_keeping, found) if self.recipe.keep_prompt else found

    def _rows(self, stream: BinaryIO, wanted: Callable[[int], bool], *, is_first: bool) -> Iterator[Row]:
        match self.kind:
            case "txt":
                return line_formats.text_rows(stream, wanted, is_first=is_first)
            case "jsonl":
                return line_formats.json_rows(stream, self.recipe, wanted, is_first=is_first)
            case "json":
                return json_array.array_rows(stream, self.recipe, wanted)
            case "parquet":
                return parquet.table_rows(parquet.opened(stream, self.name), self.recipe, wanted, self.name)
            case "csv" | "tsv":
                return self._table(stream).rows(wanted)

    def count(self, stream: BinaryIO) -> int:
        """Read a whole input whose records are not lines, and return their number."""
        match self.kind:
            case "json":
                return sum(1 for _ in json_array.elements(stream))
            case "parquet":
                return parquet.check(parquet.opened(stream, self.name), self.recipe, self.name)
            case "csv" | "tsv":
                return sum(1 for _ in self._table(stream, is_checked=False).records())
            case "jsonl" | "txt":
                raise AssertionError("lines are counted as they are read")

    def survey(self, stream: BinaryIO) -> Survey:
        """Look at the first records. Raises UsageError when they lack what the recipe names."""
        if self.kind == "txt":
            if not self.recipe.is_plain:
                raise UsageError(
                    "--template, --send-fields, --keep-columns: a text file has no fields", hint=_NO_FIELDS
                )
            return of_text(self.first_texts(stream))
        header = self.header(stream)
        return of_json(self.first_texts(stream), self.recipe) if header is None else of_table(header, self.recipe)

    def header(self, stream: BinaryIO) -> list[str] | None:
        """Return the columns of a table, or None if it has no columns. Raises UsageError if one is missing."""
        match self.kind:
            case "parquet":
                file = parquet.opened(stream, self.name)
                parquet.check_columns(file, self.recipe)
                return parquet.header(file)
            case "csv" | "tsv":
                return self._table(stream).header
            case "json" | "jsonl" | "txt":
                return None

    def first_texts(self, stream: BinaryIO) -> Iterator[bytes]:
        """Yield the text of the first records of JSON, or the first lines of text."""
        if self.kind == "json":
            texts = (element.content for element in json_array.elements(stream))
        else:
            texts = (line for line in text_lines.lines(stream) if self.kind == "txt" or line.strip())
        size = 0
        for text in islice(texts, _FIRST):
            yield text
            size += len(text)
            if size > _FIRST_BYTES:
                return

    def ends_record(self, stream: BinaryIO, line: int) -> bool:
        """Return whether a record of a table ends with the line of this number."""
        return self._table(stream, is_checked=False).has_end_at(line)

    def _table(self, stream: BinaryIO, *, is_checked: bool = True) -> Table:
        table = Table(stream, self.recipe, self.delimiter)
        if is_checked:
            table.check()
        return table


_NO_FIELDS = "They are for JSON and tables: jq -R '{text: .}' turns lines into JSON."


def _keeping(row: Row) -> Row:
    row.keeps_prompt = True
    return row
