"""Sends one request once and reads its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from completions_cli.api.document import Whole
from completions_cli.api.masking import Mask
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.async_credentials import AsyncCredentials
from completions_cli.auth.credentials import Credentials
from completions_cli.auth.secret import SecretHeaders
from completions_cli.batch import encoding
from completions_cli.client.incoming import Head, listening
from completions_cli.client.outgoing import Outgoing
from completions_cli.errors import AuthError, CompletionsError
from completions_cli.models import CompletionRequest, Json, Usage
from completions_cli.pacing import usage_estimate
from completions_cli.transport.asynchronous import AsyncTransport

_UNAUTHORIZED = 401


@dataclass(slots=True)
class Reply:
    """A whole answer to a request: the response object with its choices as the server gave them, and its head."""

    request: CompletionRequest
    response: Mapping[str, Json]
    usage: Usage | None
    head: Head
    request_id: str | None = None  # under which the service knows this exchange
    profile: str | None = None  # who answered

    def guessed_usage(self) -> Usage:
        """Return an estimate of the tokens used, for a budget if the server reports none."""
        choices = self.response.get("choices")
        texts = [choice.get("text") for choice in choices or () if isinstance(choice, dict)]
        return usage_estimate.guessed(self.request, [text for text in texts if isinstance(text, str)])


class Failure(Exception):  # noqa: N818 - an outcome that travels with the answer it came in
    """An exchange that failed: the error, and the head of its answer if there was one."""

    def __init__(self, error: CompletionsError, head: Head | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.head = head


class Exchange:
    """Signs, sends and reads; a token that was refused is renewed once for all requests under way."""

    def __init__(  # noqa: PLR0913 - its collaborators; the last three have defaults
        self,
        service: Service,
        credentials: Credentials,
        transport: AsyncTransport,
        policy: RetryPolicy | None = None,
        *,
        model: str | None = None,
        mask: Mask | None = None,
    ) -> None:
        self._service = service
        self._model = model  # named where a request names none
        self._outgoing = Outgoing(service, transport.secrets, encoding.dumps, mask=mask)
        self.mask = self._outgoing.mask  # hides from people what went out in secret
        self._credentials = AsyncCredentials(credentials, policy)
        self._transport = transport

    @property
    def profile(self) -> str | None:
        """The name of the profile that is asked."""
        return self._service.profile

    async def send(self, request: CompletionRequest) -> Reply:
        """Send a request and read its answer. Raises Failure."""
        signing = self._credentials.at_hand()
        if signing is None:
            signing = await self._credentials.headers()
        try:
            return await self._once(request, signing)
        except Failure as failure:
            error = failure.error
            is_refused = isinstance(error, AuthError) and error.status == _UNAUTHORIZED
            if not (is_refused and await self._credentials.renew(signing)):
                raise
        return await self._once(request, await self._credentials.headers())

    async def _once(self, request: CompletionRequest, signing: SecretHeaders) -> Reply:
        head = None
        try:
            choices = request.choice_count
            if self._model is not None and request.model is None:
                request = replace(request, model=self._model)
            signed = self._outgoing.request(request, signing)
            answer = await self._transport.send(signed, partial(listening, choices))
            head = Head(answer.status, answer.headers)
            answers = self._outgoing.answers
            if request.route is None:
                whole = head.read(answer.body, choices, answer.broken, decode=encoding.read)
                response = answers.answer(whole.response)
            else:
                whole = Whole(head.read_object(answer.body, answer.broken), None)
                response = answers.document(whole.response)
        except CompletionsError as error:
            raise Failure(self.mask.error(self._service.advised(error)), head) from None
        usage, request_id = answers.usage(whole.usage), self.mask.word(head.request_id)
        return Reply(request, response, usage, head, request_id, self._service.profile)
