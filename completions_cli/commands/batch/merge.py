"""`completions batch merge`: outputs of shards joined into one."""

from typing import Annotated

import typer

from completions_cli import paths
from completions_cli.commands.common_options import ToolOptions
from completions_cli.commands.help_pages import Command
from completions_cli.commands.option_groups import option_group, with_options
from completions_cli.streams import Streams

_SHOWN = 3  # names of a note
app = typer.Typer(add_completion=False)


@option_group
class MergeOptions:
    """Everything that `batch merge` takes."""

    parts: Annotated[
        list[str], typer.Argument(metavar="PART...", help="Outputs of shards, or folders of a cluster's parts.")
    ]
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="File to write.")] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output, if it exists.")] = False
    common: ToolOptions


@app.command(cls=Command)
@with_options
def merge(streams: Streams, options: MergeOptions) -> None:
    """Join the outputs of shards or of a cluster into one file.

    Each row is written once, in input order. To run a batch on an input file called merge, write ./merge.
    """
    from completions_cli.batch import merging, workspace  # the help goes without them
    from completions_cli.batch.cluster import staging
    from completions_cli.commands import overwriting
    from completions_cli.commands.batch import choices
    from completions_cli.errors import RowsFailedError, UsageError

    output = choices.output(options.output)
    workspace.check_place(output)
    overwriting.check_records(output, "-o")
    if output.exists() and output.stat().st_size and not options.overwrite:
        raise UsageError(f"{output} exists", hint="Choose another OUTPUT, or add --overwrite.")
    with staging.local(options.parts, output.parent) as parts:
        done = merging.merge(parts, output)
    words = [f"{done.rows} rows, {done.failed} of them failed"]
    words += [f"duplicates left out: {done.repeated}"] if done.repeated else []
    words += [f"incomplete lines left out: {done.torn}"] if done.torn else []
    streams.stderr.note(f"merged: {', '.join(words)}; output: {paths.on_a_line(output)}")
    if done.unchecked:
        names = ", ".join(f"{paths.on_a_line(part)}.run" for part in done.unchecked[:_SHOWN])
        more = f" and {len(done.unchecked) - _SHOWN} more" if len(done.unchecked) > _SHOWN else ""
        streams.stderr.note(
            f"note: not checked whether all parts have the same input and parameters: missing {names}{more}"
        )
    if len(done.models) > 1:
        named = ", ".join(f"{model} ({count})" for model, count in done.models.most_common())
        streams.stderr.note(f"note: the answers come from several models: {named}")
    if done.absent:
        raise RowsFailedError(
            f"{done.absent} {'row is' if done.absent == 1 else 'rows are'} in none of the parts",
            hint="Is a shard missing or unfinished? The parts are merged; a batch with this OUTPUT completes the rest.",
        )
    if done.failed:
        raise RowsFailedError(
            f"{done.failed} of {done.rows} rows failed",
            hint="They are in the output with their errors; a batch with --retry-failed sends them again.",
        )
