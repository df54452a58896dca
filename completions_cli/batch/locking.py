"""Keeps other runs off an OUTPUT: a lock on the file or, on file systems without locks, a file with a heartbeat."""

import errno
import json
import os
import platform
import sys
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from completions_cli import limits
from completions_cli.errors import OutputError, UsageError

if TYPE_CHECKING:
    from filelock import FileLock

_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})
_BEAT_SECONDS = 5.0
_STALE_SECONDS = 60.0  # a run that said nothing for so long is gone


class Lock(Protocol):
    """A lock that is held. `note` is what the user should know of it, or None."""

    note: str | None

    def check(self) -> None:
        """Raise OutputError if the lock was lost."""

    def move_to(self, fd: int) -> None:
        """Lock another file, too, which is about to replace the first."""

    def release(self) -> None:
        """Release the lock."""


def take(fd: int, path: Path) -> Lock:
    """Take the lock of an open file. Raises UsageError when another run has it, OutputError when there can be none."""
    if sys.platform == "win32":
        return _beside(path)
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise taken(path) from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return LockFile(path)
        raise OutputError(f"{path} cannot be locked: {error.strerror}") from error
    return DescriptorLock()


def path_beside(path: Path) -> Path:
    """Name the file that stands in for a lock on another."""
    return path.with_name(path.name + ".lock")


def taken(path: Path) -> UsageError:
    """Return the error for an output that another run holds."""
    return UsageError(f"another run is writing to {path}", hint="Wait for it, stop it, or choose another OUTPUT.")


class DescriptorLock:
    """A lock on the open file itself: it goes with the last descriptor, whatever ends the process."""

    note: str | None = None

    def check(self) -> None:
        """Do nothing: this lock cannot be lost."""

    def move_to(self, fd: int) -> None:
        """Lock a file that nobody else knows yet."""
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Do nothing: closing the file does it."""


class LockFile:
    """OUTPUT.lock, for file systems without locks. Its time is renewed every few seconds while the run lives.

    Ages are compared by the clock of the file system, which all machines that see it share.
    """

    def __init__(self, path: Path) -> None:
        self._output, self._path = path, path_beside(path).absolute()
        self._token = uuid.uuid4().hex
        self._is_over = threading.Event()
        self._is_lost = False
        self.note: str | None = f"the file system of {path} does not support locks: {self._path.name} is used instead"
        try:
            if not self._create():
                self._clear_stale()
                if not self._create():
                    raise taken(path)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be written: {error.strerror}") from error
        # A thread: a large input is read for minutes before the first row is asked.
        threading.Thread(target=self._beat, daemon=True).start()

    def check(self) -> None:
        """Raise OutputError if another run has replaced the file."""
        if self._is_lost:
            raise OutputError(
                f"{self._path} was removed or taken by another run",
                hint="Let one run at a time write to it; the same command then resumes this one.",
            )

    def move_to(self, fd: int) -> None:
        """Do nothing: the lock is a matter of names."""

    def release(self) -> None:
        """Remove the file, if it is still ours."""
        self._is_over.set()
        with suppress(OSError):
            if _read(self._path).get("token") == self._token:
                self._path.unlink()

    def _beat(self) -> None:
        """Renew the file's time until the lock is released or lost."""
        while not self._is_over.wait(_BEAT_SECONDS):
            try:
                self._is_lost = _read(self._path).get("token") != self._token
                os.utime(self._path)
            except OSError:
                self._is_lost = True
            if self._is_lost:
                return

    def _create(self) -> bool:
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump({"token": self._token, "pid": os.getpid(), "machine": _machine()}, file)
        return True

    def _clear_stale(self) -> None:
        """Remove the lock of a run that is gone. Raises UsageError while it may be alive."""
        said = _read(self._path)
        if not _is_gone(said) and self._age() < _STALE_SECONDS:
            raise taken(self._output)
        # Whoever renames it has it: of two that find it stale one goes on.
        aside = self._path.with_name(f"{self._path.name}.{self._token}")
        try:
            self._path.rename(aside)
        except FileNotFoundError:
            return
        if _read(aside) != said:
            with suppress(OSError):
                os.link(aside, self._path)
            aside.unlink()
            raise taken(self._output)
        aside.unlink()

    def _age(self) -> float:
        """Return how long ago the lock was renewed, in seconds of the file system's clock."""
        probe = self._path.with_name(f"{self._path.name}.{self._token}")
        probe.touch()
        try:
            return probe.stat().st_mtime - self._path.stat().st_mtime
        except FileNotFoundError:
            return _STALE_SECONDS
        finally:
            probe.unlink()


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(limits.LOCK_FILE_BYTES))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_gone(said: dict[str, object]) -> bool:
    """Return whether a process of this machine is known to have ended."""
    pid = said.get("pid")
    if said.get("machine") != _machine() or not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _machine() -> str:
    """Name this machine, and within it the set of process numbers that ours is one of."""
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
    with suppress(OSError):
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return " ".join(parts)


def _beside(path: Path) -> Lock:
    """Take a lock beside the file, where a lock on it would keep readers out."""
    from filelock import FileLock, Timeout

    lock = FileLock(path_beside(path))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise taken(path) from None
    except OSError as error:
        raise OutputError(f"{path} cannot be locked: {error.strerror}") from error
    return _Beside(lock)


class _Beside(DescriptorLock):
    def __init__(self, lock: "FileLock") -> None:
        self._lock = lock

    def move_to(self, fd: int) -> None:
        """Do nothing: the lock is beside the file."""

    def release(self) -> None:
        """Release the file beside."""
        self._lock.release()
