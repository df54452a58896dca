"""Reads the whole body of an answer: as much as arrives, or as much as is useful."""

import asyncio
from collections.abc import Callable
from typing import Literal, TypeAlias

from pyreqwest.bytes import Bytes
from pyreqwest.response import Response, ResponseBodyReader

from completions_cli import limits
from completions_cli.api.ending import LINGER_SECONDS
from completions_cli.errors import MalformedResponseError
from completions_cli.transport.answer import Headers
from completions_cli.transport.decompression import Decompressor
from completions_cli.transport.watched import Watched

# Makes what is told of each part of a body, and returns what that was worth: all that matters has come, more is to
# come, or it says no more than that the connection is alive.
Tell: TypeAlias = Callable[[bytes], Literal["complete", "more", "idle"]]
Listen: TypeAlias = Callable[[], Tell]


class Received:
    """What came of a body so far. `most` bytes are allowed; None is for an error, of which the rest is left unread."""

    def __init__(self, inner: Response, headers: Headers, most: int | None, watched: Watched) -> None:
        self.watched = watched
        self._reader = inner.body_reader
        self._left = _length(headers)
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        encoding = headers.get("content-encoding")
        self._decompressor = None if encoding is None else Decompressor(encoding)

    @property
    def body(self) -> bytes:
        """The bytes, decompressed."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    async def read(self, listen: Listen | None, timeout: float | None) -> None:  # noqa: ASYNC109 - of silence, not of all
        """Read to the end. Raises what the library raises, TimeoutError when nothing of use came for `timeout` seconds.

        MalformedResponseError is for a body that is too large, zlib.error for one that cannot be decompressed.
        """
        reader, left = self._reader, self._left
        until: _Until | None = None  # nothing but silence ends the wait for a first part
        while (part := await (reader.read_chunk() if until is None else until.wait_for(reader))) is not None:
            if left is not None:
                left -= len(part)
            begin = len(self._parts)
            if self._take(part.to_bytes()) or left == 0:
                return
            if listen is not None:
                until = until or _Until(timeout, listen())
                until.heard(b"".join(self._parts[begin:]))
            self.watched.check()

    def _take(self, part: bytes) -> bool:
        """Keep a part; return whether that is enough."""
        if self._decompressor is None:
            if self._parts or not part.startswith(b"\x1f"):
                return self._keep(part)
            self._decompressor = Decompressor("")  # which may be gzip that nobody speaks of
        return any(map(self._keep, self._decompressor.feed(part)))

    def _keep(self, step: bytes) -> bool:
        self._parts.append(step)
        self._size += len(step)
        if self._most is None:
            return self._size > limits.ERROR_BODY_BYTES
        if self._size > self._most:
            raise MalformedResponseError(
                f"the response is larger than {self._most // (1024 * 1024)} MiB",
                hint="Ask for fewer tokens or fewer prompts at a time.",
            )
        return False


class _Until:
    """When the wait for more is over, by the loop's clock. Of silence itself the library takes care."""

    def __init__(self, timeout: float | None, tell: Tell) -> None:
        self._timeout = timeout
        self._tell = tell
        self._moment: float | None = None
        self._lingers = False

    async def wait_for(self, reader: ResponseBodyReader) -> Bytes | None:
        """Wait for the next part. Raises TimeoutError."""
        if self._moment is None:
            return await reader.read_chunk()
        async with asyncio.timeout_at(self._moment):
            return await reader.read_chunk()

    def heard(self, part: bytes) -> None:
        """Record a part."""
        worth = self._tell(part)
        now = asyncio.get_running_loop().time()
        if worth == "complete":
            if not self._lingers:
                self._moment = now + LINGER_SECONDS
        elif worth == "more":
            self._moment = None
        elif self._moment is None and self._timeout is not None:
            self._moment = now + self._timeout
        self._lingers = worth == "complete"


def _length(headers: Headers) -> int | None:
    """Return how many bytes to expect, if the answer says so."""
    length = headers.get("content-length")
    return int(length) if length is not None and length.isascii() and length.isdigit() else None
