"""What to do next about an error of the service: the advice that goes with each."""

from collections.abc import Callable
from dataclasses import dataclass

from completions_cli.api.retry import FAILED_DEPENDENCY
from completions_cli.errors import (
    AuthError,
    ContentFilterError,
    NotFoundError,
    RateLimitError,
    ServerError,
    ServiceError,
    ServiceTimeoutError,
)


@dataclass(frozen=True, slots=True)
class HintContext:
    """What the advice depends on beside the error itself."""

    host: str = ""
    path: str = ""
    profile: str | None = None
    extra_parameters: str | None = None
    auth: str = "key"


def hint(error: ServiceError, context: HintContext) -> str:
    """Return what to try next: the hint of the first rule that fits."""
    if error.status in _BY_STATUS:
        return _BY_STATUS[error.status]
    # The class of these says all; their messages mention this and that, an API version for instance.
    if not isinstance(error, ContentFilterError | RateLimitError | ServiceTimeoutError):
        message = error.message.lower()
        for words, advice in _BY_WORDS:
            if any(word in message or word == (error.code or "").lower() for word in words):
                return advice(context)
    if isinstance(error, RateLimitError) and not error.retryable:
        return _BILLING
    if error.status == FAILED_DEPENDENCY and "not found" not in error.message.lower():
        return _model_failed(error)
    for kind, advice in _BY_CLASS:
        if isinstance(error, kind):
            return advice(context)
    return _rejected(error)


def _rejected(error: ServiceError) -> str:
    blamed = error.param or ".".join(error.loc)
    if blamed == "prompt" and "valid string" in error.message.lower():
        return _ONE_TEXT
    if blamed:
        return f"Change or leave out {blamed}; --dry-run shows what is sent."
    return "Check the parameters; --dry-run shows what is sent."


def _model_failed(error: ServiceError) -> str:
    if isinstance(error, ContentFilterError):
        return _REWORD
    if error.retryable:
        return "The model behind the endpoint is busy or not ready; try again later."
    return "The endpoint is there, its model failed: check the parameters, and the deployment's logs."


def _extra_parameters(context: HintContext) -> str:
    if context.extra_parameters == "ignore":
        return "This server says `drop` where the reference says `ignore`: use --extra-parameters drop."
    return "Use --extra-parameters pass-through to hand it to the model, or drop to have the server leave it out."


def _auth(context: HintContext) -> str:
    profile = f" -p {context.profile}" if context.profile else ""
    if context.auth == "entra":
        return "Check the identity's role on the endpoint and the scope; `completions config doctor` looks closer."
    if context.auth == "none":
        return "The endpoint wants a key: leave out --auth none; `completions config key set` stores one."
    return f"Is it the key of this endpoint? Replace it with `completions config key set{profile}`."


def _not_found(context: HintContext) -> str:
    if context.host.endswith(".services.ai.azure.com") and "/models" not in context.path:
        return "Foundry's endpoint ends in /models; not every model there has the completions route."
    if context.host.endswith(".openai.azure.com") and "/openai/" not in context.path:
        return "Azure OpenAI's endpoint is https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT or …/openai/v1."
    return "Does the model offer the completions route? Check endpoint, --deployment and --api-version."


_ROLE_MISSING = (
    "You are known there, but lack a role on the resource, such as Cognitive Services User: its owner can assign one."
)
_SHORTEN = "Shorten the prompt, or lower -M/--max-tokens: both share the model's context."
_ONE_TEXT = (
    "This server takes one text a request: ask several prompts with `batch`, several samples with -n and --seed."
)
_REWORD = "Reword the prompt; the service's content filter refused it."

_BILLING = "The account has no quota or credit left: see its plan and billing. Waiting does not help."

_BY_STATUS = {
    402: _BILLING,
    407: "Check the proxy's user name and password: --proxy, HTTPS_PROXY or HTTP_PROXY.",
    410: "The model or deployment is retired: name another with -m or --deployment, or another endpoint.",
    413: _SHORTEN,
    431: "The headers are too large or too many; send fewer with -H.",
}

_BY_WORDS: tuple[tuple[tuple[str, ...], Callable[[HintContext], str]], ...] = (
    (("extra_parameters option", "extra parameters ["), _extra_parameters),
    (("api version", "api-version", "missing_api_version"), lambda _: "Set another with --api-version, or `none`."),
    (
        ("no_model_name", "no model specified", "unknown_model"),
        lambda _: "Name a model that is deployed there with -m MODEL.",
    ),
    (
        ("deploymentnotfound", "deployment for this resource does not exist"),
        lambda _: "Check the deployment's name; a new one takes some minutes.",
    ),
    (
        ("operationnotsupported", "operation does not work with the specified model"),
        lambda _: "The model has no text completions; use one that does, such as gpt-35-turbo-instruct.",
    ),
    (
        ("authenticationtypedisabled", "key based authentication is disabled"),
        lambda _: "Use --auth entra: this resource takes no keys.",
    ),
    (
        ("virtual network", "firewall", "private endpoint", "public access is disabled"),
        lambda _: "The resource's network rules keep you out; try from an allowed network or VPN.",
    ),
    (("permissiondenied", "principal does not have access"), lambda _: _ROLE_MISSING),
    (
        ("context length", "context size", "tokens_limit_reached", "body too large", "exceed_context_size_error"),
        lambda _: _SHORTEN,
    ),
)

_BY_CLASS: tuple[tuple[type[ServiceError], Callable[[HintContext], str]], ...] = (
    (AuthError, _auth),
    (NotFoundError, _not_found),
    (ContentFilterError, lambda _: _REWORD),
    (RateLimitError, lambda _: "Wait and try again; --max-wait and --retries allow more patience."),
    (ServiceTimeoutError, lambda _: "The model took too long: ask for fewer tokens, or use `stream`."),
    (ServerError, lambda _: "The service has trouble; try again later. --retries allows more attempts."),
)
