"""The event-stream format, after the WHATWG HTML standard §9.2.6, on bytes and without I/O.

Works on bytes because only CR, LF and CRLF end a line: U+2028 and its kin are text here.
"""

from typing import NamedTuple

from completions_cli.errors import MalformedResponseError

MAX_EVENT_BYTES = 64 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: `data` is its data lines joined by LF, `type` the `event:` field or empty."""

    type: bytes
    data: bytes


class EventDecoder:
    """Turns a byte stream, cut anywhere, into events. Time and memory are linear in the stream.

    Raises MalformedResponseError when one event grows over `max_event_bytes`.
    """

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._partial: list[bytes] = []  # a line that has not ended yet, in pieces
        self._partial_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._type = b""
        self._skip_lf = False  # the last byte was a CR, which already ended its line
        self._at_start = True

    def feed(self, received: bytes) -> list[Event]:
        """Take the next bytes; return the events they complete."""
        if self._skip_lf and received:
            received = received.removeprefix(b"\n")
            self._skip_lf = False
        if b"\r" in received:
            self._skip_lf = received.endswith(b"\r")
            received = received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = received.split(b"\n")
        rest = lines.pop()
        events: list[Event] = []
        if lines:
            if self._partial:
                lines[0] = self._end_partial(lines[0])
            if self._at_start:
                self._at_start = False
                lines[0] = lines[0].removeprefix(_BOM)
            self._take_lines(lines, events)
        if rest:
            self._partial.append(rest)
            self._partial_size += len(rest)
            self._check_size()
        return events

    def close(self) -> Event | None:
        """End the stream: the event that lacked its blank line, if there is one.

        The standard drops it; servers do cut it off, so the caller uses it when it is whole.
        """
        if self._partial:
            line = self._end_partial(b"")
            self._take_lines([line.removeprefix(_BOM) if self._at_start else line], [])
        return self._take_event()

    def _take_lines(self, lines: list[bytes], events: list[Event]) -> None:
        for line in lines:
            if line.startswith(b"data:"):
                value = line[6:] if line.startswith(b"data: ") else line[5:]
                self._data.append(value)
                self._data_size += len(value) + 1
                self._check_size()
            elif not line:
                event = self._take_event()
                if event is not None:
                    events.append(event)
            elif line.startswith(b"event:"):
                self._type = line[6:].removeprefix(b" ")
            elif line == b"data":
                self._data.append(b"")
            elif line == b"event":
                self._type = b""
            # Comments, `id` and `retry` say nothing about a completion.

    def _take_event(self) -> Event | None:
        """Dispatch what was gathered; a block without data is no event."""
        event = Event(self._type, b"\n".join(self._data)) if self._data else None
        self._data.clear()
        self._type = b""
        self._data_size = 0
        return event

    def _end_partial(self, end: bytes) -> bytes:
        self._partial.append(end)
        line = b"".join(self._partial)
        self._partial.clear()
        self._partial_size = 0
        return line

    def _check_size(self) -> None:
        if self._partial_size + self._data_size > self._max_event_bytes:
            raise MalformedResponseError(
                f"one event of the stream is larger than {self._max_event_bytes // (1024 * 1024)} MiB",
                hint="The server may be broken. Ask for fewer tokens, or use `complete` instead of `stream`.",
            )
