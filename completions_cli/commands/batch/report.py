"""How a batch ends: its totals as JSON, and its exit code."""

import json
import os
from collections.abc import Mapping

from completions_cli import atomic, paths
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.commands import overwriting
from completions_cli.errors import OutputError, RowsFailedError
from completions_cli.exit_codes import ExitCode
from completions_cli.models import Json
from completions_cli.streams import Streams, visible_json


def raise_ending(totals: Totals, ending: Ending | None) -> None:
    """Raise what the exit code comes from; return when all rows are answered."""
    if ending is not None:
        if ending.error is not None:
            raise ending.error
        if ending.reason == "terminate":
            raise SystemExit(ExitCode.TERMINATED)
        if ending.reason == "hangup":
            raise SystemExit(ExitCode.HUNG_UP)
        raise KeyboardInterrupt
    failed = totals.failed.total()
    if failed:
        last = f"; the last: {totals.last_error}" if totals.last_error else ""
        raise RowsFailedError(f"{failed} of {totals.rows} rows failed{last}", hint=_what_helps(totals))


def _what_helps(totals: Totals) -> str:
    """Say how to go on after rows failed: no request is suggested that would fail again."""
    counts = totals.in_output
    if counts is not None and not counts.worth_retrying:
        return "They are in the output with their errors, and would fail again as they are."
    return "They are in the output with their errors; --retry-failed sends them again."


def check_summary(path: str | None, used: Mapping[str, str]) -> None:
    """Find out before a long run that its summary will have no place, or take that of a file in `used`.

    Raises OutputError, UsageError.
    """
    if path is None or path == "-":
        return
    target = paths.expanded(path)
    if not target.parent.is_dir():
        raise OutputError(f"--summary: there is no folder {target.parent}", hint="Make it first.")
    if paths.is_file(target) or not os.path.lexists(target):
        atomic.AtomicFile(target).discard()  # raises now what would be raised after the run
    elif target.is_dir():
        raise OutputError(f"--summary: {target} is a folder", hint="Name a file in it.")
    overwriting.check(path, "--summary", used)


def write_summary(
    path: str | None, totals: Totals, streams: Streams, earlier: Mapping[str, Json] | None = None
) -> None:
    """Write the totals as JSON to a file, or to stdout for `-`; `earlier` is what earlier runs took."""
    if path is None:
        return
    text = visible_json(json.dumps(totals.as_json(earlier))).encode() + b"\n"
    if path == "-":
        streams.stdout.write(text)
        return
    atomic.write(paths.expanded(path), text)
