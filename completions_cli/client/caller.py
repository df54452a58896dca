"""Calls one after another over the synchronous transport: send, wait and try again, decode."""

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

from completions_cli.api import model_list, sampling
from completions_cli.api.assemble import Assembler
from completions_cli.api.ending import LINGER_SECONDS
from completions_cli.api.masking import Mask
from completions_cli.api.model_list import ModelList
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.client.attempts import Attempts, Wait
from completions_cli.client.incoming import Head, Incoming, Refusal
from completions_cli.client.outgoing import Outgoing
from completions_cli.errors import (
    CompletionsError,
    DamagedResponseError,
    NetworkError,
    ServiceError,
    UsageError,
)
from completions_cli.models import Chunk, CompletionRequest, Finished, HttpRequest, Json
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import Response, SyncTransport

_Document = TypeVar("_Document")


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
        mask: Mask | None = None,
    ) -> None:
        self._service = service
        self._credentials = credentials
        self._connection = connection or Connection()
        self._policy = policy or RetryPolicy()
        self._on_wait = on_wait
        self._shared_mask = mask
        self._sleep = sleep
        self._trace = trace
        self._begin()

    def _begin(self) -> None:
        """Open what a process has for itself: connections, and the ids of its requests."""
        self._transport = SyncTransport(self._connection, self._trace)
        self._outgoing = Outgoing(self._service, self._connection.secrets, mask=self._shared_mask)
        self.mask = self._outgoing.mask  # hides from people what went out in secret
        self._process = os.getpid()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections of this process."""
        if self._process == os.getpid():
            self._transport.close()

    def events(
        self, *requests: CompletionRequest, is_patient: bool = True, spent: float = 0.0
    ) -> Generator[Chunk | Finished]:
        """Send the requests that make up a call and yield their chunks as they arrive, then how it all finished.

        Several requests are samples of the same prompts, as `sampling.expand` makes them. An answer that is
        not streamed is one chunk. What may be retried is retried until the first chunk of text is out, never
        after, and not at all unless `is_patient`. `spent` are the seconds that the call has taken before. Raises the
        errors of `completions_cli.errors`.
        """
        patience, policy = self._start(is_patient=is_patient, spent=spent)
        ends: list[Finished] = []
        for sample, request in enumerate(requests):
            for event in self._masked(request, patience, policy):
                if isinstance(event, Finished):
                    ends.append(event)
                else:
                    yield sampling.reindex(event, sample, len(requests))
        yield sampling.merge(ends)

    def answer(self, request: CompletionRequest, *, is_patient: bool = True, spent: float = 0.0) -> Mapping[str, Json]:
        """Return the whole answer to a request: a response object, or the document of a route of the server's own.

        `is_patient` and `spent` are those of `events`.
        """
        if request.route is not None:
            return self._document(request, is_patient=is_patient, spent=spent)
        assembler, usage = Assembler(), None
        for event in self.events(request, is_patient=is_patient, spent=spent):
            if isinstance(event, Finished):
                usage = event.usage
            else:
                assembler.add(event)
        return assembler.response(usage)

    def _document(self, request: CompletionRequest, *, is_patient: bool, spent: float) -> Mapping[str, Json]:
        patience, policy = self._start(is_patient=is_patient, spent=spent)

        def send() -> Mapping[str, Json]:
            head, body, broken = self._whole(self._outgoing.request(request, self._credentials.headers()), patience)
            found: Mapping[str, Json] = self._outgoing.answers.document(head.read_object(body, broken))
            return found

        return self._repeated(send, Attempts(self._service, policy), patience)

    def models(self, *, within: float | None = None) -> ModelList:
        """Return what the service says it serves. Raises the errors of `completions_cli.errors`.

        `within` a number of seconds, it is asked once, without a retry.
        """
        patience, policy = self._start(is_patient=within is None)
        if within is not None:
            patience = Patience(self._connection.timeout, within)
        attempts = Attempts(self._service.listing, policy)

        def send() -> ModelList:
            head, body, broken = self._whole(self._outgoing.listing(self._credentials.headers()), patience)
            return head.read_models(body, broken, self._outgoing.answers)

        return self._repeated(send, attempts, patience)

    def _start(self, *, is_patient: bool, spent: float = 0.0) -> tuple[Patience, RetryPolicy]:
        """Begin a call: return how long it may take, and how it is tried again."""
        if self._process != os.getpid():  # a fork: the connections belong to the other process
            self._begin()
        patience = Patience(self._connection.timeout, self._connection.deadline, spent=spent)
        return patience, self._policy if is_patient else replace(self._policy, retries=0)

    def _repeated(self, send: Callable[[], _Document], attempts: Attempts, patience: Patience) -> _Document:
        """Send a request until it is answered, or no further attempt is worth it."""
        try:
            while True:
                attempts.number += 1
                try:
                    return send()
                except (ServiceError, NetworkError) as error:
                    self._prepare_next(attempts, error, patience)
        except CompletionsError as error:
            raise self.mask.error(error) from None

    def _whole(self, signed: HttpRequest, patience: Patience) -> tuple[Head, bytes, CompletionsError | None]:
        """Send a request and return its answer when all of it is there, and what it broke off with."""
        with self._transport.send(signed, patience) as response:
            head = Head(response.status, response.headers)
            if not head.is_success:
                raise self._failure(head, response)
            body, broken = bytearray(), None
            try:
                for part in response.body():
                    response.heard()
                    body += model_list.within_bounds(part, len(body))
            except DamagedResponseError:
                raise
            except CompletionsError as error:
                broken = error
            return head, bytes(body), broken

    def _masked(
        self, request: CompletionRequest, patience: Patience, policy: RetryPolicy
    ) -> Iterator[Chunk | Finished]:
        try:
            yield from self._answer(request, patience, policy)
        except CompletionsError as error:
            raise self.mask.error(error) from None

    def _answer(
        self, request: CompletionRequest, patience: Patience, policy: RetryPolicy
    ) -> Iterator[Chunk | Finished]:
        attempts = Attempts(self._service, policy)
        while True:
            attempts.number += 1
            incoming = Incoming(request, attempts.number, self._outgoing.answers)
            try:
                yield from self._attempt(request, incoming, patience)
            except (ServiceError, NetworkError) as error:
                if incoming.has_text:
                    raise attempts.last(error) from None
                self._prepare_next(attempts, error, patience)
            else:
                return

    def _prepare_next(self, attempts: Attempts, error: ServiceError | NetworkError, patience: Patience) -> None:
        """Renew the credentials or wait, as the next attempt needs. Raises the error when there is to be none."""
        if not (attempts.wants_renewal(error) and self._credentials.refresh()):
            self._wait(attempts.wait_after(error, patience.remaining_in_all()))

    def _attempt(
        self, request: CompletionRequest, incoming: Incoming, patience: Patience
    ) -> Iterator[Chunk | Finished]:
        process = os.getpid()
        signed = self._outgoing.request(request, self._credentials.headers())
        with self._transport.send(signed, patience) as response:
            head = Head(response.status, response.headers)
            if not head.is_success:
                raise self._failure(head, response)
            incoming.begin(head)
            for part in self._parts(response, incoming):
                yield from incoming.feed(part)
                if os.getpid() != process:  # a fork, and the other process reads the same bytes
                    raise UsageError(
                        "this answer was started by another process, before a fork", hint="Read it in that process."
                    )
            yield from incoming.close()
            yield incoming.finished()

    def _parts(self, response: Response, incoming: Incoming) -> Iterator[bytes]:
        """Yield the parts of a body, each to be fed before the next, as long as they are worth waiting for."""
        try:
            for part in response.body():
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

    def _failure(self, head: Head, response: Response) -> ServiceError:
        refusal = Refusal(head)
        with contextlib.suppress(CompletionsError):
            for part in response.body():
                response.heard()
                if not refusal.feed(part):
                    break
        return refusal.error()

    def _wait(self, wait: Wait) -> None:
        self.mask.error(wait.error)
        self._on_wait(wait)
        self._sleep(wait.seconds)
