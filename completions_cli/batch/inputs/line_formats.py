"""JSON Lines and plain text: a line a row."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import BinaryIO

from completions_cli.batch import rows
from completions_cli.batch.inputs import text_lines
from completions_cli.batch.inputs.text_lines import Oversized
from completions_cli.batch.recipe import Recipe
from completions_cli.batch.rows import Row

Wanted = Callable[[int], bool]


def json_rows(stream: BinaryIO, recipe: Recipe, wanted: Wanted, *, is_first: bool = True) -> Iterator[Row]:
    """Yield a row for each line that is not blank. In a stretch of a file, lines have no numbers to name."""
    parse = rows.json_row if recipe.is_plain else partial(rows.json_row, recipe=recipe)
    number = -1
    for line_number, line in enumerate(text_lines.lines(stream, is_first=is_first), 1):
        if not line or line.isspace():
            continue
        number += 1
        if wanted(number):
            row = rows.too_large(number, line) if isinstance(line, Oversized) else parse(number, line)
            yield row if row.error is None or not is_first else rows.placed(row, f"line {line_number}")


def text_rows(stream: BinaryIO, wanted: Wanted, *, is_first: bool = True) -> Iterator[Row]:
    """Yield a row for each line, an empty one too."""
    for number, line in enumerate(text_lines.lines(stream, is_first=is_first)):
        if wanted(number):
            row = rows.too_large(number) if isinstance(line, Oversized) else rows.text_row(number, line)
            yield row if row.error is None or not is_first else rows.placed(row, f"line {number + 1}")
