"""A part while it is worked on: lines gathered, and committed as a whole now and then, and at the end."""

import time
from collections.abc import Callable

from completions_cli.batch import entry
from completions_cli.batch.cluster import parts
from completions_cli.batch.cluster.parts import Entry, PartKind
from completions_cli.batch.cluster.storage import Folder
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.row_set import RowSet

_COMMIT_SECONDS = 10.0  # what is answered is lost to a crash for so long
_BYTES_A_SECOND = 4e6  # a large part is committed less often


class PartLog:
    """A `Log` that keeps one part. What it has of each row when it is opened, it keeps."""

    def __init__(  # noqa: PLR0913 - what it is of, and how it is to be
        self,
        folder: Folder,
        part: int,
        kind: PartKind,
        output_format: OutputFormat,
        *,
        keep_failed: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._kind, self._format, self._clock = folder, kind, output_format, clock
        self._name = parts.name(part, kind)
        self.done = RowSet()
        self._base = part
        self._lines: list[bytes] = []
        self.is_dirty = False
        self._committed_at = clock()
        self._size = 0
        content = folder.read(self._name) or b""
        found = parts.decode(content, kind, output_format)
        for line in found:
            self._keep(line, keep_failed=keep_failed)
        self._committed = parts.entry(content, found, output_format) if found else None

    def __contains__(self, row: int) -> bool:
        return row - self._base in self.done

    def append(self, lines: bytes) -> None:
        """Take lines, each with its LF."""
        self._lines.extend(lines.split(b"\n")[:-1])
        self._size += len(lines)
        self.is_dirty = True

    def sync(self) -> None:
        """Commit what there is, if that was not done lately."""
        if self._clock() - self._committed_at > _COMMIT_SECONDS + self._size / _BYTES_A_SECOND:
            self.commit()

    def check(self) -> None:
        """Do nothing: parts are written as a whole."""

    def commit(self) -> Entry | None:
        """Write the part with all lines so far, in the order of their rows; None when there are none."""
        if not self.is_dirty:
            return self._committed
        self.is_dirty = False
        lines = sorted(self._lines.copy(), key=self._row)
        content = parts.encode(lines, self._kind, self._format)
        self._folder.put(self._name, content)
        self._committed_at = self._clock()
        self._committed = parts.entry(content, lines, self._format)
        return self._committed

    def _row(self, line: bytes) -> int:
        found = entry.read(line, self._format)
        return found.row if found else self._base

    def _keep(self, line: bytes, *, keep_failed: bool) -> None:
        found = entry.read(line, self._format)
        if found is not None and (keep_failed or not found.failure) and self.done.add(found.row - self._base):
            self._lines.append(line)
