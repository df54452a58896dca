"""Files that are either as they were or whole: written beside their place, then moved into it."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Protocol

from completions_cli.errors import OutputError


class Destination(Protocol):
    """Where an answer goes."""

    is_terminal: bool

    def write(self, data: bytes) -> None:
        """Write all of it. Raises OutputError."""


class AtomicFile:
    """Writes FILE by way of a temporary file in the same folder.

    `commit()` moves it into place; `keep_partial()` leaves what came as FILE.partial and FILE
    itself untouched. What is not a regular file (a pipe, /dev/null) is written to directly.
    """

    is_terminal = False

    def __init__(self, path: Path, *, mode: int | None = None) -> None:
        self.path = path
        self._target = path.resolve() if path.is_symlink() else path
        self._mode = mode
        self._temporary: Path | None = None
        self._is_open = True
        try:
            self._fd = self._open()
        except OSError as error:
            raise self._failure(error) from error

    def write(self, data: bytes) -> None:
        """Write all of it. Raises OutputError, for a full disk as for anything else."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            self.discard()
            raise self._failure(error) from error

    def commit(self) -> None:
        """Make the file whole and visible, surviving a power cut."""
        self._finish(self._target)

    def keep_partial(self) -> Path | None:
        """Keep what was written as FILE.partial; None when there is nothing to keep."""
        if not self._is_open or self._temporary is None or os.fstat(self._fd).st_size == 0:
            self.discard()
            return None
        partial = self._target.with_name(self._target.name + ".partial")
        self._finish(partial)
        return partial

    def discard(self) -> None:
        """Leave everything as it was."""
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(OSError):
                os.close(self._fd)
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()

    def _open(self) -> int:
        target = self._target
        if target.is_dir():
            raise IsADirectoryError(21, "it is a folder", str(target))
        if target.exists() and not target.is_file():
            return os.open(target, os.O_WRONLY)
        fd, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        self._temporary = Path(name)
        mode = self._mode
        if mode is None:
            mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
        self._temporary.chmod(mode)
        return fd

    def _finish(self, target: Path) -> None:
        try:
            if self._temporary is not None:
                os.fsync(self._fd)
            self._is_open = False
            os.close(self._fd)
            if self._temporary is not None:
                self._temporary.replace(target)
                _sync_folder(target.parent)
        except OSError as error:
            self.discard()
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path} cannot be written: {error.strerror}", hint="Check the folder, its permissions and the disk."
        )


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename last; not every system can, and then there is nothing to be done."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
