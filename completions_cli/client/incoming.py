"""The answer to one attempt, as it comes in: bytes to chunks and how it finished, or an error. No I/O, but a clock."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from completions_cli.api import error_map
from completions_cli.api.reader import ResponseReader
from completions_cli.errors import MalformedResponseError, ServiceError
from completions_cli.models import Chunk, CompletionRequest, Finished
from completions_cli.wall_clock import unix_time


class Incoming:
    """Reads the body of an answer; made when its request is sent."""

    def __init__(
        self, request: CompletionRequest, attempt: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.has_text = False  # of an answer that has begun to show, nothing may be tried again
        self.is_sound = False  # whether the last bytes were worth waiting for: comments are not
        self._asked = request.prompt_count
        self._reader = ResponseReader(self._asked)
        self._attempt = attempt
        self._clock = clock
        self._started = clock()
        self._first_token: float | None = None

    @property
    def is_done(self) -> bool:
        """True when nothing that follows matters."""
        return self._reader.done

    def feed(self, received: bytes) -> Iterator[Chunk]:
        """Take the next bytes and yield the chunks they complete. Raises what `ResponseReader` raises."""
        self.is_sound = self._reader.is_document
        return self._noted(self._reader.feed(received))

    def close(self) -> Iterator[Chunk]:
        """End the body: check that all of it came, and yield what only its end completes."""
        yield from self._noted(self._reader.close())
        came = len(self._reader.finish_reasons)
        if came < self._asked:
            raise MalformedResponseError(
                f"only {came} of {self._asked} choices came",
                hint="Does this server take arrays of prompts? Try one at a time.",
            )

    def finished(self, headers: Mapping[str, str]) -> Finished:
        """Return how the answer with these headers finished."""
        all_at_once = self._reader.is_document
        return Finished(
            finish_reasons=self._reader.finish_reasons,
            usage=self._reader.usage,
            request_id=error_map.request_id(headers),
            latency=self._clock() - self._started,
            first_token=None if all_at_once else self._first_token,
            attempts=self._attempt,
        )

    def _noted(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self.is_sound = True
            if not self.has_text and any(delta.text or delta.finish_reason for delta in chunk.deltas):
                self.has_text = True
                self._first_token = self._clock() - self._started
            yield chunk


class Refusal:
    """Reads the body of an error, as much of it as is of use."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._status = status
        self._headers = headers
        self._body = bytearray()

    def feed(self, received: bytes) -> bool:
        """Take the next bytes; tell whether more of them are of use."""
        self._body += received
        return len(self._body) <= error_map.MAX_ERROR_BYTES

    def error(self) -> ServiceError:
        """Make the error of what has come, though it may have broken off: the status says enough."""
        return error_map.from_response(self._status, self._headers, bytes(self._body), unix_time())
