"""What goes back over the socket, before any fault has touched it."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

JSON = "application/json"
EVENT_STREAM = "text/event-stream; charset=utf-8"


def _nothing() -> None:
    pass


def encode_json(value: object) -> bytes:
    """Encode as compact JSON in UTF-8; text that UTF-8 cannot carry (lone surrogates) is escaped."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


@dataclass(slots=True)
class Reply:
    """One whole response. `delay` is how many seconds its first byte takes."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    ended: Callable[[], None] = _nothing  # called once it has gone out, or its client has left

    @classmethod
    def of_json(cls, status: int, value: object, headers: dict[str, str] | None = None) -> "Reply":
        """Wrap a JSON value."""
        return cls(status, encode_json(value), {"content-type": JSON} | (headers or {}))

    @classmethod
    def of_text(
        cls, status: int, text: str, headers: dict[str, str] | None = None, content_type: str = "text/plain"
    ) -> "Reply":
        """Wrap text."""
        return cls(status, text.encode(), {"content-type": content_type} | (headers or {}))


@dataclass(slots=True)
class StreamReply:
    """One response whose body is still being made: each item is written on its own."""

    chunks: AsyncIterator[bytes]
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": EVENT_STREAM})
    status: int = 200
    delay: float = 0.0
    ended: Callable[[], None] = _nothing


AnyReply = Reply | StreamReply


class RefusalError(Exception):
    """The service does not do what was asked; `reply` says so in its own dialect."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply
