"""How a download goes: a bar on a terminal, a line for each quarter of it elsewhere."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from completions_cli.streams import Messages

if TYPE_CHECKING:
    from rich.progress import Progress

_QUARTERS = 4


class Download:
    """Shows notes and progress on stderr; use it as a context manager, so that the bar never outlives it."""

    def __init__(self, stderr: Messages, *, color: bool) -> None:
        self._stderr = stderr
        self._color = color
        self._bar: Progress | None = None
        self._quarters = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end_bar()

    def note(self, text: str) -> None:
        """Print a line."""
        self._end_bar()
        self._stderr.note(text)

    def progress(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes have come."""
        if self._stderr.quiet:
            return
        if self._stderr.can_draw:
            self._move_bar(done, total)
        elif (quarters := _QUARTERS * done // total) > self._quarters:
            self._quarters = quarters
            self._stderr.note(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB")

    def _move_bar(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = _bar(color=self._color)
            self._bar.add_task("", total=total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=done)
        if done == total:
            self._end_bar()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar(*, color: bool) -> "Progress":
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True, no_color=not color),
        transient=True,
    )
