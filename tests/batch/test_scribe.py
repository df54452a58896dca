"""Who waits for a line to be written hears of every failure."""

import asyncio
from collections.abc import Callable

import pytest

from completions_cli.batch.formats import Outcome
from completions_cli.batch.journal import CutShortError
from completions_cli.batch.rows import Row
from completions_cli.batch.scribe import Scribe
from completions_cli.errors import OutputError


class _Log:
    """A journal that keeps what it is given, or fails as told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.is_dirty = False
        self.written: list[bytes] = []
        self._error = error

    def append(self, lines: bytes) -> None:
        if self._error:
            raise self._error
        self.written.append(lines)

    def sync(self) -> None: ...

    def check(self) -> None: ...


async def _wait(log: _Log, failed: Callable[[OutputError], None]) -> list[int]:
    """Have two rows written; return the numbers of those that were recorded."""
    recorded: list[int] = []
    scribe = Scribe(log, lambda rows: recorded.extend(row.row.number for row in rows), failed, lambda: False)
    scribe.add(b"a\n", Outcome(Row(0)))
    scribe.add(b"b\n", Outcome(Row(1)))
    assert scribe.written is not None
    await asyncio.wait_for(scribe.written, timeout=10)
    return recorded


def test_the_lines_of_a_turn_are_written_together() -> None:
    log = _Log()
    assert asyncio.run(_wait(log, lambda _: None)) == [0, 1]
    assert log.written == [b"a\nb\n"]


@pytest.mark.parametrize(
    ("error", "recorded"),
    [
        (OutputError("the disk is full"), []),
        (CutShortError("the disk is full", kept=0), []),
        (CutShortError("the disk is full", kept=2), [0]),
    ],
)
def test_a_failure_of_the_output_is_reported(error: OutputError, recorded: list[int]) -> None:
    failures: list[OutputError] = []
    assert asyncio.run(_wait(_Log(error), failures.append)) == recorded
    assert [str(failure) for failure in failures] == ["the disk is full"]


def test_a_bug_reaches_those_who_wait() -> None:
    with pytest.raises(AttributeError, match="no such desk"):
        asyncio.run(_wait(_Log(AttributeError("no such desk")), lambda _: None))
