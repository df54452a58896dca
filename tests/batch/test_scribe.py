"""Who waits for a line to be written hears of every failure."""

import asyncio
from collections.abc import Callable

import pytest

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


async def _wait(log: _Log, failed: Callable[[OutputError], None]) -> None:
    scribe = Scribe(log, failed, lambda: False)
    scribe.add(b"a\n")
    scribe.add(b"b\n")
    assert scribe.written is not None
    await asyncio.wait_for(scribe.written, timeout=10)


def test_the_lines_of_a_turn_are_written_together() -> None:
    log = _Log()
    asyncio.run(_wait(log, lambda _: None))
    assert log.written == [b"a\nb\n"]


def test_a_failure_of_the_output_is_reported() -> None:
    failures: list[OutputError] = []
    asyncio.run(_wait(_Log(OutputError("the disk is full")), failures.append))
    assert [str(failure) for failure in failures] == ["the disk is full"]


def test_a_bug_reaches_those_who_wait() -> None:
    with pytest.raises(AttributeError, match="no such desk"):
        asyncio.run(_wait(_Log(AttributeError("no such desk")), lambda _: None))
