"""`completions batch`: many requests from a file or a pipe, resumable."""

from typing import ClassVar

import typer

from completions_cli.commands.batch.options import BatchOptions
from completions_cli.commands.lazy import CommandWithVerbs
from completions_cli.commands.option_groups import with_options
from completions_cli.streams import Streams

app = typer.Typer(add_completion=False)


class _Command(CommandWithVerbs):
    package: ClassVar = __name__
    # Each is a module beside this one.
    verbs: ClassVar = {
        "status": "Show what an output holds and what needs attention.",
        "export": "Write an output as a flat table: CSV, TSV, Parquet or JSONL.",
        "merge": "Join the outputs of shards or of a cluster into one file.",
    }
    bare: ClassVar = {"--retry-failed": "all"}


@app.command(cls=_Command)
@with_options
def batch(streams: Streams, options: BatchOptions) -> None:
    """Complete every row of INPUT and write the answers to a file, one line per row.

    Run the same command again to resume, whatever ended an earlier run.
    """
    # Help and tab completion go without them.
    from completions_cli.commands import resolution
    from completions_cli.commands.batch import choices, report

    chosen = choices.parse(options, verbs=_Command.verbs)
    report.check_summary(chosen.summary, choices.files(options, chosen))
    pool = resolution.pool(streams, options, escapes=options.rows.escapes)
    resolution.warn(streams, pool.first)
    choices.check_alike(pool)
    chosen = choices.completed(chosen, pool)
    if chosen.plan:
        from completions_cli.commands.batch import plan

        plan.run(streams, chosen, pool)
    elif chosen.cluster is not None:
        from completions_cli.commands.batch import cluster

        cluster.run(streams, chosen, chosen.cluster, pool)
    else:
        from completions_cli.commands.batch import run

        run.run(streams, chosen, pool)
