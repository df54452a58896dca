"""Input files, opened so that every failure to read them is reported with their name."""

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from completions_cli import paths
from completions_cli.errors import UsageError


class _NamedFile(io.FileIO):
    """A file that reports the failures of its disk or network in the middle of a run, too."""

    def __init__(self, path: str) -> None:
        super().__init__(paths.expanded(path), "rb")
        self._typed = path

    def readinto(self, buffer: object, /) -> int:
        """Read on. Raises UsageError."""
        with failure_named(self._typed):
            return cast("int", super().readinto(buffer))  # type: ignore[arg-type] # a buffer has no type

    def readall(self) -> bytes:
        """Read the rest. Raises UsageError."""
        with failure_named(self._typed):
            return super().readall()


@contextmanager
def failure_named(name: str) -> Iterator[None]:
    """Report an OSError of a block as a failure to read `name`. Raises UsageError."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{name} cannot be read: {reason or error}", hint="Check the path.") from error


def opened(path: str) -> tuple[BinaryIO, bool]:
    """Open a file and return whether it is a regular one. Raises UsageError, also for an endless device."""
    with failure_named(path):
        file = io.BufferedReader(_NamedFile(path))
    mode = os.fstat(file.fileno()).st_mode
    if stat.S_ISBLK(mode) or (stat.S_ISCHR(mode) and not file.isatty() and file.peek(1)):
        file.close()
        raise UsageError(f"{path} is a device, not a file", hint="Name a file, or - for standard input.")
    return file, stat.S_ISREG(mode)
