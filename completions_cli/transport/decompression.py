"""Compressed bodies read in small steps: what a few bytes may unfold to is for the reader of the body to limit."""

import zlib
from collections.abc import Iterable, Iterator

_STEP = 256 * 1024  # bytes given at a time
# As zlib wants its formats named. "deflate" is zlib's own, except where servers send it without a header.
_FORMATS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_RAW_DEFLATE = -15


def decompressed(received: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """Undo the one encoding that is asked for; a body in any other, or in several, is given as it came.

    Raises zlib.error when the body is not what its header says.
    """
    form = _FORMATS.get(encoding.strip().lower())
    return iter(received) if form is None else _steps(received, form)


def _steps(received: Iterable[bytes], form: int) -> Iterator[bytes]:
    stream = zlib.decompressobj(form)
    may_be_raw = form == _FORMATS["deflate"]
    for part in received:
        waiting = part
        while not stream.eof:
            try:
                given = stream.decompress(waiting, _STEP)
            except zlib.error:
                if not may_be_raw:
                    raise
                stream = zlib.decompressobj(_RAW_DEFLATE)
                given = stream.decompress(waiting, _STEP)
            may_be_raw = False
            if given:
                yield given
            waiting = stream.unconsumed_tail
            if not waiting and len(given) < _STEP:
                break
