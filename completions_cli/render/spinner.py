"""A sign of life on a terminal while the first byte is awaited."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from completions_cli.streams import Streams

# An answer faster than this needs no spinner, and then rich is never loaded.
_PATIENCE = 0.3


class Spinner:
    """Turns on stderr from `start` to `stop`, where that is a terminal; both may be called again and again.

    The lines of -v would run into it, so it does not turn with them.
    """

    def __init__(self, text: str, streams: Streams) -> None:
        self._text = text
        self._enabled = streams.stderr.can_draw and not streams.stderr.quiet and not streams.verbosity
        self._color, self._stderr = streams.color(streams.stderr), streams.stderr
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to turn, after a moment."""
        if self._enabled and self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._turn, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop and erase the spinner."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    @contextmanager
    def turning(self) -> Iterator[None]:
        """Turn for the duration of a block."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _turn(self) -> None:
        if self._stop.wait(_PATIENCE):
            return
        from rich.console import Console

        console = Console(file=cast("IO[str]", self._stderr.drawn()), no_color=not self._color)
        with console.status(self._text, spinner="dots"):
            self._stop.wait()
