"""Where the line of each row stands in one or more outputs, kept on disk so that memory does not grow."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import quote

from completions_cli import atomic
from completions_cli.errors import OutputError

if TYPE_CHECKING:
    import sqlite3

_CACHE_KIB = 8192
_PREFIX, _SUFFIX = ".completions-", ".index"
# Nobody else opens the file: locks, which not every file system has, and safety from crashes are not needed.
_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", f"cache_size = -{_CACHE_KIB}")
_TABLE = "CREATE TABLE line (row INTEGER PRIMARY KEY, failed INTEGER, file INTEGER, offset INTEGER)"
# Of a row that has several lines an answer counts, the first; where all are failures, the last.
_ADD = """INSERT INTO line VALUES (?, ?, ?, ?) ON CONFLICT (row) DO UPDATE
    SET failed = excluded.failed, file = excluded.file, offset = excluded.offset WHERE failed"""


class Place(NamedTuple):
    """A line: its row, whether that failed there, the number of its file and its offset in bytes."""

    row: int
    failed: bool
    file: int
    offset: int


class LineIndex:
    """Remembers the line to keep of each row. Raises OutputError if `folder` has no room."""

    def __init__(self, folder: Path) -> None:
        import sqlite3  # 25 ms that most runs need not spend: what is in order and whole has no index

        self._folder, self._error = folder, sqlite3.Error
        atomic.sweep_temporary(folder, _PREFIX, _SUFFIX)
        try:
            fd, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder)
            os.close(fd)
        except OSError as error:
            raise _no_room(folder, error) from error
        self._path = Path(name)
        try:
            self._lines = sqlite3.connect(f"file:{quote(name)}?nolock=1", uri=True, isolation_level=None)
            for pragma in _PRAGMAS:
                self._lines.execute(f"PRAGMA {pragma}")
            self._lines.execute(_TABLE)
        except self._error as error:
            raise _no_room(folder, error) from error
        finally:
            _remove(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        _remove(self._path)

    def add(self, places: Iterable[Place]) -> None:
        """Add lines."""
        try:
            self._lines.execute("BEGIN")
            self._lines.executemany(_ADD, places)
            self._lines.execute("COMMIT")
        except self._error as error:
            raise _no_room(self._folder, error) from error

    def summary(self) -> tuple[int, int, int]:
        """Return how many rows there are, how many of them failed, and the number of the last, or -1."""
        found: tuple[int, int, int] = self._lines.execute(
            "SELECT count(*), coalesce(sum(failed), 0), coalesce(max(row), -1) FROM line"
        ).fetchone()
        return found

    def in_order(self) -> Iterator[tuple[int, int]]:
        """Return file and offset of each row's line, in the order of the rows."""
        # No generator: one that is left halfway would close its cursor, which fails once the index is closed.
        return self._lines.execute("SELECT file, offset FROM line ORDER BY row")

    def counts(self, place: Place) -> bool:
        """Return whether a line is the one that is kept for its row."""
        found = self._lines.execute("SELECT file, offset FROM line WHERE row = ?", (place.row,)).fetchone()
        return bool(found == (place.file, place.offset))


def _remove(path: Path) -> None:
    """Remove the name of an index, which nobody needs once it is open."""
    with suppress(OSError):  # Windows keeps what is open
        path.unlink(missing_ok=True)


def _no_room(folder: Path, error: "sqlite3.Error | OSError") -> OutputError:
    return OutputError(
        f"{folder} cannot take a temporary file: {error}", hint="It needs room for a copy; check the disk."
    )
