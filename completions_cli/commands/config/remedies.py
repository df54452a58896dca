"""What to type when a probe is refused: the command that most likely mends the profile."""

import shlex
from dataclasses import dataclass

from completions_cli.api.endpoint import DEFAULT_API_VERSION, Endpoint
from completions_cli.api.wrong_answers import OTHER_ROUTE
from completions_cli.errors import AuthError, CompletionsError, NotFoundError, ServiceError
from completions_cli.settings import endpoint_kind
from completions_cli.settings.key_sources import KeySource
from completions_cli.settings.resolve import Settings
from completions_cli.settings.table import SETTINGS

_ROLE_MISSING = (
    "The identity lacks a role on the resource. "
    "Run: az role assignment create --assignee CLIENT --role ROLE --scope RESOURCE"
)
_PLAIN = (402, 410)  # payment, and a retired model: no setting is wrong
_USUAL_PATHS = ("/completions", "/v1/completions", "/models/completions")


@dataclass(frozen=True, slots=True)
class Situation:
    """What was tried. `key_source` names where the key came from."""

    endpoint: Endpoint
    profile: str | None
    auth: str
    api_version: str | None = None
    deployment: str | None = None
    key_source: str | None = None
    scope: str | None = None


def situation(settings: Settings, endpoint: Endpoint, source: KeySource | None = None) -> Situation:
    """Return what a call with these settings tries, with a key from this source."""
    values = settings.values
    return Situation(
        endpoint=endpoint,
        profile=settings.profile,
        auth=values["auth"],
        api_version=values["api_version"],
        deployment=values["deployment"],
        key_source=source.name if source else None,
        scope=values["scope"] or endpoint_kind.of(endpoint).scope,
    )


def remedy(error: CompletionsError, tried: Situation) -> str | None:
    """Explain a failure and name the command that mends it; None leaves it to the error's hint."""
    if error.hint == OTHER_ROUTE:
        return f"Its completions are below /v1. Run: {_set('endpoint', f'{tried.endpoint.origin}/v1', tried)}"
    if not isinstance(error, ServiceError) or error.status in _PLAIN:
        return None
    if isinstance(error, AuthError):
        return _signed_in_wrongly(error, tried)
    if isinstance(error, NotFoundError):
        rules = {404: _no_route, 405: _no_completions, 424: _model_failed}
        return rules.get(error.status or 404, _no_completions)(error, tried)
    if "api-version" in error.message.lower() or "api version" in error.message.lower():
        return _wrong_version(tried)
    return None


def unencrypted(url: str, source: str, tried: Situation) -> str:
    """Name the commands that keep a key off plain http: encrypt the way, or send none. `source` is where `url` is."""
    encrypted, endpoint = f"https://{url.partition('://')[2]}", SETTINGS["endpoint"]
    is_variable = source in (endpoint.variable, endpoint.fallback)
    change = f"export {source}={shlex.quote(encrypted)}" if is_variable else _set("endpoint", encrypted, tried)
    init = f"completions config init --endpoint {shlex.quote(url)} --auth none"
    keyless = init if tried.profile is None else _set("auth", "none", tried)
    return f"Run: {change}; or, if that server needs no key: {keyless}"


def _wrong_version(tried: Situation) -> str:
    change = _set("api_version", "VERSION", tried) if tried.api_version is None else _unset("api_version", tried)
    return f"It wants another version. Run: {change}"


def _signed_in_wrongly(error: ServiceError, tried: Situation) -> str | None:
    message = error.message.lower()
    if any(words in message for words in ("network", "firewall", "public access")):
        return None
    if "key based authentication is disabled" in message:
        return f"It accepts no keys. Run: {_set('auth', 'entra', tried)}"
    if error.code == "PermissionDenied" or "principal does not have access" in message:
        return _ROLE_MISSING
    if tried.auth == "none":
        return f"It wants a key. Run: {_set('auth', 'key', tried)}"
    return _token_refused(message, tried) if tried.auth == "entra" else _key_refused(tried)


def _token_refused(message: str, tried: Situation) -> str:
    if "audience" in message:
        return f"The token is for something else ({tried.scope}). Run: {_set('scope', 'SCOPE', tried)}"
    return _ROLE_MISSING


