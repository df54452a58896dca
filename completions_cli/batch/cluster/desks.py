"""Where workers write parts, and how the driver keeps those out that it has given up.

A worker that was taken for dead may only have been frozen. What it had in hand is given to another, and when it thaws
it resumes, perhaps in the middle of a write. So each worker of a run has a desk of its own, in `_work/`.

On a file system a desk is a folder: a part is written there as a whole, then renamed into its place. The driver
dismisses a worker by moving that folder away, which workers never make: whatever the worker does after that, a
rename out of a folder that is gone fails. No clock is involved. Lines that are not in their part yet wait in the same
folder (`kept`); the driver adds them to their parts before it empties and removes the folder.

An object store has no rename. There a desk is an object that is looked for before each write, and the write itself is
conditional: it fails when the part is no longer what the worker has read, which then reads again what is there and
adds its own lines. Nothing is lost or doubled, whoever writes in whatever order.
"""

import contextlib
import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from completions_cli.atomic import sync_folder
from completions_cli.batch.cluster.kept import Kept, write_all
from completions_cli.batch.cluster.storage import LocalFolder, RemoteFolder, Version, is_remote, local_path
from completions_cli.errors import OutputError

WORK = "_work"
_DRIVER = "driver"
_GONE = (errno.ENOENT, errno.ESTALE, errno.ENOTDIR)


class FencedError(OutputError):
    """What is written here is no longer this worker's affair."""


class Desk(Protocol):
    """Where a worker reads parts and writes them.

    `commit_seconds` is how long answers wait there for a commit, at least: a crash loses them. A large part is
    committed less often: it waits a second more for each `bytes_a_second`.
    """

    commit_seconds: float
    bytes_a_second: float

    def read(self, name: str) -> bytes | None:
        """Return a part, None when there is none. Raises OutputError."""

    def replace(self, name: str, content: bytes) -> bool:
        """Write the part last read as a whole; false when it is another by now. Raises FencedError, OutputError."""

    def keep(self, name: str, lines: bytes) -> None:
        """Keep lines of a part until it is written, so that they outlive us, where that can be done at no cost.

        Raises FencedError, OutputError.
        """

    def turn(self, name: str) -> None:
        """Record that the part is about to be written with all lines kept so far."""

    def try_out(self) -> None:
        """Write something and remove it again. Raises FencedError, OutputError."""


# Adds what workers have left in a folder to the parts, from a desk. Raises OutputError.
Salvage: TypeAlias = Callable[[Desk, Path], None]


class Desks(Protocol):
    """The driver's side: whose writes get in."""

    def open(self, *, discard: bool = False) -> None:
        """Dismiss the workers of all runs before, with `discard` also what they have left. Raises OutputError."""

    def admit(self, worker: str) -> None:
        """Make the desk of a worker. Raises FencedError when another run has taken over."""

    def dismiss(self, worker: str) -> None:
        """Let nothing in any more of what a worker writes."""

    def close(self) -> None:
        """Dismiss all workers of this run."""


class LocalDesk:
    """A desk in a folder of this machine, or one that all machines have mounted."""

    commit_seconds = 1.0
    bytes_a_second = 2e6

    def __init__(self, root: Path, epoch: str, worker: str) -> None:
        self._root, self._own = root, root / WORK / epoch / worker
        self._folder = LocalFolder(root)
        self._kept = Kept(self._own)

    def read(self, name: str) -> bytes | None:
        """Read one."""
        return self._folder.read(name)

    def replace(self, name: str, content: bytes) -> bool:
        """Write beside, in our own folder; then rename."""
        try:
            self._write(self._own / name, content)
            (self._own / name).replace(self._root / name)
            sync_folder(self._root)
            self._kept.drop(name)
        except OSError as error:
            raise self._failure(error) from error
        return True

    def keep(self, name: str, lines: bytes) -> None:
        """Append them to a file in our own folder."""
        try:
            self._kept.add(name, lines)
        except OSError as error:
            raise self._failure(error) from error

    def turn(self, name: str) -> None:
        """Have the next lines go into another file."""
        self._kept.turn(name)

    def try_out(self) -> None:
        """Write and rename what is no part."""
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
            return _fenced(self._root)
        return OutputError(f"{self._root} cannot be written: {error.strerror}", hint="Check the folder and its disk.")


