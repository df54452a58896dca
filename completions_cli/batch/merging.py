"""Outputs of shards, or folders of parts, joined into one."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from completions_cli.batch import ordering, outputs, run_file, totals
from completions_cli.batch.journal import Journal
from completions_cli.batch.ordering import Arranged
from completions_cli.batch.outputs import Outputs
from completions_cli.errors import UsageError


def merge(parts: Iterable[Path], output: Path) -> Arranged:
    """Join parts into `output`, in the order of the rows, each once.

    Where the parts tell which run they are of, they must be of the same one, and the output can be resumed. What
    OUTPUT.run says of another run is removed before the lines of the parts stand beside it.
    Raises UsageError for what is no part, OutputError when the output cannot be written.
    """
    found = outputs.find(parts)
    for file in found.files:
        if output.exists() and output.samefile(file):
            raise UsageError(f"{output} is one of the parts", hint="Choose another OUTPUT.")
    done = _arranged(found, output)
    if len(found.files) > 1:
        done.unchecked = [file for file, run in zip(found.files, found.runs, strict=True) if run is None]
    if found.run is not None:
        done.total = found.run.rows
        if None not in found.runs:
            took = totals.added([run.all_runs for run in found.runs if run is not None])
            replace(found.run, shard=(0, 1), all_runs=took).write(run_file.path_beside(output))
    return done


def _arranged(found: Outputs, output: Path) -> Arranged:
    rows = found.run.rows if found.run is not None else None
    journal = Journal(output)
    try:
        return ordering.arrange(
            found.files,
            [found.reader] * len(found.files),
            journal,
            row_total=rows,
            before=partial(run_file.remove, run_file.path_beside(output)),
        )
    except BaseException:
        journal.discard()
        raise
    finally:
        journal.close()
