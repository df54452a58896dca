"""What a program may say of a service and of a call, and the settings and requests that it comes to."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypedDict, cast

from completions_cli.api import headers, infill, sampling, wire
from completions_cli.api.parameters import DOCUMENTED, PARAMETERS, split
from completions_cli.auth.given_credential import TokenCredential
from completions_cli.auth.secret import Sealed
from completions_cli.client.attempts import Wait
from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest, Json, Prompt
from completions_cli.settings.layers import Flags
from completions_cli.settings.resolve import Settings
from completions_cli.settings.table import AuthKind, ExtraParameters

_FROM_NOTHING = f"For a text that begins from nothing give {sampling.NEW_DOCUMENT!r}."
_BESIDE_SETTINGS = ("api_key", "client_secret", "credential", "headers", "on_wait", "pace")


class ClientOptions(TypedDict, total=False):
    """The connection options of the command and the settings of a profile. Times are in seconds, None is not given."""

    api_key: str | None
    """The key of the endpoint."""
    api_version: str | None
    """Version of the API; "none" sends no version."""
    deployment: str | None
    """Deployment to route to: the header `azureml-model-deployment`."""
    model: str | None
    """Model to request; sent in the body."""
    auth: AuthKind | None
    """How to sign in: with a key (the default), a token of Microsoft Entra ID, or not at all."""
    tenant_id: str | None
    """Entra: the tenant that the application belongs to."""
    client_id: str | None
    """Entra: the application's id. Without it and `tenant_id`, azure-identity finds an identity."""
    client_secret: str | None
    """Entra: the application's secret."""
    credential: TokenCredential | None
    """Entra: an object that issues tokens, such as a credential of azure-identity. Also called from other threads."""
    scope: str | None
    """Entra: the scope of the token, if the endpoint's host does not determine it."""
    authority: str | None
    """Entra: the login host, for sovereign clouds."""
    extra_parameters: ExtraParameters | None
    """What the service does with unknown parameters; pass-through if a request has `extra`."""
    headers: Mapping[str, str] | None
    """Additional headers."""
    timeout: float | None
    """Maximum time without data from the service, in seconds (300)."""
    deadline: float | None
    """Maximum time for a whole call including retries, in seconds (none)."""
    connect_timeout: float | None
    """Maximum time to connect, in seconds (10)."""
    retries: int | None
    """Retries after the first attempt (4)."""
    max_wait: float | None
    """Longest single wait that the service may ask for, in seconds (120)."""
    on_wait: Callable[[Wait], None] | None
    """Called before each retry with the error and the length of the wait."""
    proxy: str | None
    """URL of a proxy; by default that of HTTPS_PROXY and similar variables."""
    ca_bundle: str | None
    """File of certificates to trust; by default the system's store."""
    client_cert: str | None
    """File (PEM) with the certificate to show to a server that requires one."""
    client_key: str | None
    """File (PEM) with the key of that certificate, if it is not in the same file."""
    unix_socket: str | None
    """Path of a Unix socket to connect to instead of the endpoint's host; `Client` only."""
    model_path: str | None
    """A GGUF file for the profile `local`."""
    pace: bool | None
    """Let calls wait for their turn, at a pace learned from the service; `AsyncClient` only."""
    infill: str | None
    """How to build the prompt of a call with `suffix` for a server that has none: "<PRE>{prefix}<SUF>{suffix}<MID>"."""


class CompletionOptions(TypedDict, total=False):
    """The parameters of the API reference, and some others. None means not given."""

    max_tokens: int | None
    """Maximum tokens to generate (256)."""
    temperature: float | None
    """Randomness, 0 to 2."""
    top_p: float | None
    """Nucleus sampling, 0 to 1."""
    stop: str | Sequence[str] | None
    """Text or texts before which to stop."""
    seed: int | None
    """Seed for repeatable sampling."""
    frequency_penalty: float | None
    """Avoid frequent tokens, -2 to 2."""
    presence_penalty: float | None
    """Avoid tokens already used, -2 to 2."""
    model: str | None
    """Model to request; sent in the body."""
    suffix: str | None
    """Infill: the text that follows the gap."""
    extra: Mapping[str, Json] | None
    """Additional parameters that are not in the API reference."""
    samples: int
    """Completions per prompt; those of one prompt are next to each other."""
    unset: Collection[str]
    """Parameters that the profile or a default sets, but that are not sent."""


class ScoreOptions(TypedDict, total=False):
    """Those of a score, which generates nothing."""

    model: str | None
    extra: Mapping[str, Json] | None
    unset: Collection[str]


