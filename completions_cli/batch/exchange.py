"""One request sent once, and its answer read: what a batch does over and over."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from completions_cli.api import document, error_map, headers, masking, retry, wire
from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials
from completions_cli.auth.signer import Signer
from completions_cli.batch import encoding
from completions_cli.errors import AuthError, CompletionsError, ServiceError
from completions_cli.models import SUCCESS, CompletionRequest, HttpRequest, Json, Usage
from completions_cli.transport.asynchronous import Answer, AsyncTransport
from completions_cli.wall_clock import unix_time

_UNAUTHORIZED = 401


@dataclass(slots=True)
class Reply:
    """A whole answer: the response object with its choices as the server gave them, and the answer it came in."""

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
        self._signer = Signer(credentials)
        self._transport = transport
        # The ids of a run's requests begin alike, so that the service's staff can find them together.
        self._id_prefix = headers.request_id(os.urandom(16))[:-12]
        self._count = int.from_bytes(os.urandom(3)) << 24
        self._common: dict[tuple[bool, bool], dict[str, str]] = {}

    async def send(self, request: CompletionRequest) -> Reply:
        """Send a request and read its answer. Raises Failure."""
        signing = self._signer.at_hand()
        if signing is None:
            signing = await self._signer.headers()
        try:
            return await self._once(request, signing)
        except Failure as failure:
            error = failure.error
            is_refused = isinstance(error, AuthError) and error.status == _UNAUTHORIZED
            if not (is_refused and await self._signer.renew(signing)):
                raise
        return await self._once(request, await self._signer.headers())

    async def _once(self, request: CompletionRequest, signing: Mapping[str, str]) -> Reply:
        try:
            answer = await self._transport.send(self._signed(request, signing))
        except CompletionsError as error:
            raise Failure(self._masked(error)) from None
        if answer.status not in SUCCESS:
            refusal = error_map.from_response(answer.status, answer.headers, answer.body, unix_time())
            raise Failure(self._masked(self._service.advised(refusal)), answer)
        try:
            whole = document.read(answer.body, request.choice_count)
        except CompletionsError as error:
            if isinstance(error, ServiceError):
                error.retry_after = error.retry_after or retry.retry_after(answer.headers, "", unix_time())
            raise Failure(self._masked(self._service.advised(error)), answer) from None
        return Reply(whole.response, whole.usage, answer)

    def _signed(self, request: CompletionRequest, signing: Mapping[str, str]) -> HttpRequest:
        """Build a request; the headers of requests without parameters of their own differ in one only."""
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
            self._service.secret_headers | signing.keys(),
        )

    def _masked(self, error: CompletionsError) -> CompletionsError:
        own = {value for name, value in self._service.headers.items() if name in self._service.secret_headers}
        return masking.masked(error, self._signer.secrets | own)
