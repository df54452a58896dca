"""OUTPUT as a journal: one line for each row that is done, appended as it is done, readable at any moment.

What a crash leaves of it is settled by `recovery`.
"""

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from completions_cli import atomic
from completions_cli.atomic import AtomicFile
from completions_cli.batch import locking
from completions_cli.errors import OutputError

_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
_MOST_TRIES = 10
_HINT = "Free some space or choose another place; the same command then resumes this run."
_PLACE_HINT = "Check the folder and its permissions, or choose another place."
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TOUCHED_HINT = (
    "Put it back if it was moved, and do not change it during a run; the same command then resumes this one."
)


class CutShortError(OutputError):
    """The disk took no more: of the bytes to append, only the first `kept` are there, which are whole lines."""

    def __init__(self, message: str, *, hint: str | None = None, kept: int = 0) -> None:
        super().__init__(message, hint=hint)
        self.kept = kept


class Log(Protocol):
    """Where a run appends its lines. Raises OutputError if it cannot be written."""

    is_dirty: bool

    def append(self, lines: bytes) -> None:
        """Append lines, each with its LF."""

    def sync(self) -> None:
        """Flush all lines to the disk."""

    def check(self) -> None:
        """Check that the file is still the same and in its place."""


class Journal:
    """An OUTPUT that is open and locked. Appends whole lines.

    Raises CutShortError when the disk takes no more, OutputError when somebody else touched the file, UsageError when
    another run has it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._place = path.absolute()  # the folder may be renamed under us
        self.is_new = False
        self.is_dirty = False
        self._has_identity = True  # some network file systems number a file anew each time it is looked at
        self._fd, self.lock = self._open()
        self._opened = os.fstat(self._fd)  # by which the file is known again
        self._size = self._opened.st_size

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._size

    def append(self, lines: bytes) -> None:
        """Write lines, each with its LF. They survive the end of this process, a power cut only after `sync`.

        On a full disk the lines that still fit are kept, lest paid answers be lost.
        """
        self.check()
        written = 0
        try:
            while written < len(lines):
                written += os.write(self._fd, lines[written:] if written else lines)
        except OSError as error:
            kept = self._cut_back(lines[:written])
            raise CutShortError(f"{self.path} cannot be written: {error.strerror}", hint=_HINT, kept=kept) from error
        self._size += len(lines)
        self.is_dirty = True

    def sync(self) -> None:
        """Flush all lines to the disk. After a failure it is unknown which lines were: the run must end."""
        self.is_dirty = False
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _failure(self.path, error) from error

    def check(self) -> None:
        """Check that the file is in its place and has the size that this run gave it. Raises OutputError."""
        self.lock.check()
        try:
            found = self._place.stat()
        except (FileNotFoundError, NotADirectoryError):
            raise _touched(f"{self.path} was removed or moved during the run") from None
        except OSError as error:
            raise _failure(self.path, error) from error
        if self._has_identity and not os.path.samestat(found, self._opened):
            raise _touched(f"{self.path} was replaced by another file during the run")
        if found.st_size != self._size:
            how = "cut" if found.st_size < self._size else "written to by somebody else"
            raise _touched(f"{self.path} was {how} during the run")

    def truncate(self, size: int) -> None:
        """Truncate the file durably."""
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise _failure(self.path, error) from error
        self._size = size
        self.sync()

    def copy(self) -> AtomicFile:
        """Return a file that takes this one's place when it is committed, and is then what this journal writes."""
        return _Copy(self)

    def close(self) -> None:
        """Close the file and release the lock. Call `sync` first."""
        with suppress(OSError):
            os.close(self._fd)
        self.lock.release()

    def discard(self) -> None:
        """Remove the file if this journal created it and wrote nothing."""
        with suppress(OSError, OutputError):
            if self.is_new and self._size == 0:
                self.check()
                self._place.unlink()

    def take_over(self, fd: int) -> None:
        """Write from now on to the file that has replaced this one."""
        with suppress(OSError):
            os.close(self._fd)
        self._fd = fd
        self._opened = os.fstat(fd)
        self._size = self._opened.st_size
        self.is_dirty = False

    def _open(self) -> tuple[int, locking.Lock]:
        """Open and lock the file that has the name, which another may take until the lock is ours."""
        for left in reversed(range(_MOST_TRIES)):
            fd = self._open_once()
            try:
                lock = locking.take(fd, self.path)
                self._has_identity = self._is_in_place(fd)
                if self._has_identity or not left:
                    return fd, lock
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
            lock.release()
        raise locking.taken(self.path)

    def _is_in_place(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self._place.stat())
        except FileNotFoundError:
            return False

    def _open_once(self) -> int:
        try:
            try:
                return os.open(self.path, _FLAGS)
            except FileNotFoundError:
                fd = os.open(self.path, _FLAGS | os.O_CREAT, 0o666)
                self.is_new = True
        except OSError as error:
            raise _failure(self.path, error) from error
        atomic.sync_folder(self._place.parent)
        return fd

    def _cut_back(self, written: bytes) -> int:
        """Cut off a line that was written in part, and return how many bytes are left. If it fails, `recovery` does."""
        kept = written.rfind(b"\n") + 1
        with suppress(OSError):
            if os.fstat(self._fd).st_size == self._size + len(written):
                os.ftruncate(self._fd, self._size + kept)
                self._size += kept
                self.is_dirty = True
        return kept


class _Copy(AtomicFile):
    """A file that takes the place of a journal's, locked before anybody else can see it."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal.path)
        self._journal = journal
        journal.lock.move_to(self._fd)

    def commit(self) -> None:
        """Replace the journal by the copy."""
        self._journal.check()
        if sys.platform == "win32":  # no file can be replaced there that is open
            os.close(self._journal._fd)  # noqa: SLF001 - half of the journal
            super().commit()
            self._journal.take_over(os.open(self.path, _FLAGS))
            return
        fd = os.dup(self._fd)  # the lock goes with it
        try:
            _append_only(fd)
            super().commit()
        except BaseException:
            os.close(fd)
            raise
        self._journal.take_over(fd)


def _append_only(fd: int) -> None:
    if sys.platform != "win32":
        import fcntl

        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_APPEND)


def _touched(message: str) -> OutputError:
    return OutputError(message, hint=_TOUCHED_HINT)


def _failure(path: Path, error: OSError) -> OutputError:
    hint = _HINT if error.errno in _FULL else _PLACE_HINT
    return OutputError(f"{path} cannot be written: {error.strerror}", hint=hint)
