"""What a crew needs of a cluster, whatever that is made of."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from completions_cli.batch.cluster.stretches import Stretch

Opaque: TypeAlias = Any  # a worker, a reader or a call, as a cluster knows it


class LostError(Exception):
    """The machine or process that worked on something is gone."""


class Machines(Protocol):
    """What a cluster can do. Workers, readers and calls are whatever it makes of them."""

    def look(self) -> tuple[set[str], set[str]] | None:
        """Return the machines that are alive and may work, and those of them about to go.

        None when there is nobody to say so any more.
        """

    def ask_for(self, machines: int) -> None:
        """Ask for so many machines, from a cluster that can grow; 0 withdraws that."""

    def hire(self, name: str, node: str | None) -> Opaque:
        """Begin a worker on a machine, or wherever there is or will be room."""

    def open(self, stretch: Stretch) -> Opaque:
        """Begin a reader."""

    def begin(self, worker: Opaque) -> Opaque:
        """Have a worker begin: its machine, and why the run must end, if it must."""

    def work(self, worker: Opaque, work: Opaque) -> Opaque:
        """Have a worker work on a stretch or a block: how it ended."""

    def retire(self, worker: Opaque) -> Opaque:
        """Have a worker hand back what it works on."""

    def read(self, reader: Opaque) -> tuple[Opaque, Opaque]:
        """Have a reader read: the part, and its block."""

    def kill(self, actor: Opaque) -> None:
        """End a worker or a reader at once."""

    def wait(self, calls: Sequence[Opaque], seconds: float) -> list[Opaque]:
        """Return the calls that have ended; wait for the first so long."""

    def result(self, call: Opaque) -> Opaque:
        """Return what a call gave. Raises LostError, or what the call raised."""
