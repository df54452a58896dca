"""Calls at the same time over the asynchronous transport: what `caller` does, awaited."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import TypeVar

from completions_cli.api import model_list, sampling
from completions_cli.api.assemble import Assembler
from completions_cli.api.ending import LINGER_SECONDS
from completions_cli.api.masking import Mask
from completions_cli.api.model_list import ModelList
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.async_credentials import AsyncCredentials
from completions_cli.auth.credentials import Credentials
from completions_cli.auth.secret import Sealed, SecretHeaders
from completions_cli.client.attempts import Wait
from completions_cli.client.effort import Effort
from completions_cli.client.incoming import Head, Incoming, Refusal
from completions_cli.client.outgoing import Outgoing
from completions_cli.client.pacer import Pacer, Unpaced, UnpacedCall
from completions_cli.client.sessions import Session, Sessions
from completions_cli.errors import (
    CompletionsError,
    DamagedResponseError,
    NetworkError,
    RequestTimeoutError,
    ServiceError,
)
from completions_cli.models import Chunk, CompletionRequest, Finished, HttpRequest, Json
from completions_cli.transport.asynchronous import AsyncResponse, AsyncTransport
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience

_Document = TypeVar("_Document")


class AsyncCaller:
    """Sends completion requests to one service, many at a time, over connections that they share."""

    def __init__(  # noqa: PLR0913 - all that a call is made of
        self,
        service: Service,
        credentials: Credentials,
        connection: Connection,
        policy: RetryPolicy,
        on_wait: Callable[[Wait], None],
        *,
        is_paced: bool = False,
        mask: Mask | None = None,
    ) -> None:
        self._service = service
        self._given_credentials = credentials
        self._connection = connection
        self._policy = policy
        self._on_wait = on_wait
        self._shared_mask = mask
        self._is_paced = is_paced
        self._begin()

    def _begin(self) -> None:
        """Open what a process has for itself: connections, and the ids of its requests."""
        self._outgoing = Outgoing(self._service, self._connection.secrets, mask=self._shared_mask)
        self._sessions = Sessions(self._new_session)
        self._process = os.getpid()

    def _new_session(self, before: Session | None) -> Session:
        transport = AsyncTransport(self._connection)
        pacer = Pacer(self._policy.max_wait, before.pacer if before else None) if self._is_paced else None
        return Session(transport, AsyncCredentials(self._given_credentials), pacer)

    def _start(self, *, is_patient: bool, spent: float = 0.0) -> tuple[Session, Patience, RetryPolicy]:
        """Begin a call: return what calls on the running loop share, how long it may take, how it is tried again."""
        if self._process != os.getpid():  # a fork: the connections belong to the other process
            self._begin()
        patience = Patience(self._connection.timeout, self._connection.deadline, spent=spent)
        policy = self._policy if is_patient else replace(self._policy, retries=0)
        return self._sessions.current(), patience, policy

    async def close(self) -> None:
        """Close all connections of this process. Calls that have not ended fail; later ones open new connections."""
        if self._process == os.getpid():
            await self._sessions.close()

    async def events(
        self, *requests: CompletionRequest, is_patient: bool = True, spent: float = 0.0
    ) -> AsyncGenerator[Chunk | Finished]:
        """Yield what `Caller.events` yields, as it arrives."""
        session, patience, policy = self._start(is_patient=is_patient, spent=spent)
        ends: list[Finished] = []
        for sample, request in enumerate(requests):
            try:
                async with aclosing(self._answer(session, request, patience, policy)) as answer:
                    async for event in answer:
                        if isinstance(event, Finished):
                            ends.append(event)
                        else:
                            yield sampling.reindex(event, sample, len(requests))
            except CompletionsError as error:
                raise self._outgoing.mask.error(error) from None
        yield sampling.merge(ends)

    async def answer(
        self, request: CompletionRequest, *, is_patient: bool = True, spent: float = 0.0
    ) -> Mapping[str, Json]:
        """Return what `Caller.answer` returns."""
        if request.route is not None:
            return await self._document(request, is_patient=is_patient, spent=spent)
        assembler, usage = Assembler(), None
        async with aclosing(self.events(request, is_patient=is_patient, spent=spent)) as events:
            async for event in events:
                if isinstance(event, Finished):
                    usage = event.usage
                else:
                    assembler.add(event)
        return assembler.response(usage)

    async def _document(self, request: CompletionRequest, *, is_patient: bool, spent: float) -> Mapping[str, Json]:
        session, patience, policy = self._start(is_patient=is_patient, spent=spent)

        async def send(signing: SecretHeaders, turn: Unpaced) -> Mapping[str, Json]:
            signed = self._outgoing.request(request, signing)
            head, body, broken = await self._whole(session, signed, patience, turn)
            found: Mapping[str, Json] = self._outgoing.answers.document(head.read_object(body, broken))
            return found

        return await self._repeated(send, Effort(session, session.call(request), self._service, policy, patience))

    async def models(self) -> ModelList:
        """Return what the service says it serves, as `Caller.models` does."""
        session, patience, policy = self._start(is_patient=True)

        async def send(signing: SecretHeaders, turn: Unpaced) -> ModelList:
            head, body, broken = await self._whole(session, self._outgoing.listing(signing), patience, turn)
            return head.read_models(body, broken, self._outgoing.answers)

        return await self._repeated(send, Effort(session, UnpacedCall(), self._service.listing, policy, patience))

    async def _repeated(
        self,
        send: Callable[[SecretHeaders, Unpaced], Awaitable[_Document]],
        effort: Effort,
    ) -> _Document:
        """Send a request until it is answered, or no further attempt is worth it."""
        try:
            while True:
                turn = await effort.turn()
                signing: SecretHeaders = Sealed({})
                try:
                    signing = await effort.session.credentials.headers()
                    answer = await send(signing, turn)
                except (ServiceError, NetworkError) as error:
                    turn.failed(error)
                    await self._retry(error, signing, effort)
                except RequestTimeoutError as error:
                    turn.failed(effort.of_server(error))
                    raise
                else:
                    turn.answered(None)
                    return answer
                finally:
                    turn.close()
        except CompletionsError as error:
            raise self._outgoing.mask.error(error) from None

    async def _whole(
        self, session: Session, signed: HttpRequest, patience: Patience, turn: Unpaced
    ) -> tuple[Head, bytes, CompletionsError | None]:
        """Send a request and return its answer when all of it is there, and what it broke off with."""
        async with session.transport.open(signed, patience) as response:
            head = Head(response.status, response.headers)
            turn.read(head)
            if not head.is_success:
                raise await self._failure(head, response)
            body, broken = bytearray(), None
            try:
                async for part in response.body():
                    response.heard()
                    body += model_list.within_bounds(part, len(body))
            except DamagedResponseError:
                raise
            except CompletionsError as error:
                broken = error
            return head, bytes(body), broken

    async def _answer(
        self, session: Session, request: CompletionRequest, patience: Patience, policy: RetryPolicy
    ) -> AsyncGenerator[Chunk | Finished]:
        effort = Effort(session, session.call(request), self._service, policy, patience)
        while True:
            turn = await effort.turn()
            incoming = Incoming(request, effort.attempts.number, self._outgoing.answers)
            signing: SecretHeaders = Sealed({})
            try:
                signing = await session.credentials.headers()
                signed = self._outgoing.request(request, signing)
                async with aclosing(self._attempt(session.transport, signed, incoming, patience, turn)) as events:
                    async for event in events:
                        given_at = time.monotonic()
                        yield event
                        turn.lent(time.monotonic() - given_at)
            except (ServiceError, NetworkError) as error:
                turn.failed(error)
                if incoming.has_text:
                    raise effort.attempts.last(error) from None
                await self._retry(error, signing, effort)
            except RequestTimeoutError as error:
                turn.failed(effort.of_server(error))
                raise
            else:
                return
            finally:
                turn.close()

    async def _retry(self, error: ServiceError | NetworkError, signing: SecretHeaders, effort: Effort) -> None:
        """Do what the next attempt needs: new credentials, or a wait. Raises the error if there is to be none."""
        if effort.attempts.wants_renewal(error) and await effort.session.credentials.renew(signing):
            return
        wait = effort.wait_after(error)
        self._outgoing.mask.error(wait.error)
        self._on_wait(wait)
        await asyncio.sleep(wait.seconds)

    async def _attempt(
        self, transport: AsyncTransport, signed: HttpRequest, incoming: Incoming, patience: Patience, turn: Unpaced
    ) -> AsyncGenerator[Chunk | Finished]:
        async with transport.open(signed, patience) as response:
            head = Head(response.status, response.headers)
            turn.read(head)
            if not head.is_success:
                raise await self._failure(head, response)
            incoming.begin(head)
            async with aclosing(self._parts(response, incoming)) as parts:
                async for part in parts:
                    for chunk in incoming.feed(part):
                        yield chunk
            for chunk in incoming.close():
                yield chunk
            finished = incoming.finished()
            turn.answered(finished.usage)
            yield finished

    async def _parts(self, response: AsyncResponse, incoming: Incoming) -> AsyncGenerator[bytes]:
        """Yield the parts of a body, each to be fed before the next, as long as they are worth waiting for."""
        try:
            async for part in response.body():
                yield part
                if incoming.is_done:
                    return
                if incoming.is_complete:
                    response.linger(LINGER_SECONDS)
                elif incoming.made_progress:
                    response.heard()
        except DamagedResponseError:
            raise
        except CompletionsError as error:
            incoming.break_off(error)

    async def _failure(self, head: Head, response: AsyncResponse) -> ServiceError:
        refusal = Refusal(head)
        with suppress(CompletionsError):
            async for part in response.body():
                response.heard()
                if not refusal.feed(part):
                    break
        return refusal.error()
