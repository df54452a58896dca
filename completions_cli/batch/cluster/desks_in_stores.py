"""Desks in an object store.

A store has no rename, so a desk is an object that is looked for before each write, and the write itself is
conditional: it fails when the part is no longer what the worker has read, which then reads again what is there and
adds its own lines. Nothing is lost or doubled, whoever writes in whatever order.
"""

import contextlib

from completions_cli.batch.cluster.desk import DRIVER, WORK, fenced
from completions_cli.batch.cluster.storage import RemoteFolder, Version
from completions_cli.errors import OutputError


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
            raise fenced(self._folder)
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


class RemoteDesks:
    """Desks as objects."""

    def __init__(self, folder: RemoteFolder, epoch: str) -> None:
        self._folder, self._epoch = folder, epoch

    def open(self, *, discard: bool = False) -> None:
        """Remove the desks of others, where nothing was left; see that ours would do."""
        del discard
        for name in self._folder.below(WORK):
            self._folder.remove(name)
        self.admit(DRIVER)
        RemoteDesk(self._folder, self._epoch, DRIVER).try_out()

    def admit(self, worker: str) -> None:
        """Make its object."""
        if worker != DRIVER and self._folder.read(self._name(DRIVER)) is None:
            raise fenced(self._folder)
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
