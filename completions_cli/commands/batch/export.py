"""`completions batch export`: an output as a flat table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from completions_cli.commands.help_pages import Command
from completions_cli.commands.option_groups import option_group, with_options
from completions_cli.commands.options import CommonOptions
from completions_cli.streams import Streams

if TYPE_CHECKING:
    from completions_cli.batch.export.writers import Table
    from completions_cli.batch.held import Held

_TABLES: "dict[str, Table]" = {".csv": "csv", ".tsv": "tsv", ".parquet": "parquet", ".jsonl": "jsonl"}
app = typer.Typer(add_completion=False)


@option_group
class ExportOptions:
    """Everything that `batch export` takes."""

    source: Annotated[str, typer.Argument(metavar="OUTPUT", help="The output of a batch, or a cluster's folder.")]
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="A .csv, .tsv, .parquet or .jsonl file.")
    ] = None
    common: CommonOptions


@app.command(cls=Command)
@with_options
def export(streams: Streams, options: ExportOptions) -> None:
    """Write the rows of an output as a flat table in input order, one line per sample.

    The columns are id, row, those of the input, and those of the answer.
    """
    from completions_cli.batch import held  # the help goes without them
    from completions_cli.batch.cluster import staging
    from completions_cli.batch.export import exporting

    target, table = _target(options.output)
    with staging.local([options.source], target.parent) as places:
        found = held.find(places)
        _keep(target, found)
        lines = exporting.export(found, target, table)
    streams.stderr.note(f"exported: {lines} lines; output: {target}")


def _target(text: str | None) -> "tuple[Path, Table]":
    from completions_cli.errors import OutputError, UsageError

    if text is None:
        raise UsageError(
            "no file for the table was given", hint="Name one with -o: a .csv, .tsv, .parquet or .jsonl file."
        )
    target = Path(text).expanduser()
    table = _TABLES.get(target.suffix.lower())
    if table is None:
        raise UsageError(
            f"{text} does not say what kind of table it is", hint="End its name in .csv, .tsv, .parquet or .jsonl."
        )
    if not target.parent.is_dir():
        raise OutputError(f"there is no folder {target.parent}", hint="Make it first.")
    return target, table


def _keep(target: Path, found: "Held") -> None:
    """Refuse to write over what a batch has read or written. Raises UsageError."""
    from completions_cli.commands import overwriting
    from completions_cli.errors import UsageError

    overwriting.check_batches(target, "-o")
    if target.exists() and any(target.samefile(file) for file in found.files):
        raise UsageError(f"{target} is the output of a batch", hint="Choose another FILE for -o.")
    # The folder may have been that of another working folder; an old table is worth less than an input.
    if target.exists() and any(run is not None and Path(run.input.name).name == target.name for run in found.runs):
        raise UsageError(f"{target} may be the input of the batch", hint="Choose another FILE for -o.")
