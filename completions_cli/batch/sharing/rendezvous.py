"""Where the runs of a name find their leader: a file with its address, in a folder of this machine and this user."""

import asyncio
import contextlib
import json
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from completions_cli import atomic
from completions_cli.batch.sharing import private_folder
from completions_cli.errors import OutputError

_POLL_SECONDS = 0.02
_LARGEST_PORT = 65535


class Address(NamedTuple):
    """A port on the loopback interface, and the secret by which members and leader know each other."""

    port: int
    token: str


class Rendezvous:
    """The files of one name. Raises OutputError where they cannot be written."""

    def __init__(self, name: str, folder: Path | None = None) -> None:
        self._folder = folder or _own_folder()
        self._address = self._folder / f"{name}.json"
        self._lock = self._folder / f"{name}.lock"

    def read(self) -> Address | None:
        """Return the address of the current or last leader."""
        try:
            known = json.loads(self._address.read_bytes())
            address = Address(int(known["port"]), str(known["token"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return address if 0 < address.port <= _LARGEST_PORT else None

    def write(self, address: Address) -> None:
        """Record who leads from now on."""
        atomic.write(self._address, json.dumps(address._asdict()).encode(), mode=0o600, follow=False)

    def forget(self, address: Address) -> None:
        """Remove the address of a leader that ends, unless another run leads by now."""
        if self.read() == address:
            with contextlib.suppress(OSError):  # members take nobody's word without a proof
                self._address.unlink()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep other runs from looking for a leader, or becoming it, for the duration of a block."""
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

    try:
        with warnings.catch_warnings():  # without XDG_RUNTIME_DIR it warns that it takes the folder for temporary files
            warnings.simplefilter("ignore")
            folder = platformdirs.user_runtime_path("completions", appauthor=False) / "share"
    except OSError as error:
        raise OutputError(
            f"--share needs a folder of its own, which cannot be found: {error}", hint=private_folder.HINT
        ) from error
    private_folder.make(folder)
    return folder
