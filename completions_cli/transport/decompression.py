"""Compressed bodies read in small steps: what a few bytes may unfold to is for the reader of the body to limit."""

import zlib
from collections.abc import Iterable, Iterator

from completions_cli import limits

# As zlib wants its formats named. "deflate" is zlib's own, except where servers send it without a header.
_FORMATS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15
_GZIP_START = b"\x1f\x8b"


class Decompressor:
    """Undoes the one encoding that is asked for; a body in any other, or in several, is given as it came.

    A gzip body may have several members, one after another; what follows the last is ignored. What begins as gzip
    does is gzip, whatever is said of it: some proxies drop the header, and no answer begins like that.
    """

    def __init__(self, encoding: str) -> None:
        self._format = _FORMATS.get(encoding.strip().lower())
        self._stream = zlib.decompressobj(self._format or 0)
        self._may_be_raw = self._format == _FORMATS["deflate"]
        self._is_at_start = True
        self._held = b""  # less than it takes to know what comes

    def feed(self, received: bytes) -> Iterator[bytes]:
        """Feed the next bytes; yield what they unfold to. Raises zlib.error when they are not what was said."""
        if self._is_at_start and received:
            received = self._begin(received)
        if self._format is None:
            if received:
                yield received
            return
        waiting, self._held = self._held + received, b""
        while True:
            if self._stream.eof:
                waiting = self._next_member(waiting)
                if not waiting:
                    return
            given = self._decompress(waiting)
            if given:
                yield given
            waiting = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if not waiting and len(given) < limits.DECOMPRESSED_STEP_BYTES:
                return

    def _begin(self, received: bytes) -> bytes:
        """Look at how a body begins; return what is known of it so far."""
        received, self._held = self._held + received, b""
        if self._format is None and len(received) < len(_GZIP_START) and _GZIP_START.startswith(received):
            self._held = received
            return b""
        self._is_at_start = False
        if self._format is None and received.startswith(_GZIP_START):
            self._format = _FORMATS["gzip"]
            self._stream = zlib.decompressobj(self._format)
        return received

    def _next_member(self, rest: bytes) -> bytes:
        """Begin the member that `rest` is the start of, and return it; nothing when it is none, or not known yet."""
        if self._format != _FORMATS["gzip"] or not _GZIP_START.startswith(rest[:2]):
            return b""
        if len(rest) < len(_GZIP_START):
            self._held = rest
            return b""
        self._stream = zlib.decompressobj(self._format)
        return rest

    def _decompress(self, waiting: bytes) -> bytes:
        try:
            return self._stream.decompress(waiting, limits.DECOMPRESSED_STEP_BYTES)
        except zlib.error:
            if not self._may_be_raw:
                raise
            self._stream = zlib.decompressobj(_RAW_DEFLATE)
            return self._stream.decompress(waiting, limits.DECOMPRESSED_STEP_BYTES)
        finally:
            self._may_be_raw = False


def decompressed(received: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Undo an encoding as `Decompressor` does."""
    decompressor = Decompressor(encoding)
    for part in received:
        yield from decompressor.feed(part)
