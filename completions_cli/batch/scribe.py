"""Writes the lines of one turn of the event loop together, in one system call."""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import accumulate

from completions_cli.batch.formats import Outcome
from completions_cli.batch.journal import CutShortError, Log
from completions_cli.errors import OutputError

_BREATH = 0.0001  # seconds


class Scribe:
    """Gathers lines until the loop's next turn. A worker that added one waits for `written` before its next request.

    So what is answered is in the journal before its worker sends another request. `recorded` is given the rows whose
    lines are there, and no others; `failed` is called when the journal takes no more.

    While `is_crowded`, the interpreter's lock is let go for a moment after each turn. The HTTP library's thread needs
    it to hand over an answer, and would otherwise fight for it, answer by answer: a quarter fewer rows a second.
    """

    def __init__(
        self,
        journal: Log,
        recorded: Callable[[Sequence[Outcome]], None],
        failed: Callable[[OutputError], None],
        is_crowded: Callable[[], bool],
    ) -> None:
        self._journal = journal
        self._recorded = recorded
        self._failed = failed
        self._is_crowded = is_crowded
        self._lines: list[bytes] = []
        self._outcomes: list[Outcome] = []
        self.written: asyncio.Future[None] | None = None

    def add(self, line: bytes, outcome: Outcome) -> None:
        """Add a line to be written, and the outcome that it holds."""
        self._lines.append(line)
        self._outcomes.append(outcome)
        if self.written is None:
            loop = asyncio.get_running_loop()
            self.written = loop.create_future()
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        written, self.written = self.written, None
        lines, self._lines = self._lines, []
        outcomes, self._outcomes = self._outcomes, []
        try:
            if lines:
                self._write(lines, outcomes)
        except OutputError as error:
            self._failed(error)
        except Exception as error:
            # A bug. Raised in a callback of the loop, it would only be logged, and those who wait would wait on.
            if written is None or written.done():
                raise
            written.set_exception(error)
            return
        if written is not None and not written.done():
            written.set_result(None)
        if self._is_crowded():
            time.sleep(_BREATH)

    def _write(self, lines: Sequence[bytes], outcomes: Sequence[Outcome]) -> None:
        try:
            self._journal.append(b"".join(lines))
        except CutShortError as error:
            ends = accumulate(len(line) for line in lines)
            self._recorded(outcomes[: sum(end <= error.kept for end in ends)])
            raise
        self._recorded(outcomes)
