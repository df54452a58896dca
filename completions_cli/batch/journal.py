"""OUTPUT as a journal: one line for each row that is done, appended as it is done, readable at any moment.

What a crash leaves of it is settled by `recovery`.
"""

import os
from pathlib import Path
from typing import Protocol

from completions_cli.errors import OutputError

_HINT = "Make room or choose another place; the same command then resumes this run."


class Log(Protocol):
    """What a run's lines are appended to. Raises OutputError when it takes no more."""

    is_dirty: bool

    def append(self, lines: bytes) -> None:
        """Take lines, each with its LF."""

    def sync(self) -> None:
        """Make all lines last."""


class Journal:
    """Appends lines, all of an `append` or none. Raises OutputError when the disk takes no more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
            self._size = os.lseek(self._fd, 0, os.SEEK_END)
        except OSError as error:
            raise _failure(path, error) from error
        self.is_dirty = False

    def append(self, lines: bytes) -> None:
        """Write lines, each with its LF. They survive the end of this process, a power cut only after `sync`."""
        try:
            written = os.write(self._fd, lines)
            while written < len(lines):
                written += os.write(self._fd, lines[written:])
        except OSError as error:
            self._cut_back()
            raise _failure(self._path, error) from error
        self._size += len(lines)
        self.is_dirty = True

    def sync(self) -> None:
        """Make all lines last. After a failure nobody knows what did: the run must end."""
        self.is_dirty = False
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _failure(self._path, error) from error

    def close(self) -> None:
        """Close it; `sync` first."""
        os.close(self._fd)

    def _cut_back(self) -> None:
        """Take lines back that are there in part. If even that fails, `recovery` will."""
        try:
            os.ftruncate(self._fd, self._size)
            os.lseek(self._fd, self._size, os.SEEK_SET)
        except OSError:
            return


def _failure(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror}", hint=_HINT)
