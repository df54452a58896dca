"""Bytes of a 200 answer in, chunks out: an event stream or one JSON document, told apart by how it starts."""

from collections.abc import Callable, Iterable, Iterator

from completions_cli import limits
from completions_cli.api import error_map, wire, wrong_answers
from completions_cli.api.ending import AnswerEnd, cut_short
from completions_cli.api.finish_reasons import reason_of
from completions_cli.api.json_body import BLANK, JsonBody
from completions_cli.api.pieces import SurrogateJoiner, UsageTally, is_count
from completions_cli.api.sse import Event, EventDecoder
from completions_cli.errors import CompletionsError, MalformedResponseError, MisfitError
from completions_cli.models import Chunk, Delta, Json, Usage

_DONE = b"[DONE]"
# Of JSON and HTML. Anything else is a field of a stream or a comment, or prose, which holds no events.
_DOCUMENT_STARTS = b'{["<-0123456789tfn'
_BEGINNING = 4096  # bytes of what may turn out to be prose


class ResponseReader:
    """Reads one answer. Feed it bytes as they come, then close it; both yield the chunks they complete.

    Content-Type is not looked at: streams come labelled as JSON and the other way round. A server
    that answers `stream: true` with one JSON document is accepted. `api.ending` says when an answer is whole.

    Take all chunks of one `feed` before the next. Raises ServiceError for an error inside the
    answer, MalformedResponseError for one that is cut short, too large or not a completion. Chunks
    yielded before stay valid.
    """

    def __init__(
        self, choices: int = 1, max_body_bytes: int = limits.BODY_BYTES, *, prompts: int | None = None
    ) -> None:
        self.ending = AnswerEnd(choices, prompts)
        self._reasons = self.ending.reasons
        self.is_renumbered = False  # the server numbered one choice in several ways
        self._choices = choices
        self._is_single = choices == 1  # whatever its pieces are numbered
        self._max_body_bytes = max_body_bytes
        self._usage = UsageTally()
        self._joiner = SurrogateJoiner()
        self._events = EventDecoder()
        self._has_events = False
        self._foreign = ""  # the first event that is no part of a completion, if there was one
        self._body = JsonBody()  # of a stream that holds no events so far, too: it may be something else
        self._size = 0
        self._feed: Callable[[bytes], Iterable[Chunk]] = self._sniff

    @property
    def finish_reasons(self) -> dict[int, str | None]:
        """Why each choice finished, by its index; None where it has not."""
        return self._reasons

    @property
    def done(self) -> bool:
        """True when nothing that follows matters."""
        return self.ending.is_done

    @property
    def is_complete(self) -> bool:
        """True when nothing that follows can change what the answer is."""
        if self.is_document:
            return self._body.has_finished()
        return self.ending.is_done or self.ending.is_complete

    @property
    def usage(self) -> Usage | None:
        """Tokens as far as the answer has told."""
        return self._usage.total()

    @property
    def is_document(self) -> bool:
        """True when the answer is one JSON document."""
        return self._feed == self._feed_document

    @property
    def is_idle(self) -> bool:
        """True when the last bytes, if they held no event, were of no use: a comment, or a blank line of a stream."""
        return self._feed == self._feed_events and not self._events.is_amid_field

    def feed(self, received: bytes) -> Iterable[Chunk]:
        """Feed the next bytes of the body, decompressed."""
        self._size += len(received)
        if self._size > self._max_body_bytes:
            raise MalformedResponseError(
                f"the response is larger than {self._max_body_bytes // (1024 * 1024)} MiB",
                hint="Ask for fewer tokens or fewer prompts at a time.",
            )
        return self._feed(received)

    def close(self, broken: CompletionsError | None = None) -> Iterator[Chunk]:
        """End the answer: check that it is whole, and yield what only its end completes.

        `broken` is what the connection broke off with: it is raised unless the answer is whole all the same.
        """
        yield from self._last_event() if self._feed == self._feed_events else self._close_document(broken)
        failure = self.ending.failure(broken)
        if failure is None:
            return
        if broken is None and not self._reasons:
            raise self._no_completion() or failure
        raise failure

    def _no_completion(self) -> CompletionsError | None:
        """Return the error for a stream in which no piece of a completion was, None for one that says nothing."""
        if self._foreign:
            return wrong_answers.not_a_completion("the stream contains no choices", self._foreign)
        return None if self._has_events else wrong_answers.no_events(self._body.text)

    def _last_event(self) -> Iterator[Chunk]:
        """Yield the chunk of an event that lacks its blank line, if it is whole."""
        last = self._events.close()
        if last is not None and not self.done and _is_whole(last[1]):
            yield from self._chunks([last])

    def _sniff(self, received: bytes) -> Iterable[Chunk]:
        """Decide by the first byte that is not blank: JSON and HTML have theirs, lines of a stream begin otherwise."""
        self._body.add(received)
        first = received.lstrip(BLANK)[:1]
        if not first:
            return ()
        if first in _DOCUMENT_STARTS:
            self._feed = self._feed_document
            return ()
        self._feed = self._feed_events
        return self._chunks(self._events.feed(self._body.raw))

    def _feed_events(self, received: bytes) -> Iterable[Chunk]:
        if self.done:
            return ()
        if not self._has_events and len(self._body) < _BEGINNING:
            self._body.add(received[:_BEGINNING])
        return self._chunks(self._events.feed(received))

    def _feed_document(self, received: bytes) -> Iterable[Chunk]:
        self._body.add(received)
        return ()

    def _chunks(self, events: Iterable[Event]) -> Iterator[Chunk]:
        for kind, data in events:
            self._has_events = True
            if data.strip() == _DONE:
                self.ending.is_done = True
                break
            source = data.decode("utf-8", "replace")
            try:
                value = _value(kind, source)
            except MalformedResponseError:
                if _is_end(source):
                    self.ending.is_done = True
                    break
                if self.ending.is_complete:  # after the last of the text, nothing is lost
                    continue
                raise
            if value is not None:
                yield self._chunk(value, source)
                wrong_answers.raise_error_beside_choices(value)

    def _chunk(self, value: dict[str, Json], source: str, *, whole: bool = False) -> Chunk:
        choices = value.get("choices")
        if not choices:
            wrong_answers.raise_what_came_instead(value, source)
            if value and not isinstance(choices, list):
                self._foreign = self._foreign or source
        deltas = []
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if isinstance(choice, dict):
                deltas.append(self._delta(choice, position, source, whole=whole))
        if value.get("usage"):
            self._usage.add(value, deltas)
        return Chunk(value, tuple(deltas))

    def _delta(self, choice: dict[str, Json], position: int, source: str, *, whole: bool) -> Delta:
        index, text, reason = choice.get("index"), choice.get("text"), choice.get("finish_reason")
        if not is_count(index):
            index = position
            self.ending.is_guessed = True
        if index and self._is_single:
            index = 0
            self.is_renumbered = True
        if reason is not None:
            reason = reason_of(reason)
        if text:
            if not isinstance(text, str):
                raise wrong_answers.not_a_completion("the response contains a text that is not a string", source)
            self._usage.has_text = True
            if self._reasons.get(index) and not self.is_renumbered:
                self.ending.goes_on(index)
        else:
            wrong_answers.refuse_chat(choice, source)
            text = ""
        if not text.isascii() or self._joiner.waiting:
            text = self._joiner.join(index, text, is_last=whole or reason is not None)
        if reason is not None or (index not in self._reasons and "text" in choice):
            self.ending.piece(index, reason)
        return Delta(index, text, reason)

    def _close_document(self, broken: CompletionsError | None) -> Iterator[Chunk]:
        text = self._body.text
        if not text:
            raise broken or cut_short("the response is empty")
        try:
            value = self._body.value()
        except ValueError as error:
            raise broken or wrong_answers.not_json(text, error) from None
        if not isinstance(value, dict):
            raise wrong_answers.not_a_completion("the response is not a completion", text)
        if self._choices == 1:  # else nobody knows which prompt they answer
            value = _told_apart(value)
            self._is_single = _holds_one(value.get("choices"))
        chunk = self._chunk(value, text, whole=True)
        if not self._reasons:
            raise MisfitError(
                f"the response contains no choices: {text[: wrong_answers.QUOTED]!r}",
                hint=wrong_answers.NOT_A_COMPLETION,
            )
        self.ending.is_document = True
        yield chunk
        wrong_answers.raise_error_beside_choices(value)


