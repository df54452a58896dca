"""OUTPUT and OUTPUT.run: locked, recognised as ours, and mended before a run resumes.

What lasts in which order, so that a power cut at any moment leaves what the same command finishes:

1. OUTPUT is made and locked, and its folder synced: its name is durable before anything is in it.
2. A new run: what was in OUTPUT (`--overwrite`) is cut off and synced before OUTPUT.run says what the new run is, so
   old answers never stand under new parameters. OUTPUT.run is written aside, synced, moved into place, folder synced.
3. A resumed run: OUTPUT.run stays as it is, but for an input that has grown: then it is replaced as in 2 before any of
   the new rows is asked. A torn end is cut off and synced. Where lines amid the file have to go, a
   copy is written, synced and moved into OUTPUT's place, and the folder is synced.
4. Answers are appended and synced every 0.2 s. Until then a power cut takes them: their rows are asked again.
5. The end: OUTPUT is synced; with `--ordered`, or where failures were replaced, a copy takes its place as in 3. Then
   OUTPUT.run, which what the runs took is added to, is replaced as in 2, as it is every ten seconds of a run.
6. `merge` (in `merging`): the lines of the parts are written aside and synced; an OUTPUT.run of other lines is removed
   and the folder synced; then the lines take OUTPUT's place, and a new OUTPUT.run is written as in 2.

Other files (an answer, a table, a summary, profiles, a key) are each replaced as OUTPUT.run in 2 is, by `atomic`. A key
file is in its place before the profile file names it.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from completions_cli import atomic
from completions_cli.batch import entry, ordering, recovery, run_file
from completions_cli.batch.journal import Journal
from completions_cli.batch.recovery import Recovered
from completions_cli.batch.run_file import HasGrown, RunFile
from completions_cli.errors import OutputError, UsageError
from completions_cli.models import Json


@dataclass(slots=True)
class Workspace:
    """An OUTPUT that this run may write. Closing its journal releases it."""

    run: RunFile
    recovered: Recovered
    journal: Journal
    notes: list[str] = field(default_factory=list)

    def save(self, all_runs: Mapping[str, Json]) -> None:
        """Record the totals of all runs. Raises OutputError."""
        replace(self.run, all_runs=all_runs).write(run_file.path_beside(self.journal.path))

    def tidy(self, *, replaced: bool, ordered: bool) -> None:
        """Leave one line a row where failures were `replaced`, in the order of the rows if `ordered`.

        Raises OutputError.
        """
        reader = partial(entry.read, output_format=self.run.output_format)
        if ordered:
            ordering.sort_in_place(self.journal, reader)
        elif replaced:
            recovery.rewrite(self.journal, reader)
        self.journal.check()


def opened(output: Path) -> Journal:
    """Open and lock OUTPUT, made if need be. Raises UsageError when another run has it, OutputError when it cannot."""
    check_place(output)
    return Journal(output)


def prepare(
    journal: Journal,
    describe: Callable[[], RunFile],
    *,
    overwrite: bool,
    adopt: bool = False,
    has_grown: HasGrown | None = None,
) -> Workspace:
    """Prepare OUTPUT for a new or resumed run. `describe` returns the description of the run.

    With `adopt` an output whose OUTPUT.run was lost is taken as it is. An input that `has_grown` goes on.

    Raises UsageError, with nothing touched, when it belongs to another run or holds lines that are none of a batch.
    """
    output = journal.path
    beside = run_file.path_beside(output)
    if not journal.size or overwrite:
        return _begun(journal, describe(), beside)
    earlier = run_file.read(beside)
    if earlier is None and not adopt:
        raise _of_unknown_run(output, beside)
    now = describe()
    is_grown = earlier is not None and now.check(earlier, output, has_grown=has_grown)
    reader = partial(entry.read, output_format=now.output_format)
    found = recovery.recover(journal, reader, row_total=now.rows)
    atomic.sweep(output)
    if earlier is None:
        now.write(beside)
        return Workspace(now, found, journal, found.notes(output))
    now = replace(now, all_runs=earlier.all_runs)
    if is_grown:
        now.write(beside)
    notes = [now.growth(earlier)] if is_grown else []
    return Workspace(now, found, journal, [*notes, *now.notes(earlier, output), *found.notes(output)])


def _begun(journal: Journal, now: RunFile, beside: Path) -> Workspace:
    """Begin a run with an empty OUTPUT."""
    if journal.size:
        journal.truncate(0)
    atomic.sweep(journal.path)
    now.write(beside)
    return Workspace(now, Recovered(), journal)


def _of_unknown_run(output: Path, beside: Path) -> UsageError:
    is_there = os.path.lexists(beside)
    why = f"{beside.name} is damaged, or of another version" if is_there else f"there is no {beside.name}"
    return UsageError(
        f"{output} exists, and {why}: it is not known which batch the output belongs to",
        hint="Choose another OUTPUT. If it belongs to this batch, --adopt resumes it; --overwrite discards it.",
    )


def check_place(output: Path) -> None:
    """Refuse an OUTPUT that cannot hold lines: OutputError without its folder, UsageError for a pipe or device."""
    try:
        mode = output.stat().st_mode
    except FileNotFoundError:
        if not output.parent.is_dir():
            raise OutputError(f"there is no folder {output.parent}", hint="Make it first.") from None
        return
    except OSError as error:
        raise OutputError(f"{output} cannot be written: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise UsageError(
            f"{output} is not a regular file",
            hint="A batch records its progress in OUTPUT, so it must be a regular file.",
        )
