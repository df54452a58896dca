"""A range of a file, read as a file of its own."""

import io
from typing import cast


class Window(io.RawIOBase):
    """Bytes `start` to `stop` of a stream, as a stream."""

    def __init__(self, inner: io.RawIOBase | io.BufferedIOBase, start: int, stop: int) -> None:
        self._inner, self._start, self._stop = inner, start, stop
        self._at = inner.seek(start)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to an offset from the start of the window."""
        if whence == 0:
            self._at = self._start + offset
            self._inner.seek(self._at)
        return self._at - self._start

    def readinto(self, buffer: object, /) -> int:
        """Read the next bytes."""
        view = memoryview(cast("bytearray", buffer))
        data = self._inner.read(min(len(view), self._stop - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)
