"""The whole of one call: encode, send, wait and retry, decode. Used by every command that talks to a service."""

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from completions_cli.api import error_map, headers, masking
from completions_cli.api.reader import ResponseReader
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.errors import (
    AuthError,
    CompletionsError,
    MalformedResponseError,
    NetworkError,
    RateLimitError,
    ServiceError,
)
from completions_cli.models import Chunk, CompletionRequest, Finished, HttpRequest
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import Response, SyncTransport


@dataclass(frozen=True, slots=True)
class Wait:
    """Why and how long, in seconds, the client waits before its attempt number `attempt`, of `attempts` at most."""

    error: CompletionsError
    seconds: float
    attempt: int
    attempts: int


class Client:
    """Sends completion requests to one service. Close it, or use it as a context manager."""

    def __init__(  # noqa: PLR0913 - its collaborators; all but two have defaults
        self,
        service: Service,
        credentials: Credentials,
        connection: Connection | None = None,
        policy: RetryPolicy | None = None,
        *,
        trace: Trace | None = None,
        on_wait: Callable[[Wait], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._service = service
        self._credentials = credentials
        self._connection = connection or Connection()
        self._policy = policy or RetryPolicy()
        self._trace = trace
        self._on_wait = on_wait
        self._sleep = sleep
        self._transport = SyncTransport(self._connection, trace)
        self._secrets: set[str] = set()  # what went out in headers, lest an error quote it back

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()

    def http_request(self, request: CompletionRequest) -> HttpRequest:
        """Lay out a request as it would be sent, authentication left out."""
        return self._service.http_request(request)

    def events(self, request: CompletionRequest) -> Iterator[Chunk | Finished]:
        """Send a request and yield its chunks as they arrive, then how it finished.

        An answer that is not streamed is one chunk. What may be retried is retried until the
        first chunk is out, never after. Raises the errors of `completions_cli.errors`.
        """
        try:
            yield from self._events(request)
        except CompletionsError as error:
            raise masking.masked(error, self._secrets) from None

    def _events(self, request: CompletionRequest) -> Iterator[Chunk | Finished]:
        outgoing = self.http_request(request)
        patience = Patience(self._connection.timeout, self._connection.deadline)
        refreshed = False
        attempt = 0
        while True:
            attempt += 1
            exchange = _Exchange(request, attempt)
            try:
                yield from self._attempt(outgoing, exchange, patience)
            except (ServiceError, NetworkError) as error:
                if exchange.has_yielded:
                    raise self._service.advised(error) from None
                if isinstance(error, AuthError) and error.status == 401 and not refreshed:  # noqa: PLR2004
                    refreshed = True
                    if self._credentials.refresh():
                        continue
                self._wait_or_raise(error, attempt, patience)
            else:
                return

    def _attempt(self, outgoing: HttpRequest, exchange: "_Exchange", patience: Patience) -> Iterator[Chunk | Finished]:
        credentials = self._credentials.headers()
        signed = replace(
            outgoing,
            headers={**outgoing.headers, "x-ms-client-request-id": headers.request_id(os.urandom(16)), **credentials},
            secret_headers=outgoing.secret_headers | credentials.keys(),
        )
        self._secrets |= {signed.headers[name].removeprefix("Bearer ") for name in signed.secret_headers}
        with self._transport.send(signed, patience) as response:
            if not 200 <= response.status < 300:  # noqa: PLR2004
                raise self._failure(response)
            yield from exchange.read(response, self._trace)

    def _failure(self, response: Response) -> ServiceError:
        parts: list[bytes] = []
        size = 0
        try:
            for part in response.body():
                if self._trace is not None:
                    self._trace.body(part)
                parts.append(part)
                size += len(part)
                response.heard()
                if size > error_map.MAX_ERROR_BYTES:
                    break
        except CompletionsError:
            pass  # the status says enough; a body cut short must not hide it
        return error_map.from_response(response.status, response.headers, b"".join(parts), time.time())

    def _wait_or_raise(self, error: ServiceError | NetworkError, attempt: int, patience: Patience) -> None:
        asked = error.retry_after if isinstance(error, ServiceError) else None
        if not error.retryable or attempt > self._policy.retries:
            raise self._service.advised(error) from None
        seconds = self._policy.backoff(attempt - 1, random.random()) if asked is None else asked  # noqa: S311
        if seconds > self._policy.max_wait:
            raise self._too_long(error, seconds) from None
        left = patience.remaining_in_all()
        if left is not None and seconds >= left:
            raise self._service.advised(error) from None
        masking.masked(error, self._secrets)
        self._on_wait(Wait(error, seconds, attempt + 1, self._policy.retries + 1))
        self._sleep(seconds)

    def _too_long(self, error: ServiceError | NetworkError, seconds: float) -> CompletionsError:
        if isinstance(error, ServiceError) and isinstance(error, RateLimitError):
            error.hint = f"The server asks to wait {seconds:g} s, over --max-wait {self._policy.max_wait:g}."
            return error
        return self._service.advised(error)


class _Exchange:
    """One attempt: reads its answer, and knows whether any of it was handed on."""

    def __init__(self, request: CompletionRequest, attempt: int) -> None:
        self._request = request
        self._attempt = attempt
        self._started = time.monotonic()
        self._first_token: float | None = None
        self.has_yielded = False

    def read(self, response: Response, trace: Trace | None) -> Iterator[Chunk | Finished]:
        reader = ResponseReader(self._request.prompt_count)
        for part in response.body():
            if trace is not None:
                trace.body(part)
            sounds = reader.is_document
            for chunk in reader.feed(part):
                sounds = True
                self._note(chunk)
                yield chunk
            if reader.done:
                break
            if sounds:
                response.heard()
        for chunk in reader.close():
            self._note(chunk)
            yield chunk
        came, asked = len(reader.finish_reasons), self._request.prompt_count
        if came < asked:
            raise MalformedResponseError(
                f"only {came} of {asked} choices came",
                hint="Does this server take arrays of prompts? Try one at a time.",
            )
        if reader.is_document:
            self._first_token = None  # all tokens came at once
        yield Finished(
            finish_reasons=reader.finish_reasons,
            usage=reader.usage,
            request_id=error_map.request_id(response.headers),
            latency=time.monotonic() - self._started,
            first_token=self._first_token,
            attempts=self._attempt,
        )

    def _note(self, chunk: Chunk) -> None:
        if not self.has_yielded and any(delta.text or delta.finish_reason for delta in chunk.deltas):
            self.has_yielded = True
            self._first_token = time.monotonic() - self._started
