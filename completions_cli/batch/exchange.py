"""One request sent once, and its answer read: what a batch does over and over."""

import asyncio
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from completions_cli.api import document, error_map, headers, masking, retry, wire
from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.batch import encoding
from completions_cli.errors import AuthError, CompletionsError, ServiceError
from completions_cli.models import CompletionRequest, HttpRequest, Json, Usage
from completions_cli.transport.asynchronous import Answer, AsyncTransport

# A token is good for minutes: asking for the headers this often renews it in time.
_HEADERS_LAST = 20.0
_UNAUTHORIZED = 401


@dataclass(slots=True)
class Reply:
    """A whole answer: the response object with its choices in index order, and the answer it came in."""

    response: Mapping[str, Json]
    usage: Usage | None
    answer: Answer

    @property
    def request_id(self) -> str | None:
        """The id under which the service knows this exchange."""
        for name in error_map.REQUEST_ID_HEADERS:
            found = self.answer.header(name)
            if found:
                return found
        return None


class Failure(Exception):  # noqa: N818 - an outcome that travels with the answer it came in
    """An exchange that failed: the error, and its answer if there was one."""

    def __init__(self, error: CompletionsError, answer: Answer | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.answer = answer


class Exchange:
    """Signs, sends and reads; a token that was refused is renewed once for all requests under way."""

    def __init__(self, service: Service, credentials: Credentials, transport: AsyncTransport) -> None:
        self._service = service
        self._credentials = credentials
        self._transport = transport
        self._signing: dict[str, str] | None = None
        self._signed_at = 0.0
        self._renewal = asyncio.Lock()
        self._secrets: set[str] = set()
        self._secret_names = service.secret_headers
        # The ids of a run's requests begin alike, so that the service's staff can find them together.
        self._id_prefix = headers.request_id(os.urandom(16))[:-12]
        self._count = int.from_bytes(os.urandom(3)) << 24
        self._common: dict[tuple[bool, bool], dict[str, str]] = {}

    async def send(self, request: CompletionRequest) -> Reply:
        """Send a request and read its answer. Raises Failure."""
        signing: Mapping[str, str] | None = self._signing
        if signing is None or time.monotonic() - self._signed_at > _HEADERS_LAST:
            signing = await self._sign()
        try:
            return await self._once(request, signing)
        except Failure as failure:
            error = failure.error
            if not (isinstance(error, AuthError) and error.status == _UNAUTHORIZED and await self._renew(signing)):
                raise
        return await self._once(request, await self._sign())

    async def _once(self, request: CompletionRequest, signing: Mapping[str, str]) -> Reply:
        try:
            answer = await self._transport.send(self._signed(request, signing))
        except CompletionsError as error:
            raise Failure(self._masked(error)) from None
        if not 200 <= answer.status < 300:  # noqa: PLR2004
            refusal = error_map.from_response(answer.status, answer.headers, answer.body, time.time())
            raise Failure(self._masked(self._service.advised(refusal)), answer)
        try:
            whole = document.read(answer.body, request.prompt_count)
        except CompletionsError as error:
            if isinstance(error, ServiceError):
                error.retry_after = error.retry_after or retry.retry_after(answer.headers, "", time.time())
            raise Failure(self._masked(self._service.advised(error)), answer) from None
        return Reply(whole.response, whole.usage, answer)

    def _signed(self, request: CompletionRequest, signing: Mapping[str, str]) -> HttpRequest:
        """Lay out a request; the headers of requests without parameters of their own differ in one only."""
        kind = bool(request.extra), request.stream
        common = self._common.get(kind)
        if common is None:
            service = self._service
            common = self._common[kind] = headers.build(
                request,
                deployment=service.deployment,
                extra_parameters=service.extra_parameters,
                custom=service.headers,
            )
        self._count += 1
        return HttpRequest(
            self._service.endpoint.url,
            {**common, "x-ms-client-request-id": f"{self._id_prefix}{self._count:012x}", **signing},
            encoding.dumps(wire.body(request)),
            self._secret_names,
        )

    async def _sign(self) -> Mapping[str, str]:
        now = time.monotonic()
        if self._signing is None or now - self._signed_at > _HEADERS_LAST:
            async with self._renewal:
                if self._signing is None or now - self._signed_at > _HEADERS_LAST:
                    # May fetch a token, which blocks.
                    self._signing = await asyncio.to_thread(self._credentials.headers)
                    self._signed_at = time.monotonic()
                    self._secret_names = self._service.secret_headers | self._signing.keys()
                    self._secrets |= {value.removeprefix("Bearer ") for value in self._signing.values()}
        return self._signing

    async def _renew(self, refused: Mapping[str, str]) -> bool:
        async with self._renewal:
            if self._signing is not refused:
                return True  # somebody else has done it
            if not await asyncio.to_thread(self._credentials.refresh):
                return False
            self._signing = None
            return True

    def _masked(self, error: CompletionsError) -> CompletionsError:
        own = {value for name, value in self._service.headers.items() if name in self._service.secret_headers}
        return masking.masked(error, self._secrets | own)