def flags(profile: str | None, sealed: Sealed[ClientOptions]) -> Flags:
    """Return a program's arguments as if typed as options. Raises UsageError."""
    options = sealed.reveal()
    given = {name: value for name, value in options.items() if name not in _BESIDE_SETTINGS}
    if options.get("credential") is not None:
        given["auth"] = "entra"
    own = options.get("headers") or {}
    if not isinstance(own, Mapping):
        raise UsageError("headers must be a mapping of names to values")
    for name, value in own.items():
        reason = headers.error(name, value)
        if reason:
            raise UsageError(reason)
    return Flags(
        profile=profile,
        arguments=given,
        headers={name.lower(): value.strip() for name, value in own.items()},
    )


def requests(
    settings: Settings, prompt: Prompt | None, options: CompletionOptions, *, stream: bool
) -> list[CompletionRequest]:
    """Make the requests of one call. Raises UsageError."""
    unset = _unset(settings, options.get("unset") or ())
    parameters = _parameters(settings, unset, options)
    extra = _extra(settings, unset, options.get("extra") or {}) | _suffix(options.get("suffix"))
    samples = _samples(options)
    model = options.get("model") or settings.values["model"]
    given = prompt if prompt == "" and options.get("suffix") else _prompt(prompt)
    asked = CompletionRequest(given, parameters, extra, model, stream)
    request = infill.spelled(asked, settings.values["infill"])
    return sampling.expand(request, samples, streams_arrays=settings.is_local)


def scored(
    settings: Settings, prompt: Json, continuations: Json, options: ScoreOptions
) -> tuple[CompletionRequest, str, list[str]]:
    """Return the parts of a score: a request with the model, the prompt and its continuations.

    Raises UsageError.
    """
    if not isinstance(prompt, str):
        raise UsageError("score() needs a prompt of text", hint="With tokens, it is not known where the prompt ends.")
    if isinstance(continuations, str) or not all(isinstance(text, str) and text for text in continuations or ()):
        raise UsageError("continuations must be a list of texts, none of them empty")
    texts = list(continuations or ())
    if continuations is not None and not texts:
        raise UsageError("the list of continuations is empty")
    if not prompt and not texts:
        raise UsageError("the text is empty", hint="Give the text that is to be scored.")
    unset = _unset(settings, options.get("unset") or ())
    extra = _extra(settings, unset, options.get("extra") or {})
    model = options.get("model") or settings.values["model"]
    return CompletionRequest(prompt, {}, extra, model), prompt, texts


def _prompt(given: Json) -> Prompt:
    """Check a prompt. An empty one is a variable that was never filled, and not worth 256 tokens."""
    if given is None:
        raise UsageError("there is no prompt: it is None", hint=_FROM_NOTHING)
    prompt = wire.prompt_from_json(list(given) if isinstance(given, tuple) else given)
    if prompt == "":
        raise UsageError("the prompt is empty", hint=_FROM_NOTHING)
    if isinstance(prompt, list) and "" in prompt:
        raise UsageError(f"prompt {list(prompt).index('')} of the list is empty", hint=_FROM_NOTHING)
    return prompt


def _unset(settings: Settings, names: Collection[str]) -> Collection[str]:
    names = [names] if isinstance(names, str) else names
    known = [*PARAMETERS, *settings.extra]
    for name in names:
        if name not in known:
            raise UsageError(f"unset: there is no parameter {name!r}", hint=f"There are {', '.join(known)}.")
    return names


def _parameters(settings: Settings, unset: Collection[str], options: CompletionOptions) -> dict[str, Json]:
    given = cast("Mapping[str, Json]", options)
    kept = {name: value for name, value in settings.parameters.items() if name not in unset}
    typed = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
    return kept | split({name: typed[name] for name in PARAMETERS if name in typed}).parameters


def _extra(settings: Settings, unset: Collection[str], extra: Mapping[str, Json]) -> dict[str, Json]:
    for name in extra:
        if name in DOCUMENTED:
            raise UsageError(f"{name} is not an extra parameter", hint=f"Give it as an argument of its own: {name}=…")
    return {name: value for name, value in settings.extra.items() if name not in unset} | {**extra}


def _suffix(suffix: Json) -> dict[str, Json]:
    if suffix is None:
        return {}
    if not isinstance(suffix, str):
        raise UsageError("suffix must be a string")
    return {infill.SUFFIX: suffix}


def _samples(options: CompletionOptions) -> int:
    samples = options.get("samples", 1)
    if type(samples) is not int or samples < 1:
        raise UsageError("samples must be a whole number, 1 or more")
    return samples
