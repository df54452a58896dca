"""httpcore's debug log, without what passed between us and others while it was written.

httpcore logs whole heads of answers, in which a server may repeat a key, and the password of a SOCKS proxy. A program
that turns debugging on sees what happened and when, but no more; what httpcore does for others is logged in full.
"""

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

_LOGGERS = ("connection", "http11", "http2", "proxy", "socks")


class _Ours(threading.local):
    """Says whether this thread is within an exchange of ours."""

    depth = 0


_OURS = _Ours()


@contextmanager
def logged_in_short() -> Iterator[None]:
    """Have httpcore log only the names of events within the block, in this thread."""
    _OURS.depth += 1
    try:
        yield
    finally:
        _OURS.depth -= 1


def each(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield parts that httpcore reads, each logged in short."""
    reading = iter(parts)
    while True:
        with logged_in_short():
            part = next(reading, None)
        if part is None:
            return
        yield part


def _shorten(record: logging.LogRecord) -> bool:
    if _OURS.depth:
        record.msg, record.args, record.exc_info = str(record.msg).partition(" ")[0], None, None
    return True


for _name in _LOGGERS:
    logging.getLogger(f"httpcore.{_name}").addFilter(_shorten)
