"""The service that is called: how requests to it are labelled, and what to advise when it refuses."""

from dataclasses import dataclass, field, replace

from completions_cli.api import headers, hints, wire
from completions_cli.api.endpoint import Endpoint
from completions_cli.errors import CompletionsError, ServiceError
from completions_cli.models import CompletionRequest, HttpRequest


@dataclass(frozen=True, slots=True)
class Service:
    """The service to call, and how requests to it are labelled."""

    endpoint: Endpoint
    deployment: str | None = None
    extra_parameters: str | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    secret_headers: frozenset[str] = frozenset()
    profile: str | None = None
    auth: str = "key"
    auth_source: hints.AuthSource = "option"
    key_sources: tuple[str, ...] = ()

    def labels(self, request: CompletionRequest) -> dict[str, str]:
        """Return the headers of a request, authentication and its id left out."""
        return headers.build(
            request, deployment=self.deployment, extra_parameters=self.extra_parameters, custom=self.headers
        )

    def unsigned(self, request: CompletionRequest) -> HttpRequest:
        """Build a request as it would be sent, authentication and its id left out."""
        return HttpRequest(
            self.endpoint.url, self.labels(request), wire.encode(wire.body(request)), self.secret_headers
        )

    @property
    def listing(self) -> "Service":
        """The same service where it lists its models."""
        return replace(self, endpoint=self.endpoint.listing, extra_parameters=None)

    def advised(self, error: CompletionsError) -> CompletionsError:
        """Add a hint to an error of this service, if it has none."""
        if isinstance(error, ServiceError) and error.hint is None:
            error.hint = hints.hint(
                error,
                hints.HintContext(
                    host=self.endpoint.host,
                    path=self.endpoint.url.removeprefix(self.endpoint.origin),
                    profile=self.profile,
                    extra_parameters=self.extra_parameters,
                    auth=self.auth,
                    auth_source=self.auth_source,
                    key_sources=self.key_sources,
                ),
            )
        return error