def _value(kind: bytes, text: str) -> dict[str, Json] | None:
    """Read the data of an event of this type; None for nothing. Raises the error that an event may be."""
    try:
        value = wire.read(text) if text.strip() else None
    except ValueError:
        if kind == b"error":
            raise error_map.from_event(None, text) from None
        raise wrong_answers.not_a_completion("the stream contains an event that is not JSON", text) from None
    if kind == b"error":
        raise error_map.from_event(value, text)
    if value is not None and not isinstance(value, dict):  # some servers put `null` between prompts
        raise wrong_answers.not_a_completion("the stream contains an event that is not a completion", text)
    return value


def _is_end(text: str) -> bool:
    """Return whether an event that is no completion is some server's spelling of [DONE]."""
    return text.strip().strip('"').upper() in ("[DONE]", "DONE")


def _holds_one(choices: Json) -> bool:
    return isinstance(choices, list) and len(choices) == 1


def _told_apart(document: dict[str, Json]) -> dict[str, Json]:
    """Renumber the choices where some share an index, so that their texts stay apart."""
    choices = document.get("choices")
    if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
        return document
    indexes = [index for choice in choices if is_count(index := choice.get("index"))]
    if len(set(indexes)) == len(indexes):
        return document
    return {**document, "choices": [{**choice, "index": position} for position, choice in enumerate(choices)]}


def _is_whole(data: bytes) -> bool:
    """Return whether an event that lacks its blank line can be used all the same."""
    if data.strip() == _DONE:
        return True
    try:
        wire.read(data.decode("utf-8", "replace"))
    except ValueError:
        return False
    return True
