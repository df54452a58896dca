"""What kind of service an endpoint is, going by its address: what each expects differs."""

from collections.abc import Callable
from dataclasses import dataclass

from completions_cli.api.endpoint import Endpoint
from completions_cli.errors import ConfigError

_ML = "https://ml.azure.com/.default"
_COGNITIVE = "https://cognitiveservices.azure.com/.default"
_FOUNDRY = "https://ai.azure.com/.default"


@dataclass(frozen=True, slots=True)
class EndpointKind:
    """A kind of endpoint. `scope` is what a token for it is asked for, `advice` what its users should know.

    Without a scope, only the user knows whose tokens the service takes: one for Azure is not sent elsewhere unasked.
    """

    name: str
    scope: str | None = _COGNITIVE
    advice: str | None = None


_SERVERLESS = EndpointKind("a serverless endpoint")
_MANAGED = EndpointKind("a managed online endpoint", scope=_ML)
_MODELS = EndpointKind(
    "a Foundry resource's model route",
    advice="Few models offer text completions on it; a 404 means that this one does not.",
)
_PROJECT = EndpointKind("a Foundry resource's OpenAI-style route", scope=_FOUNDRY)
_OPENAI = EndpointKind("Azure OpenAI")
_GITHUB = EndpointKind("GitHub Models", advice="It offers chat only, no text completions.")
_LOCAL = EndpointKind("a server on this machine")
_OTHER = EndpointKind("another kind of server", scope=None)


def _foundry(path: str) -> EndpointKind:
    if path.startswith(("/openai/", "/api/projects/")):
        return _PROJECT
    if path.startswith("/models/"):
        return _MODELS
    return EndpointKind("a Foundry resource", advice="Its model route ends in /models, and the endpoint does not.")


def _azure_openai(path: str) -> EndpointKind:
    if path.startswith("/openai/"):
        return _OPENAI
    return EndpointKind(
        "Azure OpenAI",
        advice="Its completions are below /openai/deployments/DEPLOYMENT or /openai/v1, and the endpoint is not.",
    )


_BY_DOMAIN: tuple[tuple[tuple[str, ...], Callable[[str], EndpointKind]], ...] = (
    (("models.ai.azure.com", "inference.ai.azure.com", "serverless.ml.azure.com"), lambda _: _SERVERLESS),
    (("inference.ml.azure.com",), lambda _: _MANAGED),
    (("services.ai.azure.com",), _foundry),
    (
        ("openai.azure.com", "cognitiveservices.azure.com", "api.cognitive.microsoft.com"),
        _azure_openai,
    ),
)


def of(endpoint: Endpoint) -> EndpointKind:
    """Classify an endpoint by host, matched as a whole suffix, and by path."""
    if endpoint.is_loopback:
        return _LOCAL
    if endpoint.host == "models.inference.ai.azure.com":
        return _GITHUB
    path = endpoint.url.removeprefix(endpoint.origin)
    for domains, kind in _BY_DOMAIN:
        if any(endpoint.host.endswith("." + domain) for domain in domains):
            return kind(path)
    return _OTHER


def may_lack_v1(endpoint: Endpoint) -> bool:
    """Return whether a server that is none of Azure's may have its completions below /v1, where the endpoint is not."""
    return of(endpoint) in (_LOCAL, _OTHER) and "/v1/" not in endpoint.url


def scope_for(endpoint: Endpoint, chosen: str | None) -> str:
    """Name what a token is asked for: what the user chose, else what the kind of endpoint wants. Raises ConfigError."""
    scope = chosen or of(endpoint).scope
    if scope is None:
        raise ConfigError(
            f"the scope of a token for {endpoint.host} is not known: it is not an Azure host",
            hint="Give the scope of its tokens: completions config set scope api://ID/.default",
        )
    return scope
