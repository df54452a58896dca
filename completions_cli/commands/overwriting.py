"""Files that a command must not write over: those that it uses, and those of batches."""

import os
from collections.abc import Mapping
from pathlib import Path

from completions_cli import paths
from completions_cli.errors import UsageError

_RECORD = ".run"  # what a batch keeps beside its output


def check(typed: str, option: str, used: Mapping[str, str] | None = None) -> None:
    """Refuse to write to a file that is in use, or in a folder that is, or that belongs to a batch.

    `used` are paths by what they are called. Raises UsageError.
    """
    target = paths.expanded(typed)
    for name, path in (used or {}).items():
        where = _place(target, paths.expanded(path.removeprefix("file://")))
        if where is not None:
            raise UsageError(f"{option} {typed} is {where} {name}", hint=f"Choose another FILE for {option}.")
    check_batches(target, option)


def check_batches(target: Path, option: str) -> None:
    """Refuse to write over what a batch has written. Raises UsageError."""
    real = Path(os.path.realpath(target))
    if paths.is_file(real) and os.path.lexists(f"{real}{_RECORD}"):
        raise UsageError(f"{target} is the output of a batch", hint=f"Choose another FILE for {option}.")
    check_records(target, option)


def check_records(target: Path, option: str) -> None:
    """Refuse to write over what a batch keeps beside its output. Raises UsageError."""
    real = Path(os.path.realpath(target))
    output = Path(str(real).removesuffix(_RECORD))
    if output != real and paths.is_file(output) and paths.is_file(real):
        raise UsageError(
            f"{target} belongs to the output of a batch, {output.name}", hint=f"Choose another FILE for {option}."
        )


def _place(target: Path, path: Path) -> str | None:
    """Return how a file relates to one in use; None where they have nothing to do with each other."""
    real, other = Path(os.path.realpath(target)), Path(os.path.realpath(path))
    if real == other:
        return "the same file as"
    if other in real.parents:
        return "inside"
    try:
        return "the same file as" if target.samefile(path) else None
    except OSError:  # one of them is not there yet
        return None
