"""Rows of names and values: a table on a terminal, lines with tabs in a pipe."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from completions_cli.streams import Output, visible

if TYPE_CHECKING:
    from rich.console import Console

# Columns of a table that hold no text: at both of its edges, and between two of its columns.
_EDGES, _BETWEEN = 2, 3
_NARROWEST = 20  # of a column whose text is wrapped
_PUNCTUATION = re.compile(r"[/?&=.,:;_-]+")


def show(columns: Sequence[str], rows: Sequence[Sequence[str]], stdout: Output, *, color: bool) -> None:
    """Print rows. In a pipe each is a line, its cells separated by tabs, without a heading."""
    if stdout.can_draw:
        stdout.write(_drawn(columns, rows, color=color).encode("utf-8", "replace"))
        return
    show = visible if stdout.is_terminal else str
    lines = ["\t".join(show(_cell(cell)) for cell in row) + "\n" for row in rows]
    stdout.write("".join(lines).encode("utf-8", "replace"))


def _cell(text: str) -> str:
    """Keep a cell on its line and in its column."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") if set(text) & {"\t", "\n"} else text


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[str]], *, color: bool) -> str:
    """Draw a table, or each row as lines where the terminal is too narrow for a table."""
    import io

    from rich.console import Console

    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard" if color else None, legacy_windows=False
    )
    cells = [[visible(cell) for cell in row] for row in rows]
    widths = _widths([columns, *cells], console.width - _EDGES - _BETWEEN * (len(columns) - 1))
    with console.capture() as capture:
        if widths is None:
            _draw_lines(cells, console)
        else:
            _draw_table(columns, cells, widths, console)
    return capture.get()


def _draw_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], widths: Sequence[int], console: "Console"
) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(column, width=width)
    for row in rows:
        table.add_row(*(Text(_breakable(cell, width)) for cell, width in zip(row, widths, strict=True)))
    console.print(table)


def _draw_lines(rows: Sequence[Sequence[str]], console: "Console") -> None:
    from rich.text import Text

    for name, *others in rows:
        console.print(Text(name, "bold"), soft_wrap=True)
        for line in _wrapped(others, console.width):
            console.print(Text(line), soft_wrap=True)


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Return the width of each column: the widest makes way for the others. None if that leaves it too little."""
    from rich.cells import cell_len

    columns = [list(column) for column in zip(*rows, strict=True)]
    widths = [max(cell_len(line) for cell in column for line in cell.split("\n")) for column in columns]
    excess = sum(widths) - room
    if excess > 0:
        widest = widths.index(max(widths))
        widths[widest] -= excess
        if widths[widest] < _NARROWEST:
            return None
    return widths


def _breakable(text: str, width: int) -> str:
    """Break words that are wider than a column: after punctuation, as in a path or URL, where there is some."""
    from rich.cells import cell_len

    if all(cell_len(word) <= width for word in text.split()):
        return text
    return re.sub(r"\S+", lambda word: "\n".join(_pieces(word[0], width)), text)


def _pieces(word: str, width: int) -> Iterator[str]:
    from rich.cells import set_cell_size

    while len(fitting := set_cell_size(word, width).rstrip(" ")) < len(word):
        end = max((found.end() for found in _PUNCTUATION.finditer(fitting)), default=len(fitting))
        yield word[: end or 1]
        word = word[end or 1 :]
    yield word


def _wrapped(cells: Sequence[str], width: int) -> Iterator[str]:
    """Yield cells as indented lines, broken at spaces alone: a path that is too long is wrapped by the terminal."""
    for cell in cells:
        for line in cell.split("\n"):
            yield from textwrap.wrap(
                line,
                max(width, _NARROWEST),
                initial_indent="  ",
                subsequent_indent="  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
