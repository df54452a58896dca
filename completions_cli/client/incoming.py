"""The answer to one attempt, as it comes in: bytes to chunks and how it finished, or an error. No I/O, but a clock."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

from completions_cli import limits
from completions_cli.api import document, error_map, kept, model_list, retry
from completions_cli.api.answer_mask import AnswerMask
from completions_cli.api.document import Decode, Whole
from completions_cli.api.kept import Kept
from completions_cli.api.masking import Mask
from completions_cli.api.model_list import ModelList
from completions_cli.api.reader import ResponseReader
from completions_cli.errors import CompletionsError, MalformedResponseError, ServiceError
from completions_cli.models import SUCCESS, Chunk, CompletionRequest, Finished, Json
from completions_cli.wall_clock import unix_time

# What a part of a body is worth: nothing more is needed, more is to come, or it was a comment and the like.
Heard: TypeAlias = Literal["complete", "more", "idle"]

_RENUMBERED = "the server numbered the pieces of one choice in several ways; they are shown as one"


class Head:
    """The head of an answer: its status, and what its headers say beside the body. Their names are lower case."""

    __slots__ = ("headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        self.headers = headers

    @property
    def is_success(self) -> bool:
        """Whether a completion follows; an error otherwise."""
        return self.status in SUCCESS

    @property
    def request_id(self) -> str | None:
        """The id under which the service knows this exchange."""
        return error_map.request_id(self.headers)

    def read(
        self, body: bytes, choices: int, broken: CompletionsError | None = None, *, decode: Decode = document.decoded
    ) -> Whole:
        """Read all that came of a body, until the connection was `broken` if it was.

        `decode` reads JSON: whoever reads much has a faster way than the standard library's. Raises the error that it
        is, or those of `ResponseReader`.
        """
        if not self.is_success:
            raise self.refusal(body)
        try:
            return document.read(body, choices, broken, decode)
        except ServiceError as error:
            self.complete(error)
            raise

    def read_object(self, body: bytes, broken: CompletionsError | None = None) -> Mapping[str, Json]:
        """Read the document of a route of the server's own likewise. Raises the errors of `document.read_object`."""
        if not self.is_success:
            raise self.refusal(body)
        try:
            return document.read_object(body, broken)
        except ServiceError as error:
            self.complete(error)
            raise

    def read_models(self, body: bytes, broken: CompletionsError | None, mask: AnswerMask) -> ModelList:
        """Read a list of models likewise, its secrets masked. Raises the errors of `model_list.read`."""
        try:
            return ModelList(*map(mask.fields, model_list.read(body)))
        except ServiceError as error:
            self.complete(error)
            raise
        except MalformedResponseError as error:
            raise broken or error from None

    def refusal(self, body: bytes) -> ServiceError:
        """Make the error of a body, though it may have broken off: the status says enough."""
        return error_map.from_response(self.status, self.headers, body, unix_time())

    def complete(self, error: ServiceError) -> None:
        """Add to an error inside a successful answer what only the headers say."""
        if error.retry_after is None:
            error.retry_after = retry.retry_after(self.headers, "", unix_time())
        error.request_id = error.request_id or self.request_id


class Incoming:
    """Reads the body of an answer; made when its request is sent."""

    def __init__(
        self,
        request: CompletionRequest,
        attempt: int = 1,
        mask: AnswerMask | None = None,  # of a request that holds no secrets, none
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.has_text = False  # of an answer that has begun to show, nothing may be tried again
        self.made_progress = False  # whether the last bytes were worth waiting for: comments are not
        self._reader = ResponseReader(request.choice_count, prompts=request.prompt_count)
        self._kept = Kept(request) if kept.may_ignore(request) else None
        self._broken: CompletionsError | None = None
        self._head = Head(200, {})
        self._attempt = attempt
        self._mask = mask or AnswerMask(Mask())
        self._clock = clock
        self._started = clock()
        self._first_token: float | None = None

    @property
    def is_done(self) -> bool:
        """True when nothing is left to read."""
        return self._reader.done

    @property
    def is_complete(self) -> bool:
        """True when what follows is worth waiting for a moment, no more: it cannot change what the answer is."""
        return self._reader.is_complete

    def begin(self, head: Head) -> None:
        """Set the head of an answer whose body is going to be read."""
        self._head = head

    def feed(self, received: bytes) -> Iterator[Chunk]:
        """Feed the next bytes and yield the chunks they complete. Raises what `ResponseReader` raises."""
        self.made_progress = False
        yield from self._noted(self._reader.feed(received))
        self.made_progress = self.made_progress or not self._reader.is_idle

    def break_off(self, error: CompletionsError) -> None:
        """Record that the connection broke and the body ends here."""
        self._broken = error

    def close(self) -> Iterator[Chunk]:
        """End the body: check that all of it came, and yield what only its end completes."""
        yield from self._noted(self._reader.close(self._broken))
        misfit = self._reader.ending.misfit()
        if misfit is not None:
            raise misfit

    def finished(self) -> Finished:
        """Return how the answer finished, secrets masked."""
        all_at_once, reasons = self._reader.is_document, self._reader.finish_reasons
        return Finished(
            finish_reasons=dict(zip(reasons, self._mask.fields([*reasons.values()]), strict=True)),
            usage=self._mask.usage(self._reader.usage),
            request_id=self._mask.request_id(self._head.request_id),
            latency=self._clock() - self._started,
            first_token=None if all_at_once else self._first_token,
            attempts=self._attempt,
            notes=(_RENUMBERED,) if self._reader.is_renumbered else (),
            ignored=self._kept.ignored(self._reader.usage) if self._kept is not None else (),
        )

    def _noted(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        try:
            for chunk in chunks:
                self.made_progress = True
                if self._kept is not None:
                    self._kept.add(chunk)
                if not self.has_text and any(delta.text or delta.finish_reason for delta in chunk.deltas):
                    self.has_text = True
                    self._first_token = self._clock() - self._started
                yield self._mask.chunk(chunk)
        except ServiceError as error:
            self._head.complete(error)
            raise


class Refusal:
    """Reads the body of an error, as much of it as is of use."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._body = bytearray()

    def feed(self, received: bytes) -> bool:
        """Feed the next bytes; return whether more are useful."""
        self._body += received
        return len(self._body) <= limits.ERROR_BODY_BYTES

    def error(self) -> ServiceError:
        """Return the error that the body so far describes."""
        return self._head.refusal(bytes(self._body))


def listening(choices: int) -> Callable[[bytes], Heard]:
    """Make what is told of each part of a body of so many choices, and returns what that was worth."""
    reader = ResponseReader(choices)

    def tell(part: bytes) -> Heard:
        try:
            has_events = bool(list(reader.feed(part)))
        except CompletionsError:  # whoever reads the body as a whole says so
            return "complete"
        if reader.is_complete:
            return "complete"
        return "idle" if reader.is_idle and not has_events else "more"

    return tell
