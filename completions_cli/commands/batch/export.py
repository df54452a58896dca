"""`completions batch export`: an output as a flat table."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from completions_cli import paths
from completions_cli.commands.common_options import Panel, ToolOptions
from completions_cli.commands.help_pages import Command
from completions_cli.commands.option_groups import option_group, with_options
from completions_cli.streams import Streams, visible, visible_json

if TYPE_CHECKING:
    from completions_cli.atomic import Destination
    from completions_cli.batch.export.exporting import Only
    from completions_cli.batch.export.writers import Sink, Table
    from completions_cli.batch.outputs import Outputs
    from completions_cli.errors import UsageError

_TABLES: "tuple[Table, ...]" = ("csv", "tsv", "parquet", "jsonl")
_ONLY: "tuple[Only, ...]" = ("ok", "failed")
app = typer.Typer(add_completion=False)
_options = Panel("Options")


@option_group
class ExportOptions:
    """Everything that `batch export` takes."""

    source: Annotated[str, typer.Argument(metavar="OUTPUT", help="The output of a batch, or a cluster's folder.")]
    output: Annotated[
        str | None,
        _options("--output", "-o", metavar="FILE", help="A .csv, .tsv, .parquet or .jsonl file; - is stdout."),
    ] = None
    format: Annotated[
        str | None,
        _options.word(
            "--format",
            "-F",
            metavar="KIND",
            known=_TABLES,
            help="csv, tsv, parquet or jsonl, whatever the name of FILE. (default for stdout: csv)",
        ),
    ] = None
    only: Annotated[
        str | None,
        _options.word(
            "--only",
            metavar="WHICH",
            known=_ONLY,
            help="ok or failed: export only the rows that succeeded, or only those that failed.",
        ),
    ] = None
    common: ToolOptions


@app.command(cls=Command)
@with_options
def export(streams: Streams, options: ExportOptions) -> None:
    """Write the rows of an output as a flat table in input order, one line per sample.

    The columns are id, row, those of the input, and those of the answer.
    """
    from completions_cli.batch import outputs
    from completions_cli.batch.cluster import staging
    from completions_cli.batch.export import exporting

    target, table = _target(options.output, cast("Table | None", options.format))
    folder = _scratch_folder(target)
    with staging.local([options.source], folder) as places:
        found = outputs.find(places)
        if target is not None:
            _keep(target, found)
        with _opened(target, table, streams) as sink:
            exported = exporting.export(found, sink, table, folder, cast("Only | None", options.only))
    where = "" if target is None else f"; output: {paths.on_a_line(target)}"
    streams.stderr.note(f"exported: {exported.lines} line{'' if exported.lines == 1 else 's'}{where}")
    total = found.row_total() or 0
    if total > exported.rows:
        streams.stderr.note(f"note: {total - exported.rows} of {total} rows are not in {options.source} yet")


def _scratch_folder(target: Path | None) -> Path:
    """Return where an index may be kept: beside the table, or with temporary files if it is a pipe or a device."""
    import tempfile  # the help goes without it

    if target is None or (os.path.lexists(target) and not paths.is_file(target)):
        return Path(tempfile.gettempdir())
    return paths.real(target).parent


def _target(text: str | None, kind: "Table | None") -> "tuple[Path | None, Table]":
    """Return the file to write, None for stdout, and the kind of table."""
    from completions_cli.errors import OutputError

    if text is None:
        raise _usage("no file for the table was given", "Name one with -o: a .csv, .tsv, .parquet or .jsonl file.")
    if text == "-":
        return None, kind or "csv"
    target = paths.expanded(text)
    table = kind or next((table for table in _TABLES if target.suffix.lower() == f".{table}"), None)
    if table is None:
        raise _usage(
            f"{text} does not say what kind of table it is",
            "End its name in .csv, .tsv, .parquet or .jsonl, or add -F csv.",
        )
    if not target.parent.is_dir():
        raise OutputError(f"there is no folder {target.parent}", hint="Make it first.")
    return target, table


def _usage(message: str, hint: str) -> "UsageError":
    from completions_cli.errors import UsageError

    return UsageError(message, hint=hint)


@contextmanager
def _opened(target: Path | None, table: "Table", streams: Streams) -> "Iterator[Sink]":
    """Open what the table is written to: a file, whole or not at all, or stdout."""
    if target is None:
        yield _sink(streams.stdout, table)
        return
    from completions_cli.atomic import AtomicFile

    file = AtomicFile(target)
    try:
        yield _sink(file, table)
    except BaseException:
        file.discard()
        raise
    file.commit()


def _sink(destination: "Destination", table: "Table") -> "Sink":
    """Return what takes a table: the destination itself unless it is a terminal. Raises UsageError."""
    if not destination.is_terminal:
        return destination
    if table == "parquet":
        raise _usage("Parquet cannot be shown on a terminal", "Name a file with -o, or pipe it into a program.")
    return _Shown(destination, visible_json if table == "jsonl" else visible)


class _Shown:
    """Writes text to a terminal, control characters made visible."""

    def __init__(self, terminal: "Destination", show: Callable[[str], str]) -> None:
        self._terminal, self._show = terminal, show

    def write(self, data: bytes) -> None:
        """Write all of it."""
        self._terminal.write(self._show(data.decode()).encode())


def _keep(target: Path, found: "Outputs") -> None:
    """Refuse to write over what a batch has read or written. Raises UsageError."""
    from completions_cli.commands import overwriting

    overwriting.check_batches(target, "-o")
    if not paths.is_file(target):
        return
    if any(target.samefile(file) for file in found.files):
        raise _usage(f"{target} is the output of a batch", "Choose another FILE for -o.")
    # The folder may have been that of another working folder; an old table is worth less than an input.
    if any(run is not None and Path(run.input.name).name == target.name for run in found.runs):
        raise _usage(f"{target} may be the input of the batch", "Choose another FILE for -o.")
