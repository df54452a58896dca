"""A part in progress: lines are collected, and committed as a whole now and then, and at the end."""

import hashlib
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from completions_cli.batch.cluster import parts
from completions_cli.batch.cluster.fencing import Writer
from completions_cli.batch.cluster.parts import PartEntry, PartKind
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.recovery import Retry, asks_again


class _Line(NamedTuple):
    """The line of a row; it `is_new` until it is committed, and `is_open` if its row is to be asked again."""

    content: bytes
    is_failure: bool
    is_new: bool
    is_open: bool = False


class PartLog:
    """The `Log` of one part.

    Each commit keeps the lines that are in the part by then: others may have written in the meantime. A row has one
    line, and an answer replaces a failure.
    """

    def __init__(  # noqa: PLR0913 - what it is of, and how it is to be
        self,
        writer: Writer,
        part: int,
        kind: PartKind,
        output_format: OutputFormat,
        *,
        retry: Retry | None = None,
        may_commit: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer, self._kind, self._format, self._clock = writer, kind, output_format, clock
        self._retry, self._may_commit = retry, may_commit
        self._name = parts.name(part, kind)
        self._place = f"{writer}/{self._name}"  # for messages
        self._lines: dict[int, _Line] = {}
        self._digest = b""  # of the content last known
        self._committed: PartEntry | None = None
        self._writing = threading.Lock()  # a commit that nobody waits for any more may still be under way
        self.is_dirty = False
        self._committed_at = clock()
        self._size = 0
        self._join(writer.read(self._name))

    def __contains__(self, row: int) -> bool:
        line = self._lines.get(row)
        return line is not None and not line.is_open

    def append(self, lines: bytes) -> None:
        """Append lines, each with its LF."""
        for content in lines.split(b"\n")[:-1]:
            found = parts.read(content, self._format, self._place)
            there = self._lines.get(found.row)
            if there is None or there.is_failure:  # else an answer is there, and stays
                self._lines[found.row] = _Line(content, found.failure is not None, is_new=True)
                self.is_dirty = True
        self._size += len(lines)
        self._writer.log(self._name, lines)  # not before they are here: a commit in between has them

    def sync(self) -> None:
        """Commit if the last commit was some time ago and this worker is in touch with the coordinator."""
        pause = self._writer.commit_seconds + self._size / self._writer.bytes_a_second
        is_due = self._clock() - self._committed_at > pause
        if is_due and self._may_commit():
            self.commit()

    def check(self) -> None:
        """Do nothing: a part is checked as it is written."""

    def commit(self) -> PartEntry | None:
        """Write the part with all lines so far, in the order of their rows; None if there are none.

        Raises FencedError if this worker was dismissed, OutputError if it cannot be written.
        """
        with self._writing:
            while self.is_dirty:
                self.is_dirty = False  # before the lines are taken: those that come now are for the next time
                self._writer.rotate(self._name)
                if self._replaced():
                    break
                self.is_dirty = True
        return self._committed

    def _replaced(self) -> bool:
        self._join(self._writer.read(self._name))
        lines = [line.content for _, line in sorted(self._lines.copy().items())]
        content = parts.encode(lines, self._kind, self._format)
        try:
            is_written = self._writer.replace(self._name, content)
        except BaseException:
            self.is_dirty = True
            raise
        if is_written:
            self._know(content, parts.entry(content, lines, self._format))
        return is_written

    def _know(self, content: bytes, committed: PartEntry) -> None:
        self._digest, self._committed = hashlib.blake2b(content).digest(), committed
        self._committed_at = self._clock()

    def _join(self, content: bytes | None) -> None:
        """Read the part again, unless it is unchanged."""
        if content is None or hashlib.blake2b(content).digest() == self._digest:
            return
        lines = parts.decode(content, self._kind, self._format, self._place)
        there: dict[int, _Line] = {}
        for line, found in zip(lines, parts.read_all(lines, self._format, self._place), strict=True):
            if found.row not in there or there[found.row].is_failure:  # the first answer, else the last failure
                is_open = asks_again(found, self._retry)
                there[found.row] = _Line(line, found.failure is not None, is_new=False, is_open=is_open)
        for row, seen in there.items():
            ours = self._lines.get(row)
            # Both answered it: the one that was seen stays. Both failed: the newer one.
            if ours is None or not seen.is_failure or (ours.is_failure and not ours.is_new):
                self._lines[row] = seen
        self._know(content, parts.entry(content, lines, self._format))
