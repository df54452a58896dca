"""Answers as text, several choices one after another."""

import shutil
from collections.abc import Callable

from completions_cli.atomic import Destination
from completions_cli.models import Chunk, Finished
from completions_cli.render.answer import AnswerOptions
from completions_cli.streams import visible


class Text:
    """Text as received. One choice at a time is shown as it comes, the others wait for their turn.

    Unless it `is_safe`, nothing in it drives a terminal.
    """

    def __init__(self, options: AnswerOptions, destination: Destination, *, is_safe: bool = False) -> None:
        self._options = options
        self._destination = destination
        self._show: Callable[[str], str] = visible if destination.is_terminal and not is_safe else str
        self._current: int | None = None
        self._waiting: dict[int, list[str]] = {}
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._last = ""  # character of the choice being shown

    def chunk(self, chunk: Chunk) -> None:
        """Write the text of the choice whose turn it is; keep that of the others."""
        for index, text, reason in chunk.deltas:
            if index == self._current and reason is None:  # as nearly all are
                self._write(self._show(text))
            else:
                self._take(index, text, reason)

    def _take(self, index: int, text: str, reason: str | None) -> None:
        """Add the first piece of a choice, its last, or one of a choice whose turn has not come."""
        if self._current is None and index == 0:
            self._begin(0)
        if index == self._current:
            self._write(self._show(text))
        elif index not in self._begun:
            self._waiting.setdefault(index, []).append(text)
        if reason is not None:
            self._finished.add(index)
        while self._current in self._finished and self._current is not None and self._current + 1 in self._waiting:
            self._begin(self._current + 1)

    def finish(self, finished: Finished) -> None:
        """Write the choices that are left, and end the last line."""
        self._flush()
        if self._options.final_newline and not self._last.endswith("\n"):
            self._write("\n")

    def abort(self) -> None:
        """Write what was received of the choices that are left."""
        self._flush()
        # A prompt of the shell belongs on a line of its own; a pipe gets what came and no more.
        if self._destination.is_terminal:
            self._write(self._line_end())

    def _line_end(self) -> str:
        return "\n" if self._last and not self._last.endswith("\n") else ""

    def _rule(self, index: int) -> str:
        return _rule(index) if self._destination.can_draw else f"choice {index}:\n"

    def _flush(self) -> None:
        for index in sorted(self._waiting):
            self._begin(index)

    def _begin(self, index: int) -> None:
        if self._destination.is_terminal:
            if self._options.choices > 1 or self._begun:
                self._write(self._line_end() + self._rule(index))
        elif self._begun:
            self._write(self._options.separator)
        self._begun.add(index)
        self._current = index
        self._last = ""
        if self._options.echo is not None:
            self._write(self._show(self._options.echo(index)))
        for text in self._waiting.pop(index, ()):
            self._write(self._show(text))

    def _write(self, text: str) -> None:
        if text:
            self._destination.write(text.encode("utf-8", "replace"))
            self._last = text[-1]


def _rule(index: int) -> str:
    width = min(shutil.get_terminal_size().columns, 80)
    label = f"── choice {index} "
    return label + "─" * max(0, width - len(label)) + "\n"