class RemoteDesk:
    """A desk in an object store, where each write is paid for."""

    commit_seconds = 10.0
    bytes_a_second = 4e6

    def __init__(self, folder: RemoteFolder, epoch: str, worker: str) -> None:
        self._folder, self._own = folder, f"{WORK}/{epoch}/{worker}"
        self._versions: dict[str, Version] = {}

    def read(self, name: str) -> bytes | None:
        """Download one, and remember which version it was."""
        content, self._versions[name] = self._folder.load(name)
        return content

    def replace(self, name: str, content: bytes) -> bool:
        """Upload it over the version that was read."""
        if self._folder.read(self._own) is None:
            raise _fenced(self._folder)
        return self._folder.put_over(name, content, self._versions[name])

    def keep(self, name: str, lines: bytes) -> None:
        """Do nothing: an object cannot be appended to, and each one is paid for."""

    def turn(self, name: str) -> None:
        """Do nothing: nothing was kept."""

    def try_out(self) -> None:
        """Upload and delete what is no part."""
        name = f"{self._own}-try"
        self.read(name)
        self.replace(name, b"try")
        self._folder.remove(name)


class LocalDesks:
    """Desks as folders."""

    def __init__(self, root: Path, epoch: str, salvage: Salvage) -> None:
        self._root, self._all, self._own = root, root / WORK, root / WORK / epoch
        self._driver, self._salvage = LocalDesk(root, epoch, _DRIVER), salvage

    def open(self, *, discard: bool = False) -> None:
        """Remove the desks of others, make a place for ours."""
        try:
            self._all.mkdir(exist_ok=True)
            gone = [_moved_away(other) for other in self._all.iterdir()]
            self._own.mkdir()
            self.admit(_DRIVER)
            self._driver.try_out()
            for place in gone:
                if not discard:
                    self._salvage(self._driver, place)
                _destroy(place)
        except OSError as error:
            raise self._failure(error) from error

    def admit(self, worker: str) -> None:
        """Make its folder."""
        try:
            (self._own / worker).mkdir(exist_ok=True)
        except FileNotFoundError:
            raise _fenced(self._root) from None
        except OSError as error:
            raise self._failure(error) from error

    def dismiss(self, worker: str) -> None:
        """Move its folder away, whatever it does meanwhile; add what it has left to the parts."""
        try:
            gone = _moved_away(self._own / worker)
            self._salvage(self._driver, gone)
            _destroy(gone)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Remove all that is ours. What cannot be added to its part is left for the next run."""
        with contextlib.suppress(OSError, OutputError):
            for worker in [entry.name for entry in self._own.iterdir() if entry.name != _DRIVER]:
                self.dismiss(worker)
            _destroy(self._own)
            self._all.rmdir()

    def _failure(self, error: OSError) -> OutputError:
        return OutputError(f"{self._root} cannot be written: {error.strerror}", hint="Check the folder and its disk.")


class RemoteDesks:
    """Desks as objects."""

    def __init__(self, folder: RemoteFolder, epoch: str) -> None:
        self._folder, self._epoch = folder, epoch

    def open(self, *, discard: bool = False) -> None:
        """Remove the desks of others, where nothing was left; see that ours would do."""
        del discard
        for name in self._folder.below(WORK):
            self._folder.remove(name)
        self.admit(_DRIVER)
        RemoteDesk(self._folder, self._epoch, _DRIVER).try_out()

    def admit(self, worker: str) -> None:
        """Make its object."""
        if worker != _DRIVER and self._folder.read(self._name(_DRIVER)) is None:
            raise _fenced(self._folder)
        self._folder.put(self._name(worker), b"desk")

    def dismiss(self, worker: str) -> None:
        """Delete its object."""
        self._folder.remove(self._name(worker))

    def close(self) -> None:
        """Delete all that is ours."""
        with contextlib.suppress(OutputError):
            for name in self._folder.below(f"{WORK}/{self._epoch}"):
                self._folder.remove(name)

    def _name(self, worker: str) -> str:
        return f"{WORK}/{self._epoch}/{worker}"


def desk(place: str, epoch: str, worker: str) -> Desk:
    """Sit down at the desk that a worker was given."""
    if is_remote(place):
        return RemoteDesk(RemoteFolder(place), epoch, worker)
    return LocalDesk(local_path(place), epoch, worker)


def desks(place: str, epoch: str, salvage: Salvage) -> Desks:
    """Return the desks of a run; `salvage` is called with what workers that are dismissed have left."""
    if is_remote(place):
        return RemoteDesks(RemoteFolder(place), epoch)
    return LocalDesks(local_path(place), epoch, salvage)


def _moved_away(path: Path) -> Path:
    """Give a folder another name: by its own it is not found any more."""
    return path.rename(path.with_name(f"gone-{uuid.uuid4().hex}"))


def _destroy(path: Path) -> None:
    """Empty and remove a folder, and again until it is gone: somebody may still be putting files into it."""
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


def _fenced(place: object) -> FencedError:
    return FencedError(
        f"{place} is not this run's, as a worker sees it",
        hint="Every machine must see the same folder, and one run at a time may write to it.",
    )
