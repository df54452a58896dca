"""Calls one after another over the synchronous transport: send, wait and try again, decode."""

import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Self

from completions_cli.api import error_map, headers, masking, sampling
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.client.attempts import Attempts, Wait
from completions_cli.client.incoming import Incoming
from completions_cli.errors import CompletionsError, NetworkError, ServiceError
from completions_cli.models import SUCCESS, Chunk, CompletionRequest, Finished, HttpRequest
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import Response, SyncTransport
from completions_cli.wall_clock import unix_time


class Caller:
    """Sends completion requests to one service. Threads may share it. Close it, or use it as a context manager."""

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

    def events(self, *requests: CompletionRequest) -> Generator[Chunk | Finished]:
        """Send the requests that make up a call and yield their chunks as they arrive, then how it all finished.

        Several requests are samples of the same prompts, as `sampling.expand` makes them. An answer that is
        not streamed is one chunk. What may be retried is retried until the first chunk of text is out, never
        after. Raises the errors of `completions_cli.errors`.
        """
        ends: list[Finished] = []
        patience = Patience(self._connection.timeout, self._connection.deadline)
        for sample, request in enumerate(requests):
            for event in self._masked(request, patience):
                if isinstance(event, Finished):
                    ends.append(event)
                else:
                    yield sampling.reindex(event, sample, len(requests))
        yield sampling.merge(ends)

    def _masked(self, request: CompletionRequest, patience: Patience) -> Iterator[Chunk | Finished]:
        try:
            yield from self._answer(request, patience)
        except CompletionsError as error:
            raise masking.masked(error, self._secrets) from None

    def _answer(self, request: CompletionRequest, patience: Patience) -> Iterator[Chunk | Finished]:
        outgoing = self._service.http_request(request)
        attempts = Attempts(self._service, self._policy)
        while True:
            attempts.number += 1
            incoming = Incoming(request, attempts.number)
            try:
                yield from self._attempt(outgoing, incoming, patience)
            except (ServiceError, NetworkError) as error:
                if incoming.has_text:
                    raise attempts.last(error) from None
                if attempts.wants_renewal(error) and self._credentials.refresh():
                    continue
                self._wait(attempts.wait_after(error, patience.remaining_in_all()))
            else:
                return

    def _attempt(self, outgoing: HttpRequest, incoming: Incoming, patience: Patience) -> Iterator[Chunk | Finished]:
        with self._transport.send(self._signed(outgoing), patience) as response:
            if response.status not in SUCCESS:
                raise self._failure(response)
            for part in response.body():
                if self._trace is not None:
                    self._trace.body(part)
                yield from incoming.feed(part)
                if incoming.is_done:
                    break
                if incoming.is_sound:
                    response.heard()
            yield from incoming.close()
            yield incoming.finished(response.headers)

    def _signed(self, outgoing: HttpRequest) -> HttpRequest:
        credentials = self._credentials.headers()
        signed = replace(
            outgoing,
            headers={**outgoing.headers, "x-ms-client-request-id": headers.request_id(os.urandom(16)), **credentials},
            secret_headers=outgoing.secret_headers | credentials.keys(),
        )
        self._secrets |= {signed.headers[name].removeprefix("Bearer ") for name in signed.secret_headers}
        return signed

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
        return error_map.from_response(response.status, response.headers, b"".join(parts), unix_time())

    def _wait(self, wait: Wait) -> None:
        masking.masked(wait.error, self._secrets)
        self._on_wait(wait)
        self._sleep(wait.seconds)