def _key_refused(tried: Situation) -> str:
    store = f"completions config key set{_profile(tried)}"
    if tried.key_source and tried.key_source.startswith(("COMPLETIONS_", "AZURE_")):
        return f"The key in {tried.key_source} is not this endpoint's. Set it again, or unset it and run: {store}"
    return f"The key is not this endpoint's. Run: {store}"


def _no_route(error: ServiceError, tried: Situation) -> str:
    # What the reference's message ends with names a model, but is not about one.
    message = f"{error.code or ''} {error.message}".lower().replace("documentation of the model", "documentation")
    host = tried.endpoint.host
    origin, path = tried.endpoint.origin, tried.endpoint.url.removeprefix(tried.endpoint.origin)
    says_model = "modality" in message  # the reference's word for a model without this route
    is_foundry = host.endswith(".services.ai.azure.com") and not path.startswith(
        ("/models/", "/openai/", "/managed-deployments/")
    )
    is_openai = host.endswith(".openai.azure.com") and not path.startswith("/openai/")
    rules = (
        (is_foundry, f"The path is missing. Run: {_set('endpoint', f'{origin}/models', tried)}"),
        (is_openai, f"The path is missing. Run: {_set('endpoint', f'{origin}/openai/v1', tried)}"),
        ("deployment" in message, f"There is no such deployment. Run: {_set('deployment', 'NAME', tried)}"),
        ("model" in message and not says_model, f"It wants another model. Run: {_set('model', 'MODEL', tried)}"),
        (
            tried.api_version not in (None, "none", DEFAULT_API_VERSION) and not says_model,
            f"Perhaps that version is unknown. Run: {_unset('api_version', tried)}",
        ),
        (
            path.partition("?")[0] not in _USUAL_PATHS and "/openai/" not in path and not says_model,
            f"Perhaps the path is wrong. Run: {_set('endpoint', origin + _above_routes(path), tried)}",
        ),
        (
            path.startswith("/v1/") and path.partition("?")[0] in error.message and not says_model,
            f"Perhaps its routes are not below /v1. Run: {_set('endpoint', origin, tried)}",
        ),
        (
            not path.startswith("/v1/") and not says_model,
            f"Perhaps its routes are below /v1. Run: {_set('endpoint', f'{origin}/v1', tried)}",
        ),
    )
    return next((text for fits, text in rules if fits), _no_completions(error, tried))


def _above_routes(path: str) -> str:
    """Return what of a path is above the routes of a server: up to /v1, where another route of it was pasted."""
    above, v1, route = path.partition("/v1/")
    return f"{above}/v1" if v1 and route.partition("?")[0] != "completions" else ""


def _no_completions(error: ServiceError, tried: Situation) -> str:
    del error
    return f"The model there has no text completions: name another's endpoint. Run: {_set('endpoint', 'URL', tried)}"


def _model_failed(error: ServiceError, tried: Situation) -> str:
    if "not found" in error.message.lower():
        return _no_completions(error, tried)
    if not tried.endpoint.host.endswith(".azure.com"):
        return "The endpoint works, but its model failed: the server's logs say why."
    name = tried.endpoint.host.partition(".")[0]
    logs = f"az ml online-deployment get-logs --endpoint-name {name} --name {tried.deployment or 'DEPLOYMENT'}"
    return f"The deployment's container failed. Run: {logs}; or try another: {_set('deployment', 'NAME', tried)}"


def _set(key: str, value: str, tried: Situation) -> str:
    """Write the command that sets a key of the profile, or its variable where no profile is in use."""
    variable = SETTINGS[key].variable
    if tried.profile is None:
        return f"export {variable}={shlex.quote(value)}" if variable else f"completions config init --{key} {value}"
    return f"completions config set{_profile(tried)} {key} {shlex.quote(value)}"


def _unset(key: str, tried: Situation) -> str:
    if tried.profile is None:
        return f"unset {SETTINGS[key].variable}"
    return f"completions config unset{_profile(tried)} {key}"


def _profile(tried: Situation) -> str:
    return f" -p {shlex.quote(tried.profile)}" if tried.profile else ""
