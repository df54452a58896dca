"""Where the runs of a name find their leader: a file with its address, in a folder of this machine and this user."""

import asyncio
import json
import os
import sys
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from completions_cli.atomic import AtomicFile
from completions_cli.errors import OutputError

_POLL_SECONDS = 0.02
_OTHERS = 0o077


class Address(NamedTuple):
    """A port on the loopback interface, and the word that shows a member to be this user's."""

    port: int
    token: str


class Rendezvous:
    """The files of one name. Raises OutputError where they cannot be written."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self._folder = folder or _own_folder()
        self._address = self._folder / f"{name}.json"
        self._lock = self._folder / f"{name}.lock"

    def read(self) -> Address | None:
        """Return the address of the leader there is or was."""
        try:
            known = json.loads(self._address.read_bytes())
            return Address(int(known["port"]), str(known["token"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, address: Address) -> None:
        """Say who leads from now on."""
        file = AtomicFile(self._address, mode=0o600, follow=False)
        try:
            file.write(json.dumps(address._asdict()).encode())
            file.commit()
        finally:
            file.discard()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep the other runs from looking for a leader, or becoming it, for the length of a block."""
        from filelock import FileLock, Timeout

        lock = FileLock(self._lock, thread_local=False, mode=0o600)
        while True:
            try:
                lock.acquire(timeout=0)
                break
            except Timeout:
                await asyncio.sleep(_POLL_SECONDS)
            except OSError as error:
                raise OutputError(f"{self._lock} cannot be locked: {error.strerror}") from error
        try:
            yield
        finally:
            lock.release()


def _own_folder() -> Path:
    """Return a folder that is on this machine, not on a shared disk, and that nobody else may read."""
    import platformdirs

    with warnings.catch_warnings():  # without XDG_RUNTIME_DIR it warns that it takes the folder for temporary files
        warnings.simplefilter("ignore")
        folder = platformdirs.user_runtime_path("completions", appauthor=False) / "share"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if sys.platform != "win32":
            found = folder.stat()
            if found.st_uid != os.getuid() or found.st_mode & _OTHERS:
                raise OutputError(f"{folder} is open to others", hint=f"chmod 700 {folder}")
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}", hint="Set XDG_RUNTIME_DIR.") from error
    return folder
