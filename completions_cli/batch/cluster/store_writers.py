"""Writers in an object store.

A store has no rename, so each worker has an object, which it looks for before each write. The write itself is
conditional: it fails if the part changed since the worker read it. The worker then reads the part again and adds its
own lines. Nothing is lost or doubled, whoever writes in whatever order.
"""

import contextlib

from completions_cli.batch.cluster.fencing import DRIVER, WORK, fenced
from completions_cli.batch.cluster.storage import RemoteFolder, Version
from completions_cli.errors import OutputError


class RemoteWriter:
    """Writes into an object store, where each write is paid for."""

    commit_seconds = 10.0
    bytes_a_second = 4e6

    def __init__(self, folder: RemoteFolder, epoch: str, worker: str) -> None:
        self._folder, self._own = folder, f"{WORK}/{epoch}/{worker}"
        self._versions: dict[str, Version] = {}

    def __str__(self) -> str:
        return str(self._folder)

    def read(self, name: str) -> bytes | None:
        """Download a part, and remember its version."""
        content, self._versions[name] = self._folder.load(name)
        return content

    def replace(self, name: str, content: bytes) -> bool:
        """Upload a part over the version that was read."""
        if self._folder.read(self._own) is None:
            raise fenced(self._folder)
        return self._folder.put_over(name, content, self._versions[name])

    def log(self, name: str, lines: bytes) -> None:
        """Do nothing: an object cannot be appended to, and each one is paid for."""

    def rotate(self, name: str) -> None:
        """Do nothing: nothing was logged."""

    def probe(self) -> None:
        """Upload and delete an object that is no part."""
        name = f"{self._own}-try"
        self.read(name)
        self.replace(name, b"try")
        self._folder.remove(name)


class RemoteWriters:
    """Writers as objects."""

    def __init__(self, folder: RemoteFolder, epoch: str) -> None:
        self._folder, self._epoch = folder, epoch

    def open(self, *, discard: bool = False) -> None:
        """Remove the objects of earlier runs, which hold no lines; make sure that writing works."""
        del discard
        for name in self._folder.below(WORK):
            self._folder.remove(name)
        self.admit(DRIVER)
        RemoteWriter(self._folder, self._epoch, DRIVER).probe()

    def admit(self, worker: str) -> None:
        """Make the object of a worker."""
        if worker != DRIVER and self._folder.read(self._name(DRIVER)) is None:
            raise fenced(self._folder)
        self._folder.put(self._name(worker), b"writer")

    def dismiss(self, worker: str) -> None:
        """Delete the object of a worker."""
        self._folder.remove(self._name(worker))

    def close(self) -> None:
        """Delete the objects of this run."""
        with contextlib.suppress(OutputError):
            for name in self._folder.below(f"{WORK}/{self._epoch}"):
                self._folder.remove(name)

    def _name(self, worker: str) -> str:
        return f"{WORK}/{self._epoch}/{worker}"
