"""A body that is one JSON document, as it comes in: whether all of it is there, and what it says."""

import re

from completions_cli.api import ending, wire
from completions_cli.models import Json

BLANK = b" \t\r\n\xef\xbb\xbf"
_IN_STRING = rb'[^"\\]*+(?:\\.[^"\\]*+)*+'
_STRING = re.compile(rb'"' + _IN_STRING + rb'"', re.DOTALL)
# As far as strings are closed: it ends where one begins whose end has not come.
_CLOSED = re.compile(rb'(?:[^"]|"' + _IN_STRING + rb'")*+', re.DOTALL)
_REST_OF_STRING = re.compile(_IN_STRING, re.DOTALL)
_UNREAD = object()


class JsonBody:
    """Collects a body. Time is linear in its size."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._last = b""  # byte that is not blank
        self._scanned = 0
        self._in_string = False
        self._open = 0  # objects that have begun and not ended, up to `_scanned`
        self._value: Json = _UNREAD

    def __len__(self) -> int:
        return len(self._bytes)

    def add(self, received: bytes) -> None:
        """Feed the next bytes."""
        self._bytes += received
        self._last = received.rstrip(BLANK)[-1:] or self._last
        self._value = _UNREAD

    @property
    def raw(self) -> bytes:
        """What came, as bytes."""
        return bytes(self._bytes)

    @property
    def text(self) -> str:
        """What came, as text, without white space and byte order mark around it."""
        return self._bytes.strip(BLANK).decode("utf-8", "replace")

    def value(self) -> Json:
        """Read the document. Raises ValueError."""
        if self._value is _UNREAD:
            self._value = wire.read(self.text)
        return self._value

    def has_finished(self) -> bool:
        """Return whether the whole of an answer is here, each of its choices with a finish reason.

        Objects a line each begin as a document does; of those, only the last has its reasons.
        """
        if self._last != b"}" or not self._is_closed():
            return False
        try:
            value = self.value()
        except ValueError:
            return False
        return isinstance(value, dict) and ending.has_finished(value)

    def _is_closed(self) -> bool:
        """Return whether every object that has begun has ended."""
        if self._in_string and not self._leave_string():
            return False
        end = _end(_CLOSED, self._bytes, self._scanned)
        outside = _STRING.sub(b"", self._bytes[self._scanned : end])
        self._open += outside.count(b"{") - outside.count(b"}")
        self._scanned = end
        if end < len(self._bytes):
            self._in_string = True
            self._scanned = _end(_REST_OF_STRING, self._bytes, end + 1)
        return self._open == 0 and not self._in_string

    def _leave_string(self) -> bool:
        """Move on to where the string ends that `_scanned` stands in; return whether its end has come."""
        end = _end(_REST_OF_STRING, self._bytes, self._scanned)
        self._in_string = self._bytes[end : end + 1] != b'"'
        self._scanned = end if self._in_string else end + 1
        return not self._in_string


def _end(pattern: re.Pattern[bytes], text: bytearray, start: int) -> int:
    """Return where a match ends that may be empty."""
    return pattern.match(text, start).end()  # type: ignore[union-attr] # it always matches
