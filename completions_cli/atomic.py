"""Files that are either as they were or whole: written beside their place, synced, moved into it, the folder synced."""

import contextlib
import errno
import os
import re
import stat
import sys
import tempfile
from pathlib import Path
from typing import Protocol

from completions_cli import descriptors, paths
from completions_cli.errors import OutputError

if sys.platform != "win32":
    import fcntl

_SUFFIX = ".completions.tmp"
_RANDOM = r"[a-z0-9_]{8}"  # as `tempfile` has it


class Destination(Protocol):
    """Where an answer goes."""

    is_terminal: bool

    @property
    def can_draw(self) -> bool:
        """Whether rules have a place there."""

    def write(self, data: bytes) -> None:
        """Write all of it. Raises OutputError."""


class AtomicFile:
    """Writes FILE by way of a temporary file in the same folder.

    `commit()` moves it into place; `keep_partial()` leaves what came as FILE.partial and FILE
    itself untouched. What is not a regular file (a pipe, /dev/null) is written to directly, unless a `mode`
    is asked for, which only a file can have. A symbolic link is followed. With `follow` false both are
    replaced. What killed writers of FILE left there is removed.
    Raises OutputError.
    """

    can_draw = False  # a terminal that was named gets no frames

    def __init__(self, path: Path, *, mode: int | None = None, follow: bool = True) -> None:
        self.path = path
        self._follow = follow
        self._target = path
        self._mode = mode
        self._temporary: Path | None = None
        self._fd = -1
        self._is_open = False
        self.is_terminal = False
        try:
            self._open()
        except OSError as error:
            self.discard()
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
        """Make the file whole and visible, surviving a power cut. Raises OutputError; then nothing is left of it."""
        try:
            self.take_place()
        except OutputError:
            self.discard()
            raise

    def take_place(self) -> None:
        """Do the same. If the place cannot be taken, `keep_partial` or `discard` is still to be called."""
        self._finish(self._target)

    def keep_partial(self) -> Path | None:
        """Keep what was written as FILE.partial; None when there is nothing to keep, or no way to."""
        if not self._is_open or self._temporary is None or os.fstat(self._fd).st_size == 0:
            self.discard()
            return None
        partial = self._target.with_name(self._target.name + ".partial")
        try:
            self._finish(partial)
        except OutputError:
            self.discard()
            return None  # what went wrong before is the error worth telling
        return partial

    def discard(self) -> None:
        """Leave everything as it was."""
        with contextlib.suppress(OSError):
            self._close()
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink()

    def _open(self) -> None:
        try:
            existing = self.path.stat(follow_symlinks=self._follow).st_mode
        except FileNotFoundError:
            existing = None
        if existing is not None and stat.S_ISDIR(existing):
            raise IsADirectoryError(errno.EISDIR, "it is a folder", str(self.path))
        if existing is not None and not self._follow and not stat.S_ISREG(existing):
            existing = None
        descriptor = None if existing is None else _descriptor(self.path)
        if descriptor is not None or (existing is not None and not stat.S_ISREG(existing)):
            if self._mode is not None:
                raise OSError(errno.EINVAL, "it is not a regular file", str(self.path))
            # Opened anew, a file would be written to from its beginning, whatever stands there.
            self._fd = os.open(self.path, os.O_WRONLY) if descriptor is None else os.dup(descriptor)
            self._is_open = True
            self.is_terminal = descriptors.is_terminal(self._fd)
            return
        self._target = target = paths.real(self.path) if self._follow and self.path.is_symlink() else self.path
        sweep(target)
        self._fd, self._temporary = _held_beside(target)
        self._is_open = True
        mode = self._mode
        if mode is None:
            mode = stat.S_IMODE(existing) if existing is not None else 0o666 & ~_umask()
        # By its descriptor, where there is that: in a folder that others write to, its name may stand for another file.
        os.chmod(self._fd if os.chmod in os.supports_fd else self._temporary, mode)  # noqa: PTH101 - as said

    def _finish(self, target: Path) -> None:
        try:
            if self._temporary is None:
                self._close()
                return
            os.fsync(self._fd)
            if sys.platform == "win32":  # no file can be moved there that is open
                self._close()
            self._temporary.replace(target)  # held until it has its name, lest another writer sweeps it away
            self._close()
            sync_folder(target.parent)
        except OSError as error:
            raise self._failure(error) from error

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self._fd)

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path} cannot be written: {error.strerror}", hint="Check the folder, its permissions and the disk."
        )


def write(path: Path, data: bytes, *, mode: int | None = None, follow: bool = True) -> None:
    """Put a file in its place as a whole. Raises OutputError."""
    file = AtomicFile(path, mode=mode, follow=follow)
    try:
        file.write(data)
    except BaseException:
        file.discard()
        raise
    file.commit()


def sweep(path: Path) -> None:
    """Remove what killed writers of a file left beside it. What somebody still writes stays."""
    sweep_temporary(path.parent, _prefix(path), _SUFFIX)


def sweep_temporary(folder: Path, prefix: str, suffix: str) -> None:
    """Remove files with names that `tempfile` made between these two. What somebody holds a lock on stays."""
    if sys.platform == "win32":
        return
    left = re.compile(re.escape(prefix) + _RANDOM + re.escape(suffix))
    with contextlib.suppress(OSError):
        for name in filter(left.fullmatch, os.listdir(folder)):  # noqa: PTH208 - the folder may be large
            _remove_abandoned(folder / name)


def _remove_abandoned(path: Path) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(fd)


def _prefix(target: Path) -> str:
    # A name as long as the system allows leaves no room for an addition.
    return f".{target.name[:40]}."


def _held_beside(target: Path) -> tuple[int, Path]:
    """Create a file beside another, and hold it. Return its descriptor and path."""
    while True:
        fd, name = tempfile.mkstemp(prefix=_prefix(target), suffix=_SUFFIX, dir=target.parent)
        if _is_held(fd) and os.path.lexists(name):
            return fd, Path(name)
        os.close(fd)  # another writer took it for abandoned


def _is_held(fd: int) -> bool:
    """Show `sweep` that a file is being written. Where there are no locks nothing is swept."""
    if sys.platform != "win32":
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
    return True


# Names of a file that this process has open already: what is behind them must not be replaced.
_DESCRIPTOR = re.compile(r"/dev/(stdout|stderr)|(?:/dev/fd|/proc/(?:self|thread-self)/fd)/([0-9]+)")
_STANDARD = {"stdout": 1, "stderr": 2}
_MOST_LINKS = 40  # as many as Linux follows


def _descriptor(path: Path) -> int | None:
    """Return the descriptor that a path names, itself or by way of links, or None."""
    for _ in range(_MOST_LINKS):
        name = os.path.abspath(path)  # noqa: PTH100 - `resolve` would follow a link to its end
        found = _DESCRIPTOR.fullmatch(name)
        if found is not None:
            return int(found[2]) if found[2] else _STANDARD[found[1]]
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Make a rename last; not every system can, and then there is nothing to be done."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
