"""OUTPUT and what lies beside it: locked, recognised as ours, and mended before a run resumes."""

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from completions_cli.batch import entry, ordering, recovery, run_file
from completions_cli.batch.journal import Journal
from completions_cli.batch.recovery import Recovered
from completions_cli.batch.run_file import RunFile
from completions_cli.errors import OutputError, UsageError


@dataclass(slots=True)
class Workspace:
    """An OUTPUT that is ours to write. Close it to let others have it."""

    path: Path
    run: RunFile
    recovered: Recovered
    journal: Journal
    lock: FileLock

    def tidy(self, *, replaced: bool, ordered: bool) -> None:
        """Leave one line a row where failures were `replaced`, in the order of the rows if `ordered`.

        Raises OutputError.
        """
        reader = partial(entry.read, output_format=self.run.output_format)
        if ordered:
            ordering.sort_in_place(self.path, reader)
        elif replaced:
            recovery.rewrite(self.path, reader)

    def close(self) -> None:
        """Close the journal and let go of the lock."""
        with suppress(OSError):
            self.journal.close()
        self.lock.release()


def locked(output: Path) -> FileLock:
    """Take the lock beside OUTPUT. Raises UsageError when another run has it, OutputError when there can be none."""
    _check_place(output)
    path = output.with_name(output.name + ".lock")
    try:
        # The lock takes a file it may not open for one that is locked.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o666))
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"another run is writing to {output}", hint="Wait for it, stop it, or choose another OUTPUT."
        ) from None
    except OSError as error:
        raise OutputError(
            f"{output} cannot be written: {error.strerror}", hint="Check the folder and its permissions."
        ) from error
    return lock


def prepare(output: Path, lock: FileLock, describe: Callable[[], RunFile], *, overwrite: bool) -> Workspace:
    """Make OUTPUT ready for a run: begun, or resumed. `describe` says what is to be run.

    Raises UsageError when it belongs to another run or holds lines that are none of a batch.
    """
    beside = run_file.path_beside(output)
    has_lines = output.exists() and output.stat().st_size > 0
    if has_lines and not overwrite:
        earlier = run_file.read(beside)
        if earlier is None:
            raise UsageError(
                f"{output} exists and is not the output of a batch",
                hint="Choose another OUTPUT, or --overwrite to lose what is in it.",
            )
        now = describe()
        now.check(earlier, output)
    else:
        now = describe()
        if has_lines:
            _empty(output)
        now.write(beside)
    reader = partial(entry.read, output_format=now.output_format)
    recovered = recovery.recover(output, reader, row_total=now.rows)
    return Workspace(output, now, recovered, Journal(output), lock)


def _empty(output: Path) -> None:
    try:
        os.truncate(output, 0)
    except OSError as error:
        raise OutputError(f"{output} cannot be overwritten: {error.strerror}") from error


def _check_place(output: Path) -> None:
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
            hint="A batch keeps its place in OUTPUT: it must be a file that stays.",
        )
