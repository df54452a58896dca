"""Who may write parts: each worker through a writer of its own, until the driver dismisses it.

A worker that was taken for dead may only have been frozen. Its rows go to another worker, and when it thaws, it
resumes, perhaps in the middle of a write. So each writer has a place of its own in `_work/`, which the driver removes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from completions_cli.errors import OutputError

WORK = "_work"
DRIVER = "driver"


class FencedError(OutputError):
    """This worker was dismissed: nothing that it writes counts any more."""


class Writer(Protocol):
    """Reads and writes parts for a worker.

    `commit_seconds` is the shortest time between two commits of a part; what a crash finds uncommitted may be lost. A
    large part is committed less often: its commits are a second further apart for each `bytes_a_second`.
    """

    commit_seconds: float
    bytes_a_second: float

    def read(self, name: str) -> bytes | None:
        """Return the content of a part, None if there is none. Raises OutputError."""

    def replace(self, name: str, content: bytes) -> bool:
        """Replace a part as a whole; false if it changed since it was read. Raises FencedError, OutputError."""

    def log(self, name: str, lines: bytes) -> None:
        """Log lines of a part until it is written, so that they survive this worker, where that costs nothing.

        Raises FencedError, OutputError.
        """

    def rotate(self, name: str) -> None:
        """Note that the part is about to be written with all lines logged so far."""

    def probe(self) -> None:
        """Write something and remove it again. Raises FencedError, OutputError."""


# Adds lines that workers have left in a folder to their parts, with a writer. Raises OutputError.
Salvage: TypeAlias = Callable[[Writer, Path], None]


class Writers(Protocol):
    """The driver's side: which workers may write."""

    def open(self, *, discard: bool = False) -> None:
        """Dismiss the workers of all earlier runs; with `discard`, drop what they left. Raises OutputError."""

    def admit(self, worker: str) -> None:
        """Let a worker write. Raises FencedError if another run has taken over."""

    def dismiss(self, worker: str) -> None:
        """Let a worker write no more."""

    def close(self) -> None:
        """Dismiss all workers of this run."""


def fenced(place: object) -> FencedError:
    """Return the error of a worker that may no longer write."""
    return FencedError(
        f"{place} belongs to another run, as a worker sees it",
        hint="Every machine must see the same folder, and one run at a time may write to it.",
    )
