"""Bytes of a 200 answer in, chunks out: an event stream or one JSON document, told apart by how it starts."""

import json
from collections.abc import Callable, Iterable, Iterator

from completions_cli.api import error_map, wire
from completions_cli.api.sse import Event, EventDecoder
from completions_cli.errors import MalformedResponseError
from completions_cli.models import Chunk, Delta, Json, Usage

MAX_BODY_BYTES = 256 * 1024 * 1024
_DONE = b"[DONE]"
_BLANK = b" \t\r\n\xef\xbb\xbf"
_EVENT_STREAM_STARTS = b"deir:"
_HIGH_SURROGATES = range(0xD800, 0xDC00)


class ResponseReader:
    """Reads one answer. Feed it bytes as they come, then close it; both yield the chunks they complete.

    Content-Type is not looked at: streams come labelled as JSON and the other way round. A server
    that answers `stream: true` with one JSON document is accepted. The answer is complete when
    `[DONE]` came, or every choice has its finish reason, or the document is whole.

    Raises ServiceError for an error inside the answer, MalformedResponseError for one that is cut
    short, too large or not a completion. Chunks yielded before stay valid.
    """

    def __init__(self, choices: int = 1, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self.finish_reasons: dict[int, str | None] = {}
        self.done = False  # nothing that follows matters
        self._choices = choices
        self._max_body_bytes = max_body_bytes
        self._usage = _UsageTally()
        self._joiner = _SurrogateJoiner()
        self._events = EventDecoder()
        self._document: list[bytes] = []
        self._size = 0
        self._feed: Callable[[bytes], Iterable[Chunk]] = self._sniff

    @property
    def usage(self) -> Usage | None:
        """Tokens as far as the answer has told."""
        return self._usage.total()

    @property
    def is_document(self) -> bool:
        """True when the answer is one JSON document, of which every byte is progress."""
        return self._feed == self._feed_document

    def feed(self, received: bytes) -> Iterable[Chunk]:
        """Take the next bytes of the body, decompressed."""
        return self._feed(received)

    def close(self) -> Iterator[Chunk]:
        """End the answer: check that it is whole, and yield what only its end completes."""
        if self._feed != self._feed_events:
            yield self._close_document()
            return
        last = self._events.close()
        if last is not None and not self.done and _is_whole(last.data):
            yield from self._chunks([last])
        if not self.finish_reasons:
            raise _cut_short("the stream ended before any text")
        finished = [reason for reason in self.finish_reasons.values() if reason is not None]
        if not self.done and len(finished) < max(self._choices, len(self.finish_reasons)):
            raise _cut_short("the stream ended before it was finished")

    def _sniff(self, received: bytes) -> Iterable[Chunk]:
        """Decide by the first byte that is not blank: that of a field's name or a comment, or a document."""
        self._document.append(received)
        start = b"".join(self._document)
        first = start.lstrip(_BLANK)[:1]
        if not first:
            return ()
        self._document.clear()
        self._feed = self._feed_events if first in _EVENT_STREAM_STARTS else self._feed_document
        return self._feed(start)

    def _feed_events(self, received: bytes) -> Iterable[Chunk]:
        return () if self.done else self._chunks(self._events.feed(received))

    def _feed_document(self, received: bytes) -> Iterable[Chunk]:
        self._document.append(received)
        self._size += len(received)
        if self._size > self._max_body_bytes:
            raise MalformedResponseError(
                f"the response is larger than {self._max_body_bytes // (1024 * 1024)} MiB",
                hint="Ask for fewer tokens or fewer prompts at a time, or use `stream`.",
            )
        return ()

    def _chunks(self, events: Iterable[Event]) -> Iterator[Chunk]:
        for event in events:
            data = event.data
            if data.strip() == _DONE:
                self.done = True
                break
            chunk = self._read(event, data)
            if chunk is not None:
                yield chunk

    def _read(self, event: Event, data: bytes) -> Chunk | None:
        text = data.decode("utf-8", "replace")
        try:
            value = wire.loads(text) if text.strip() else None
        except ValueError:
            if event.type == b"error":
                raise error_map.from_event(None, text) from None
            raise MalformedResponseError(
                f"the stream holds an event that is not JSON: {text[:80]!r}",
                hint="Is this a completions endpoint? Add -vv to see what it sent.",
            ) from None
        if value is None:  # some servers put `null` between prompts
            return None
        if event.type == b"error" or not isinstance(value, dict):
            raise error_map.from_event(value, text)
        return self._chunk(value, escaped=b"\\u" in data)

    def _chunk(self, value: dict[str, Json], *, escaped: bool) -> Chunk:
        choices = value.get("choices")
        if not choices and error_map.is_error_object(value):
            raise error_map.from_event(value, "")
        deltas = []
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if not isinstance(choice, dict):
                continue
            index = choice.get("index", position)
            if type(index) is not int:
                index = position
            text = choice.get("text")
            if not isinstance(text, str):
                text = ""
            reason = choice.get("finish_reason")
            if not isinstance(reason, str):
                reason = None
            if escaped or self._joiner.waiting:
                text = self._joiner.join(index, text, is_last=reason is not None)
            if reason is not None or index not in self.finish_reasons:
                self.finish_reasons[index] = reason
            deltas.append(Delta(index, text, reason))
        if value.get("usage"):
            self._usage.add(value, deltas)
        return Chunk(value, tuple(deltas))

    def _close_document(self) -> Chunk:
        body = b"".join(self._document)
        text = body.decode("utf-8", "replace").removeprefix("\ufeff")
        if not text.strip():
            raise _cut_short("the response is empty")
        try:
            value = wire.loads(text)
        except ValueError as error:
            raise MalformedResponseError(
                f"the response is not whole JSON: {error}"[:200],
                hint="It was probably cut off on its way; try again. Add -vv to see what came.",
            ) from None
        if isinstance(value, dict) and not value.get("choices") and error_map.is_error_object(value):
            raise error_map.from_event(value, text)
        if not isinstance(value, dict) or not isinstance(value.get("choices"), list) or not value["choices"]:
            raise MalformedResponseError(
                "the response holds no choices",
                hint="Is this a completions endpoint? Add -vv to see what it sent.",
            )
        self.done = True
        return self._chunk(value, escaped=b"\\u" in body)


class _UsageTally:
    """Adds up what chunks say about usage: the last word counts, except that llama.cpp counts each prompt apart."""

    def __init__(self) -> None:
        self._by_choice: dict[int, Usage] = {}

    def add(self, value: dict[str, Json], deltas: list[Delta]) -> None:
        usage = value["usage"]
        if not isinstance(usage, dict):
            return
        # `timings` is the mark of llama.cpp, whose streams end each prompt with that prompt's usage.
        key = deltas[0].index if "timings" in value and deltas else -1
        self._by_choice[key] = Usage(*(_count(usage.get(name)) for name in Usage._fields))

    def total(self) -> Usage | None:
        parts = list(self._by_choice.values())
        if len(parts) < 2:  # noqa: PLR2004
            return parts[0] if parts else None
        return Usage(*(sum(part[field] or 0 for part in parts) for field in range(3)))


class _SurrogateJoiner:
    """Makes text valid Unicode: JSON may escape an astral character as two halves, a chunk apart.

    A first half at the end of a piece waits for the next piece of its choice; what finds no
    partner becomes U+FFFD.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, str] = {}

    def join(self, index: int, text: str, *, is_last: bool) -> str:
        text = self.waiting.pop(index, "") + text
        if text and not is_last and ord(text[-1]) in _HIGH_SURROGATES:
            self.waiting[index] = text[-1]
            text = text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_whole(data: bytes) -> bool:
    """Tell whether an event that lacks its blank line can be used all the same."""
    if data.strip() == _DONE:
        return True
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def _cut_short(message: str) -> MalformedResponseError:
    return MalformedResponseError(message, hint="The connection or the server broke off; what came is kept. Try again.")
