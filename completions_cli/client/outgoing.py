"""What goes out to a service: requests signed, and their secrets kept out of errors. No I/O."""

import os
from collections.abc import Mapping
from dataclasses import replace

from completions_cli.api import headers, masking
from completions_cli.api.service import Service
from completions_cli.errors import CompletionsError
from completions_cli.models import HttpRequest


class Outgoing:
    """Signs the requests to a service, and knows what must not be quoted back."""

    def __init__(self, service: Service) -> None:
        own = (service.headers[name] for name in service.secret_headers if name in service.headers)
        self._secrets = {value.removeprefix("Bearer ") for value in own}

    def signed(self, request: HttpRequest, credentials: Mapping[str, str]) -> HttpRequest:
        """Add the headers of credentials, and an id that this attempt can be found by."""
        self._secrets |= {value.removeprefix("Bearer ") for value in credentials.values()}
        identified = {"x-ms-client-request-id": headers.request_id(os.urandom(16))}
        return replace(
            request,
            headers={**request.headers, **identified, **credentials},
            secret_headers=request.secret_headers | credentials.keys(),
        )

    def masked(self, error: CompletionsError) -> CompletionsError:
        """Black out in an error whatever went out in secret."""
        return masking.masked(error, self._secrets)
