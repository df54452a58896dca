"""The event-stream format, after the WHATWG HTML standard §9.2.6, on bytes and without I/O.

Works on bytes because only CR, LF and CRLF end a line: U+2028 and its kin are text here.
"""

from collections.abc import Iterator
from typing import NamedTuple

from completions_cli.errors import MalformedResponseError

MAX_EVENT_BYTES = 64 * 1024 * 1024
# Decompression can make one read of many: what is split into lines at a time stays small.
_STEP = 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: `data` is its data lines joined by LF, `type` the `event:` field or empty."""

    type: bytes
    data: bytes


class EventDecoder:
    """Turns a byte stream, cut anywhere, into events. Time and memory are linear in the stream.

    Raises MalformedResponseError when the lines of one event, comments included, grow over `max_event_bytes`.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._partial = bytearray()  # a line that has not ended yet
        self._data: bytes | bytearray | None = None  # an event's data: its only line, or all with LF between
        self._size = 0  # of all whole lines since the last event
        self._type = b""
        self._skip_lf = False  # the last byte was a CR, which already ended its line
        self._at_start = True

    def feed(self, received: bytes) -> Iterator[Event]:
        """Take the next bytes and yield the events they complete; take all of them before the next call."""
        for start in range(0, len(received), _STEP):
            for line in self._lines(received if len(received) <= _STEP else received[start : start + _STEP]):
                if line:
                    self._take_line(line)
                elif self._data is not None:
                    yield self._take_event(self._data)
                else:  # a block without data is no event
                    self._type = b""
                    self._size = 0
            self._check_size(self._size + len(self._partial))

    def close(self) -> Event | None:
        """End the stream: the event that lacked its blank line, if there is one.

        The standard drops it; servers do cut it off, so the caller uses it when it is whole.
        """
        if self._partial:
            for _ in self.feed(b"\n"):
                pass  # a line that is not empty completes no event
        return None if self._data is None else self._take_event(self._data)

    def _lines(self, received: bytes) -> list[bytes]:
        """Cut the next bytes into whole lines; what follows the last line end waits for more."""
        if self._skip_lf:
            received = received.removeprefix(b"\n")
            self._skip_lf = False
        if b"\r" in received:
            self._skip_lf = received.endswith(b"\r")
            received = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = received.split(b"\n")
        rest = lines.pop()
        if lines and (self._partial or self._at_start):
            lines[0] = self._end_partial(lines[0])
        self._partial += rest
        return lines

    def _take_line(self, line: bytes) -> None:
        self._size += len(line) + 1
        if line.startswith(b"data: "):
            self._add_data(line[6:])
        elif line.startswith(b"data:"):
            self._add_data(line[5:])
        elif line.startswith(b"event:"):
            self._type = line[6:].removeprefix(b" ")
        elif line == b"data":
            self._add_data(b"")
        elif line == b"event":
            self._type = b""
        # Comments, `id` and `retry` say nothing about a completion.

    def _add_data(self, value: bytes) -> None:
        if self._data is None:
            self._data = value
            return
        self._check_size(self._size)
        if isinstance(self._data, bytes):
            self._data = bytearray(self._data)
        self._data += b"\n"
        self._data += value

    def _take_event(self, data: bytes | bytearray) -> Event:
        """Dispatch what was gathered."""
        self._check_size(self._size)
        event = Event(self._type, bytes(data))
        self._data = None
        self._type = b""
        self._size = 0
        return event

    def _end_partial(self, end: bytes) -> bytes:
        """Put together a line that came in pieces, or the first one, which may start with a BOM."""
        self._partial += end
        line = bytes(self._partial)
        self._partial.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        return line

    def _check_size(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise MalformedResponseError(
                f"one event of the stream is larger than {self._max_event_bytes // (1024 * 1024)} MiB",
                hint="The server may be broken. Ask for fewer tokens, or use `complete` instead of `stream`.",
            )
