"""The body of an answer, read as a whole: as much of it as comes, or as is of use."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeAlias, TypeVar

from pyreqwest.response import Response

from completions_cli.api import error_map
from completions_cli.api.ending import LINGER_SECONDS
from completions_cli.errors import MalformedResponseError
from completions_cli.transport.decompression import Decompressor

# Makes what is told of each part of a body, and returns what that was worth: all that matters has come, more is to
# come, or it says no more than that the connection is alive.
Tell: TypeAlias = Callable[[bytes], Literal["complete", "more", "idle"]]
Listen: TypeAlias = Callable[[], Tell]

_Found = TypeVar("_Found")


class Received:
    """What came of a body so far. `most` bytes are allowed; None is for an error, of which the rest is left unread."""

    def __init__(self, inner: Response, most: int | None, lost: "LostCancellation") -> None:
        self.lost = lost
        self._inner = inner
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        encoding = _header(inner, "content-encoding")
        self._decompressor = None if encoding is None else Decompressor(encoding)

    @property
    def body(self) -> bytes:
        """The bytes, decompressed."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    async def read(self, listen: Listen | None, timeout: float | None) -> None:  # noqa: ASYNC109 - of silence, not of all
        """Read to the end. Raises what the library raises, TimeoutError when nothing of use came for `timeout` seconds.

        MalformedResponseError is for a body that is too large, zlib.error for one that cannot be decompressed.
        """
        left = _length(self._inner)
        until = _Until(timeout)
        tell: Tell | None = None
        while (part := await self._next(until.moment)) is not None:
            self.lost.check()
            if left is not None:
                left -= len(part)
            begin = len(self._parts)
            if self._take(part) or left == 0:
                return
            if listen is not None:
                tell = tell or listen()
                until.heard(tell(b"".join(self._parts[begin:])))

    async def _next(self, until: float | None) -> bytes | None:
        if until is None:
            part = await self._inner.body_reader.read_chunk()
        else:
            async with asyncio.timeout_at(until):
                part = await self._inner.body_reader.read_chunk()
        return None if part is None else part.to_bytes()

    def _take(self, part: bytes) -> bool:
        """Keep a part; return whether that is enough."""
        for step in (part,) if self._decompressor is None else self._decompressor.feed(part):
            self._parts.append(step)
            self._size += len(step)
            if self._most is None and self._size > error_map.MAX_ERROR_BYTES:
                return True
            if self._most is not None and self._size > self._most:
                raise MalformedResponseError(
                    f"the response is larger than {self._most // (1024 * 1024)} MiB",
                    hint="Ask for fewer tokens or fewer prompts at a time.",
                )
        return False


class LostCancellation:
    """Finds a cancellation that the library lost, as it does where one comes together with what is waited for."""

    __slots__ = ("_before", "_task")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task else 0

    def check(self) -> None:
        """Raise CancelledError if the task was cancelled since this was made."""
        if self._task and self._task.cancelling() > self._before:
            raise asyncio.CancelledError


async def cancellable(waiting: Awaitable[_Found]) -> _Found:
    """Wait for the library, and lose no cancellation."""
    lost = LostCancellation()
    try:
        return await waiting
    finally:
        lost.check()


class _Until:
    """When a wait is over, by the loop's clock. Of silence itself the library takes care."""

    def __init__(self, timeout: float | None) -> None:
        self.moment: float | None = None
        self._timeout = timeout
        self._lingers = False

    def heard(self, worth: Literal["complete", "more", "idle"]) -> None:
        if self._lingers:
            return
        self._lingers = worth == "complete"
        if self._lingers:
            self.moment = asyncio.get_running_loop().time() + LINGER_SECONDS
        elif worth == "more":
            self.moment = None
        elif self.moment is None and self._timeout is not None:
            self.moment = asyncio.get_running_loop().time() + self._timeout


def _length(inner: Response) -> int | None:
    """Return how many bytes are to come, as far as it is said."""
    length = _header(inner, "content-length")
    return int(length) if length is not None and length.isascii() and length.isdigit() else None


def _header(inner: Response, name: str) -> str | None:
    try:
        return inner.get_header(name)
    except ValueError:  # it is no ASCII
        return None
