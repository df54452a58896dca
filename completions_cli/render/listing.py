"""Rows of names and values: a table on a terminal, lines with tabs in a pipe."""

from collections.abc import Sequence

from completions_cli.streams import Output, visible


def show(columns: Sequence[str], rows: Sequence[Sequence[str]], stdout: Output, *, color: bool) -> None:
    """Print rows. In a pipe each is a line, its cells separated by tabs, without a heading."""
    if stdout.can_draw:
        stdout.write(_table(columns, rows, color=color).encode("utf-8", "replace"))
        return
    show = visible if stdout.is_terminal else str
    lines = ["\t".join(show(_cell(cell)) for cell in row) + "\n" for row in rows]
    stdout.write("".join(lines).encode("utf-8", "replace"))


def _cell(text: str) -> str:
    """Keep a cell on its line and in its column."""
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n") if set(text) & {"\t", "\n"} else text


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, color: bool) -> str:
    import io

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard" if color else None, legacy_windows=False
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    with console.capture() as capture:
        console.print(table)
    return capture.get()
