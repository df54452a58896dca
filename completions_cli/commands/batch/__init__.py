"""`completions batch`: many requests from a file or a pipe, resumable."""

from typing import Annotated

import typer

from completions_cli.commands.batch.options import ClusterOptions, PaceOptions, RowOptions, StopOptions
from completions_cli.commands.help_pages import Command
from completions_cli.commands.option_groups import with_options
from completions_cli.commands.options import CommonOptions, ConnectionOptions, ParameterOptions
from completions_cli.errors import UsageError

app = typer.Typer(add_completion=False)


@app.command(cls=Command)
@with_options
def batch(
    ctx: typer.Context,
    rows: RowOptions,
    pace: PaceOptions,
    limits: StopOptions,
    cluster: ClusterOptions,
    params: ParameterOptions,
    connection: ConnectionOptions,
    common: CommonOptions,
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT",
            help="A .jsonl, .txt or .csv file (also .gz), or - for stdin.",
        ),
    ],
) -> None:
    """Complete every row of INPUT and write the answers to a file, a line a row.

    The same command goes on where an earlier run ended, however it ended.
    `completions batch merge PART ... -o OUTPUT` joins the outputs of shards.
    """
    from completions_cli.commands.batch import choices, run  # help and tab completion go without them

    if source[0] == "merge":
        from completions_cli.commands.batch import merge

        merge.run(ctx.obj, source[1:], rows, common)
        return
    if len(source) > 1:
        raise UsageError(
            f"one INPUT at a time, not {len(source)}", hint="Pipe several in: cat a.jsonl b.jsonl | completions batch -"
        )
    if choices.is_on_ray(cluster):
        from completions_cli.commands.batch import cluster as on_ray

        on_ray.run(ctx.obj, source[0], rows, pace, limits, params, connection, common, cluster)
        return
    run.run(ctx.obj, source[0], rows, pace, limits, params, connection, common)
