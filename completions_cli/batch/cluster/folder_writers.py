"""Writers on a file system.

Each worker has a folder: a part is written there as a whole, then renamed into its place. The driver dismisses a
worker by moving the folder away, and workers never make one: whatever the worker does after that, a rename out of a
folder that is gone fails. No clock is involved. Lines that are not in their part yet are logged in the same folder
(`write_ahead`); the driver adds them to their parts before it removes the folder.
"""

import contextlib
import errno
import os
import uuid
from pathlib import Path

from completions_cli.atomic import sync_folder
from completions_cli.batch.cluster.fencing import DRIVER, WORK, Salvage, fenced
from completions_cli.batch.cluster.storage import LocalFolder
from completions_cli.batch.cluster.write_ahead import WriteAheadLog, write_all
from completions_cli.errors import OutputError, UsageError

_GONE = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR)


class LocalWriter:
    """Writes into a folder of this machine, or one that all machines have mounted."""

    commit_seconds = 1.0
    bytes_a_second = 2e6

    def __init__(self, root: Path, epoch: str, worker: str) -> None:
        self._root, self._own = root, root / WORK / epoch / worker
        self._folder = LocalFolder(root)
        self._ahead = WriteAheadLog(self._own)

    def __str__(self) -> str:
        return str(self._root)

    def read(self, name: str) -> bytes | None:
        """Read a file of the folder."""
        return self._folder.read(name)

    def replace(self, name: str, content: bytes) -> bool:
        """Write in the folder of this worker, then rename."""
        try:
            self._write(self._own / name, content)
            (self._own / name).replace(self._root / name)
            sync_folder(self._root)
            self._ahead.drop(name)
        except OSError as error:
            raise self._failure(error) from error
        return True

    def log(self, name: str, lines: bytes) -> None:
        """Append them to a file in the folder of this worker."""
        try:
            self._ahead.add(name, lines)
        except OSError as error:
            raise self._failure(error) from error

    def rotate(self, name: str) -> None:
        """Log the next lines in another file."""
        self._ahead.rotate(name)

    def probe(self) -> None:
        """Write and rename a file that is no part."""
        name = f".try-{self._own.name}"
        self.replace(name, b"")
        self._folder.remove(name)

    @staticmethod
    def _write(path: Path, content: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
        try:
            write_all(fd, content)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _failure(self, error: OSError) -> OutputError:
        if error.errno in _GONE:
            return fenced(self._root)
        return OutputError(f"{self._root} cannot be written: {error.strerror}", hint="Check the folder and its disk.")


class LocalWriters:
    """Workers' folders, which the driver makes and moves away."""

    def __init__(self, root: Path, epoch: str, salvage: Salvage) -> None:
        self._root, self._all, self._own = root, root / WORK, root / WORK / epoch
        self._driver, self._salvage = LocalWriter(root, epoch, DRIVER), salvage

    def open(self, *, discard: bool = False) -> None:
        """Remove the folders of earlier runs, make one for this run."""
        try:
            self._all.mkdir(exist_ok=True)
            gone = [_moved_away(other) for other in self._all.iterdir()]
            self._own.mkdir()
            self.admit(DRIVER)
            self._driver.probe()
            for place in gone:
                if not discard:
                    self._salvage(self._driver, place)
                _destroy(place)
        except OSError as error:
            raise self._failure(error) from error

    def admit(self, worker: str) -> None:
        """Make the folder of a worker."""
        try:
            (self._own / worker).mkdir(exist_ok=True)
        except FileNotFoundError:
            raise fenced(self._root) from None
        except OSError as error:
            raise self._failure(error) from error

    def dismiss(self, worker: str) -> None:
        """Move the folder of a worker away, whatever the worker is doing; add what it left to the parts."""
        try:
            gone = _moved_away(self._own / worker)
            self._salvage(self._driver, gone)
            _destroy(gone)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Remove the folders of this run. What cannot be added to its part is left for the next run."""
        with contextlib.suppress(OSError, OutputError, UsageError):
            for worker in [entry.name for entry in self._own.iterdir() if entry.name != DRIVER]:
                self.dismiss(worker)
            _destroy(self._own)
            self._all.rmdir()

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"{self._root} cannot be written: {error.strerror}", hint="Check the folder and its disk.")


def _moved_away(path: Path) -> Path:
    """Rename a folder, so that its workers no longer find it."""
    return path.rename(path.with_name(f"gone-{uuid.uuid4().hex}"))


def _destroy(path: Path) -> None:
    """Empty and remove a folder, repeatedly: a frozen worker may still be adding files."""
    if not path.is_dir() or path.is_symlink():
        path.unlink()
        return
    gone = _moved_away(path)
    while True:
        for entry in list(gone.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                _destroy(entry)
        try:
            gone.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return
