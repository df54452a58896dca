"""The event-stream format, after the WHATWG HTML standard §9.2.6, on bytes and without I/O.

Works on bytes because only CR, LF and CRLF end a line: U+2028 and its kin are text here.
"""

import re
from collections.abc import Iterator
from typing import TypeAlias

from completions_cli import limits
from completions_cli.errors import MalformedResponseError

# What its `event:` field says, or nothing, and its data lines joined by LF. A plain tuple, for a stream has many.
Event: TypeAlias = tuple[bytes, bytes]

# Decompression can make one read of many: what is split into blocks at a time stays small.
_STEP = 1024 * 1024
_LONG_COMMENT = 4096  # bytes; longer ones are not looked for
_BOM = b"\xef\xbb\xbf"
_LF = ord("\n")
# Comments, `id` and `retry` say nothing about a completion. `error` is no field of the standard: servers of llama.cpp
# before the end of 2025 have the JSON of an error in it.
_FIELD = re.compile(rb"^(data|event|error)(?:: ?(.*))?$", re.MULTILINE)


class EventDecoder:
    """Turns a byte stream, cut anywhere, into events. Time and memory are linear in the stream.

    Raises MalformedResponseError when the lines of one event, comments included, grow over `max_event_bytes`.
    """

    def __init__(self, max_event_bytes: int = limits.EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest = bytearray()  # what came after the last blank line, its lines ended by LF
        self._skip_lf = False  # the last byte was a CR, which already ended its line
        self._at_start = True

    def feed(self, received: bytes) -> Iterator[Event]:
        """Feed the next bytes and yield the events they complete; take all of them before the next call."""
        for start in range(0, len(received), _STEP):
            for block in self._blocks(received[start : start + _STEP]):
                self._check_size(len(block) + 1)
                if block.startswith(b"data: ") and _LF not in block:  # as nearly all are
                    yield b"", block[6:]
                elif block and (event := _event(block)):
                    yield event
            self._check_size(len(self._rest))

    @property
    def is_amid_field(self) -> bool:
        """True when a line has begun that is no comment, and its end has not come."""
        if not self._rest or self._rest.endswith(b"\n"):
            return False
        start = self._rest.rfind(b"\n", max(0, len(self._rest) - _LONG_COMMENT)) + 1
        return not self._rest.startswith(b":", start)

    def close(self) -> Event | None:
        """End the stream: the event that lacked its blank line, if there is one.

        The standard drops it; servers do cut it off, so the caller uses it when it is whole.
        """
        return next(self.feed(b"\n\n"), None)

    def _blocks(self, received: bytes) -> list[bytes]:
        """Cut what has come at blank lines; what follows the last one waits for more."""
        searched = max(0, len(self._rest) - 1)
        self._rest += self._with_lf(received)
        if self._rest.find(b"\n\n", searched) < 0:
            return []
        *blocks, rest = bytes(self._rest).split(b"\n\n")
        self._rest = bytearray(rest)
        if self._at_start:
            self._at_start = False
            blocks[0] = blocks[0].removeprefix(_BOM)
        return blocks

    def _with_lf(self, received: bytes) -> bytes:
        """End all lines by LF. A CR ends its line at once, so the LF that may follow is dropped when it comes."""
        if self._skip_lf:
            received = received.removeprefix(b"\n")
        self._skip_lf = received.endswith(b"\r")
        if b"\r" not in received:
            return received
        return received.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _check_size(self, size: int) -> None:
        if size > self._max_event_bytes:
            raise MalformedResponseError(
                f"one event of the stream is larger than {self._max_event_bytes // (1024 * 1024)} MiB",
                hint="The server may be broken. Ask for fewer tokens, or use `complete` instead of `stream`.",
            )


def _event(block: bytes) -> Event | None:
    """Interpret the lines between two blank ones; without data they are no event, unless it is an error."""
    kind, data = b"", bytearray()
    for field in _FIELD.finditer(block):
        value = field[2] or b""
        if field[1] == b"event":
            kind = value
        elif field[1] == b"error":
            if value.startswith(b"{"):
                return b"error", value
        else:
            data += value
            data += b"\n"
    return (kind, bytes(data[:-1])) if data or kind == b"error" else None
