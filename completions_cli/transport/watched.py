"""Waits for the library: catches whatever it throws, and loses no cancellation."""

import asyncio
import time
from collections.abc import Awaitable
from types import TracebackType
from typing import TypeVar

from completions_cli.errors import CompletionsError
from completions_cli.transport.link import Link

_Found = TypeVar("_Found")


class BrokenError(Exception):
    """An exchange that the library could not finish, `elapsed` seconds after it began.

    `answering` is true once the answer had begun.
    """

    def __init__(self, error: Exception, elapsed: float, *, answering: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.elapsed = elapsed
        self.answering = answering

    async def explained(self, link: Link) -> CompletionsError:
        """Return it in the user's terms."""
        return await link.explained(self.error, self.elapsed, answering=self.answering)


class Watched:
    """A context manager for waits of one exchange. Raises BrokenError for whatever the library throws.

    None of that is a bug of ours. `answering` is to be set once the answer has begun.
    """

    __slots__ = ("_before", "_started", "_task", "answering")

    def __init__(self, *, answering: bool = False) -> None:
        self.answering = answering
        self._started = time.monotonic()
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task else 0

    def check(self) -> None:
        """Raise CancelledError if the task was cancelled since this was made, and the library lost it.

        It does so where a cancellation comes together with what is waited for.
        """
        if self._task and self._task.cancelling() > self._before:
            raise asyncio.CancelledError

    def __enter__(self) -> None:
        """Do nothing: everything is decided at the end."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.check()
        if error is None:
            return
        # asyncio's TimeoutError is ours; those of the library are kinds of it.
        if not isinstance(error, Exception) or isinstance(error, CompletionsError) or type(error) is TimeoutError:
            return
        raise BrokenError(error, time.monotonic() - self._started, answering=self.answering) from None


async def cancellable(waiting: Awaitable[_Found]) -> _Found:
    """Wait for the library, and lose no cancellation."""
    watched = Watched()
    try:
        return await waiting
    finally:
        watched.check()
