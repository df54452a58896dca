"""Calls at the same time over the asynchronous transport: what `caller` does, awaited."""

import asyncio
import os
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import replace

from completions_cli.api import error_map, headers, masking, sampling
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.auth.signer import Signer
from completions_cli.client.attempts import Attempts, Wait
from completions_cli.client.incoming import Incoming
from completions_cli.errors import CompletionsError, NetworkError, ServiceError
from completions_cli.models import SUCCESS, Chunk, CompletionRequest, Finished, HttpRequest
from completions_cli.transport.asynchronous import AsyncResponse, AsyncTransport
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.patience import Patience
from completions_cli.wall_clock import unix_time


class AsyncCaller:
    """Sends completion requests to one service, many at a time, over connections that they share."""

    def __init__(  # noqa: PLR0913 - its collaborators; all but two have defaults
        self,
        service: Service,
        credentials: Credentials,
        connection: Connection | None = None,
        policy: RetryPolicy | None = None,
        *,
        trace: Trace | None = None,
        on_wait: Callable[[Wait], None] = lambda _: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._service = service
        self._signer = Signer(credentials)
        self._connection = connection or Connection()
        self._policy = policy or RetryPolicy()
        self._trace = trace
        self._on_wait = on_wait
        self._sleep = sleep
        self._transport = AsyncTransport(self._connection, trace)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def events(self, *requests: CompletionRequest) -> AsyncGenerator[Chunk | Finished]:
        """Yield what `Caller.events` yields, as it arrives."""
        ends: list[Finished] = []
        for sample, request in enumerate(requests):
            try:
                async with aclosing(self._answer(request)) as answer:
                    async for event in answer:
                        if isinstance(event, Finished):
                            ends.append(event)
                        else:
                            yield sampling.reindex(event, sample, len(requests))
            except CompletionsError as error:
                raise self._masked(error) from None
        yield sampling.merge(ends)

    async def _answer(self, request: CompletionRequest) -> AsyncGenerator[Chunk | Finished]:
        outgoing = self._service.http_request(request)
        patience = Patience(self._connection.timeout, self._connection.deadline)
        attempts = Attempts(self._service, self._policy, random.random)
        while True:
            attempts.number += 1
            incoming = Incoming(request, attempts.number)
            signing = await self._signer.headers()
            try:
                async with aclosing(self._attempt(_signed(outgoing, signing), incoming, patience)) as events:
                    async for event in events:
                        yield event
            except (ServiceError, NetworkError) as error:
                if incoming.has_text:
                    raise self._service.advised(error) from None
                if attempts.wants_renewal(error) and await self._signer.renew(signing):
                    continue
                await self._wait(attempts.wait_after(error, patience.remaining_in_all()))
            else:
                return

    async def _attempt(
        self, signed: HttpRequest, incoming: Incoming, patience: Patience
    ) -> AsyncGenerator[Chunk | Finished]:
        async with self._transport.open(signed, patience) as response:
            if response.status not in SUCCESS:
                raise await self._failure(response)
            async for part in response.body():
                if self._trace is not None:
                    self._trace.body(part)
                for chunk in incoming.feed(part):
                    yield chunk
                if incoming.is_done:
                    break
                if incoming.is_sound:
                    response.heard()
            for chunk in incoming.close():
                yield chunk
            yield incoming.finished(response.headers)

    async def _failure(self, response: AsyncResponse) -> ServiceError:
        parts: list[bytes] = []
        size = 0
        try:
            async for part in response.body():
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

    async def _wait(self, wait: Wait) -> None:
        self._masked(wait.error)
        self._on_wait(wait)
        await self._sleep(wait.seconds)

    def _masked(self, error: CompletionsError) -> CompletionsError:
        own = {self._service.headers[name] for name in self._service.secret_headers if name in self._service.headers}
        return masking.masked(error, self._signer.secrets | own)


def _signed(outgoing: HttpRequest, signing: Mapping[str, str]) -> HttpRequest:
    identified = {"x-ms-client-request-id": headers.request_id(os.urandom(16))}
    return replace(
        outgoing,
        headers={**outgoing.headers, **identified, **signing},
        secret_headers=outgoing.secret_headers | signing.keys(),
    )
