"""What goes out to a service: requests labelled, signed and numbered, their secrets kept out of errors. No I/O."""

import itertools
import os
from collections.abc import Callable, Iterable, Mapping

from completions_cli.api import headers, wire
from completions_cli.api.answer_mask import AnswerMask
from completions_cli.api.masking import Mask
from completions_cli.api.service import Service
from completions_cli.auth.credentials import Credentials, KeyCredentials
from completions_cli.auth.secret import Sealed, SecretHeaders
from completions_cli.models import CompletionRequest, HttpRequest, Json

_ID_HEADER = "x-ms-client-request-id"


def mask_of(credentials: Iterable[Credentials]) -> Mask:
    """Return one mask for all members of a pool, as what was sent to one may come back from another.

    It knows their keys; tokens are added when they are first sent.
    """
    mask = Mask()
    for member in credentials:
        if isinstance(member, KeyCredentials):
            for name, value in member.headers().reveal().items():
                mask.add_header(name, value)
    return mask


class Outgoing:
    """Makes the requests to a service, for every kind of caller, and knows what must not be quoted back.

    `mask` hides what went out in secret, and `secrets` beside it; members of a pool share one. `encode` writes the
    bodies: whoever sends many has a faster way than the standard library's.
    """

    def __init__(
        self,
        service: Service,
        secrets: Iterable[str] = (),
        encode: Callable[[Mapping[str, Json]], bytes] = wire.encode,
        *,
        mask: Mask | None = None,
    ) -> None:
        self._service = service
        self._encode = encode
        # The ids of a caller's requests begin alike, so that the service's staff can find them together.
        self._id_prefix = headers.request_id(os.urandom(16))[:-12]
        self._numbers = itertools.count(int.from_bytes(os.urandom(3)) << 24)
        self._shared: dict[tuple[bool, bool], Mapping[str, str]] = {}
        self._signing: SecretHeaders = Sealed({})
        self._secret_headers = service.secret_headers
        self.mask = Mask() if mask is None else mask
        for secret in (*secrets, *headers.query_secrets(service.endpoint.url)):
            self.mask.add(secret)
        for name in service.secret_headers & service.headers.keys():
            self.mask.add_header(name, service.headers[name])
        self.answers = AnswerMask(self.mask)

    def request(self, request: CompletionRequest, signing: SecretHeaders) -> HttpRequest:
        """Build a request with the headers of credentials and an id of its own."""
        if signing is not self._signing:
            self._learn(signing)
        endpoint = self._service.endpoint
        return HttpRequest(
            endpoint.url if request.route is None else endpoint.beside(request.route).url,
            self._shared_by(request),
            self._encode(wire.body(request)),
            self._secret_headers,
            "POST",
            {_ID_HEADER: self._next_id()},
        )

    def listing(self, signing: SecretHeaders) -> HttpRequest:
        """Build the request for the list of models, likewise."""
        if signing is not self._signing:
            self._learn(signing)
        listing = self._service.listing
        labels = listing.labels(CompletionRequest(None))
        del labels["content-type"]  # it has no body
        own = {_ID_HEADER: self._next_id()}
        return HttpRequest(listing.endpoint.url, {**labels, **signing.reveal()}, b"", self._secret_headers, "GET", own)

    def _learn(self, signing: SecretHeaders) -> None:
        for name, value in signing.reveal().items():
            self.mask.add_header(name, value)
        self._secret_headers = self._service.secret_headers | signing.reveal().keys()
        self._signing = signing
        self._shared.clear()

    def _next_id(self) -> str:
        return f"{self._id_prefix}{next(self._numbers):012x}"

    def _shared_by(self, request: CompletionRequest) -> Mapping[str, str]:
        """Return the headers that requests of one kind share, signed."""
        kind = bool(request.extra), request.stream
        shared = self._shared.get(kind)
        if shared is None:
            shared = self._shared[kind] = {**self._service.labels(request), **self._signing.reveal()}
            shared.pop(_ID_HEADER, None)  # ours is another for each
        return shared
