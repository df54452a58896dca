"""What a worker writes parts with, and how the driver keeps those out that it has given up.

A worker that was taken for dead may only have been frozen. What it had in hand is given to another, and when it thaws
it resumes, perhaps in the middle of a write. So each worker of a run has a desk of its own, in `_work/`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from completions_cli.errors import OutputError

WORK = "_work"
DRIVER = "driver"


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


def fenced(place: object) -> FencedError:
    """Return what a worker is told that no longer has a desk."""
    return FencedError(
        f"{place} belongs to another run, as a worker sees it",
        hint="Every machine must see the same folder, and one run at a time may write to it.",
    )
