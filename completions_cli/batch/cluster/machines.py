"""What the scheduler needs of a cluster, whatever the cluster is made of."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias

from completions_cli.batch.cluster.splits import Split

Opaque: TypeAlias = Any  # a worker, a reader or a call, as a cluster knows it


class LostError(Exception):
    """The machine or process that worked on something is gone."""


class Machines(Protocol):
    """What a cluster can do. Workers, readers and calls are opaque values of its own."""

    def look(self) -> tuple[set[str], set[str]] | None:
        """Return the machines that are alive and may work, and those of them about to go.

        None if the head of the cluster does not answer.
        """

    def request(self, machines: int) -> None:
        """Request a number of machines, from a cluster that can grow; 0 withdraws the request."""

    def start_worker(self, name: str, node: str | None) -> Opaque:
        """Start a worker on a machine, or wherever there is or will be room."""

    def start_reader(self, split: Split) -> Opaque:
        """Start a reader."""

    def begin(self, worker: Opaque) -> Opaque:
        """Have a worker begin. Its result: the machine, and why the run must end, if it must."""

    def work(self, worker: Opaque, work: Opaque) -> Opaque:
        """Have a worker work on a split or a block. Its result: how that ended."""

    def retire(self, worker: Opaque) -> Opaque:
        """Have a worker hand back what it works on."""

    def read(self, reader: Opaque) -> tuple[Opaque, Opaque]:
        """Have a reader read. Its results: the part, and its block."""

    def kill(self, actor: Opaque) -> None:
        """End a worker or a reader at once."""

    def wait(self, calls: Sequence[Opaque], seconds: float) -> list[Opaque]:
        """Return the calls that have ended, waiting at most `seconds` for the first."""

    def result(self, call: Opaque) -> Opaque:
        """Return the result of a call. Raises LostError, or what the call raised."""
