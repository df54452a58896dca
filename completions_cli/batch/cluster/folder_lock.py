"""Locks the folder of OUTPUT for one driver: a lock on a file in it or, in an object store, a heartbeat."""

import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from completions_cli.batch import locking
from completions_cli.batch.cluster.storage import RemoteFolder
from completions_cli.errors import OutputError, UsageError
from completions_cli.wall_clock import unix_time

LOCK = "_lock"
LOCK_FILE = locking.path_beside(Path(LOCK)).name  # in its place where the file system has no locks
_STALE_SECONDS = 60.0  # without a heartbeat: the driver is gone
_BEAT_SECONDS = 10.0


class LocalLock:
    """Locks a folder of this machine, or one that it has mounted, and makes it if need be."""

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file", hint="With --engine ray OUTPUT is a folder of part files.")
        if not path.parent.is_dir():
            raise OutputError(f"there is no folder {path.parent}", hint="Make it first.")
        try:
            path.mkdir(exist_ok=True)
            self._fd = os.open(path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error
        try:
            self._lock = locking.take(self._fd, path / LOCK)
        except UsageError:
            os.close(self._fd)
            raise taken(path) from None
        except OutputError:
            os.close(self._fd)
            raise
        self.note = self._lock.note

    def release(self) -> None:
        """Unlock it."""
        self._lock.release()
        os.close(self._fd)


def lock_remote(folder: RemoteFolder) -> None:
    """Lock a folder of an object store, unless its lock has a recent heartbeat. Raises UsageError, OutputError."""
    said, version = folder.load(LOCK)
    at = json.loads(said or b"{}").get("at", 0)
    if abs(unix_time() - at) < _STALE_SECONDS or not folder.put_over(LOCK, heartbeat(), version):
        raise taken(folder)


def heartbeat() -> bytes:
    """Return the content of a heartbeat."""
    return json.dumps({"at": unix_time()}).encode()


def taken(place: object) -> UsageError:
    """Return the error for a folder that another run has locked."""
    return UsageError(
        f"another run is writing to {place}", hint="Wait for it (a minute, if it was killed), or choose another."
    )


class Heartbeat:
    """Calls `give` every few seconds, in a thread of its own."""

    def __init__(self, give: Callable[[], None], seconds: float = _BEAT_SECONDS) -> None:
        self._give, self._seconds = give, seconds
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Start."""
        self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the last call."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(self._seconds):
            with suppress(OutputError):  # whoever writes parts will notice, too
                self._give()
