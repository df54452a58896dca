"""What to do next about an error of the service: advice about what is at fault: the key, the model, a gateway."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from completions_cli.api import blame, refusal_words
from completions_cli.api.endpoint import MODELS_PATH
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

# Who chose how to sign in: an option, the profile of the endpoint, or a profile that is for another endpoint.
AuthSource: TypeAlias = Literal["option", "profile", "other profile"]
KEYRING = "the keyring"
NAME_A_MODEL = "Name a model that is deployed there with -m MODEL; `completions models` lists them."


@dataclass(frozen=True, slots=True)
class HintContext:
    """What the advice depends on beside the error itself. `key_sources` names where the key may have come from."""

    host: str = ""
    path: str = ""
    profile: str | None = None
    extra_parameters: str | None = None
    auth: str = "key"
    auth_source: AuthSource = "option"
    key_sources: tuple[str, ...] = ()


Rule = tuple[Callable[[ServiceError, HintContext], bool], Callable[[ServiceError, HintContext], str]]


def hint(error: ServiceError, context: HintContext) -> str:
    """Return what to try next: the advice of the first rule that fits."""
    return next(advice(error, context) for applies, advice in _RULES if applies(error, context))


def _status(*statuses: int) -> Callable[[ServiceError, HintContext], bool]:
    return lambda error, _: error.status in statuses


def _kind(*kinds: type[ServiceError]) -> Callable[[ServiceError, HintContext], bool]:
    return lambda error, _: isinstance(error, kinds)


def _says(pattern: str) -> Callable[[ServiceError, HintContext], bool]:
    """Return whether the message or a code says something; both are looked at in small letters."""
    found = re.compile(pattern)
    return lambda error, _: any(
        text and found.search(text.lower()) for text in (error.message, error.code, error.body_code)
    )


def _always(text: str) -> Callable[[ServiceError, HintContext], str]:
    return lambda _error, _context: text


def _later(text: str) -> Callable[[ServiceError, HintContext], str]:
    """Advise to wait, and to allow more attempts where there were any."""
    return lambda error, _: (
        f"{text}; try again later." + (" --retries allows more attempts." if error.retryable else "")
    )


def _is_retired(error: ServiceError, _: HintContext) -> bool:
    return error.status == _GONE or (error.status in (*_BAD, 404) and bool(refusal_words.RETIRED.search(error.message)))


def _is_about_model(error: ServiceError, _: HintContext) -> bool:
    return blame.speaks_of_model(error)


def _wants_drop(error: ServiceError, context: HintContext) -> bool:
    """Return whether a server may have taken offence at the reference's own word for leaving parameters out."""
    unexplained = not error.param and not error.loc and not blame.speaks_of_model(error)
    return context.extra_parameters == "ignore" and error.status == _BAD[0] and unexplained


def _is_of_gateway(error: ServiceError, _: HintContext) -> bool:
    """Return whether something in front of the service speaks: by a page, or by what it says of its upstream."""
    return error.is_page or bool(refusal_words.OF_GATEWAYS.search(error.message))


def _is_failed_model(error: ServiceError, _: HintContext) -> bool:
    return error.status == FAILED_DEPENDENCY and "not found" not in error.message.lower()


def _extra_parameters(_: ServiceError, context: HintContext) -> str:
    if context.extra_parameters == "ignore":
        return _DROP
    return "Use --extra-parameters pass-through to pass it to the model, or drop to have the server remove it."


def _too_large(error: ServiceError, _: HintContext) -> str:
    if refusal_words.OF_LENGTH.search(error.message.lower()) and not error.is_page:
        return _SHORTEN
    return (
        "Shorten the prompt, or send fewer at a time: the server, or a gateway in front of it, limits a request's size."
    )


def _model(_: ServiceError, context: HintContext) -> str:
    if context.host.endswith(".openai.azure.com") and "/deployments/" in context.path:
        return "Check the deployment's name in the endpoint; a new deployment takes a few minutes."
    return NAME_A_MODEL


def _auth(error: ServiceError, context: HintContext) -> str:
    if error.status == _FORBIDDEN and _is_of_gateway(error, context):
        return "A gateway or firewall refused it before the service saw it: check the endpoint, network and proxy."
    if context.auth == "entra":
        return "Check the identity's role on the endpoint and the scope; `completions config doctor` tells you more."
    profile = f" -p {context.profile}" if context.profile else ""
    store = f"`completions config key set{profile}`"
    if context.auth == "none":
        return _no_key_sent(context, profile, store)
    source, *others = context.key_sources or (KEYRING,)
    if source == KEYRING:
        also = f" The key may also be that of {others[0]}." if others else ""
        return f"Is it the key of this endpoint? Replace it with {store}.{also}"
    return f"The key came from {source}: is it the key of this endpoint? Set it again, or unset it and use {store}."


def _no_key_sent(context: HintContext, profile: str, store: str) -> str:
    if context.auth_source == "option":
        return f"The endpoint wants a key, and --auth none sends none: leave it out; {store} stores a key."
    if context.auth_source == "other profile":
        return 'The endpoint wants a key, and the profile has auth = "none": use --auth key and COMPLETIONS_API_KEY.'
    change = f"`completions config set{profile} auth key`"
    return f'The endpoint wants a key, and the profile has auth = "none": run {change}, then {store}.'


def _not_found(error: ServiceError, context: HintContext) -> str:
    path = context.path.partition("?")[0]
    if path == "/v1/completions" and path in error.message:
        return "The server has no such route: try the endpoint without /v1. Perhaps it has no completions route at all."
    if "/openai/v1" in path or "/managed-deployments/" in path:
        return "Does the model offer the completions route? Check its name, in the endpoint and with -m MODEL."
    if context.host.endswith(".services.ai.azure.com") and "/models" not in path:
        return "A Foundry endpoint ends in /models, and not every model there has the completions route."
    if context.host.endswith(".openai.azure.com") and "/openai/" not in path:
        return "Azure OpenAI's endpoint is https://NAME.openai.azure.com/openai/deployments/DEPLOYMENT or …/openai/v1."
    if context.host and not context.host.endswith(".azure.com") and "/v1" not in path:
        return (
            "Does the endpoint end in /v1? Most servers have the completions route below it; not every model has one."
        )
    return "Does the model offer the completions route? Check endpoint, --deployment and --api-version."


def _is_other_route(error: ServiceError, context: HintContext) -> bool:
    """Return whether the endpoint seems to be the address of another route, such as /v1/embeddings."""
    _, v1, route = context.path.partition("?")[0].partition("/v1/")
    return error.status in (404, 405) and bool(v1) and route not in ("completions", MODELS_PATH.strip("/"))


def _end_in_v1(_: ServiceError, context: HintContext) -> str:
    return f"The path looks like that of another route: end the endpoint in {context.path.partition('/v1/')[0]}/v1."


def _is_listing(_: ServiceError, context: HintContext) -> bool:
    """Return whether the list of models was asked for; completions have a path of their own."""
    return context.path.partition("?")[0].endswith(MODELS_PATH)


def _lists_none(error: ServiceError, context: HintContext) -> bool:
    return error.status in (404, 405) and _is_listing(error, context)


def _no_list(_: ServiceError, context: HintContext) -> str:
    if "/v1" not in context.path and "api-version=" not in context.path:
        return "Does the endpoint end in /v1? Most servers list their models below it; some have no list."
    return "This endpoint may have no list of models: the portal or the server's own settings name them. Check the URL."


def _model_failed(error: ServiceError, _: HintContext) -> str:
    if error.retryable:
        return "The model behind the endpoint is busy or not ready; try again later."
    return "The endpoint works, but its model failed: check the parameters and the deployment's logs."


def _rejected(error: ServiceError, _: HintContext) -> str:
    blamed = error.param or ".".join(error.loc)
    if blamed == "prompt" and "valid string" in error.message.lower():
        return _ONE_TEXT
    advice = f"Change or leave out {blamed}" if blamed else "Check the parameters"
    is_text = refusal_words.NOT_TEXT.search(error.message) and "valid string" not in error.message
    typed = f" {_TYPED}" if is_text else ""
    return f"{advice}; --dry-run shows what is sent.{typed}"


_BAD = (400, 422)
_PAYMENT, _GONE = 402, 410
_FORBIDDEN = 403
_CERTIFICATE = (
    "The server wants a client certificate that it trusts: --client-cert FILE and --client-key FILE, "
    "or client_cert and client_key in the profile."
)
_TYPED = "-x NAME=VALUE sends text; -x NAME:=VALUE sends a number, true or other JSON."
_DROP = "This server says `drop` where the reference says `ignore`: use --extra-parameters drop."
_SHORTEN = "Shorten the prompt. A lower -M/--max-tokens helps, too: both share the model's context."
_TOO_LONG = "The model took too long; try again. Ask for fewer tokens with -M; `stream` prints text as it is generated."
_ONE_TEXT = (
    "This server takes one prompt per request: use `batch` for several prompts, -n with --seed for several samples."
)
_BILLING = "The account has no quota or credit left: see its plan and billing. Waiting does not help."

# The first that fits gives the advice. Errors whose status says all come first: their messages mention this and that.
_RULES: tuple[Rule, ...] = (
    (_kind(ContentFilterError), _always("Reword the prompt; the service's content filter refused it.")),
    (lambda error, _: error.is_spent or error.status == _PAYMENT, _always(_BILLING)),
    (_status(407), _always("Check the proxy's user name and password: --proxy, HTTPS_PROXY or HTTP_PROXY.")),
    (_status(431), _always("The headers are too large or too many; send fewer with -H.")),
    (_is_failed_model, _model_failed),
    (_kind(RateLimitError), _always("Wait and try again, or allow more with --max-wait and --retries.")),
    (_kind(ServiceTimeoutError), _always(_TOO_LONG)),
    (_is_retired, _always("The model is retired: name another with -m or --deployment, or another endpoint.")),
    (_says(r"extra_parameters option|extra[-_ ]parameters? (\[|option|value|header)"), _extra_parameters),
    (_wants_drop, _always(f"If the server rejects extra-parameters: ignore: {_DROP}")),
    (_says(r"api[- _]?version"), _always("Set another with --api-version, or `none`.")),
    (
        _says(r"deployment_?not_?found|deployment for this resource does not exist"),
        _always("Check the deployment's name; a new deployment takes a few minutes."),
    ),
    (
        _says(
            r"modality|operation_?not_?supported|operation does not work with the specified model|is a chat model|"
            r"not a (text )?completions? model|only supported in v1/chat|not supported in the v1/completions|"
            r"does not support (the )?(legacy |text )?completions?\b|"
            r"no (legacy |text )?completions? (support|endpoint|api)"
        ),
        _always(
            "The model has no text completions; name one with the completions route, such as a base model, "
            "with -m MODEL."
        ),
    ),
    (
        _says(r"authentication_?type_?disabled|key based authentication is disabled"),
        _always("Use --auth entra: this resource accepts no keys."),
    ),
    (
        _says(r"virtual network|firewall|private endpoint|public (network )?access is disabled|ip address"),
        _always("The resource's network rules block this network; use an allowed network or VPN."),
    ),
    (
        _says(
            r"permission_?denied|principal does not have access|not authorized to perform|"
            r"lacks? (the )?(role|permission)"
        ),
        _always(
            "Your identity has no role on the resource, such as Cognitive Services User; its owner can assign one."
        ),
    ),
    (
        lambda error, _: error.status == _FORBIDDEN and bool(refusal_words.OF_QUOTA.search(error.message)),
        _always("The quota of this key or account is used up: see its plan, or try again when there is more."),
    ),
    (
        lambda error, _: error.status == _FORBIDDEN and bool(refusal_words.NO_ACCESS.search(error.message)),
        _always("This key has no access to the model: ask its owner for it, or name another model with -m MODEL."),
    ),
    (
        lambda error, _: bool(refusal_words.PLAIN_HTTP.search(error.message)),
        _always("This port speaks https: write the endpoint with https://."),
    ),
    (_status(413), _too_large),
    (
        lambda error, _: error.status in _BAD and bool(refusal_words.OF_LENGTH.search(error.message.lower())),
        _always(_SHORTEN),
    ),
    (_says(r"exceed_context_size|context_length_exceeded|tokens_limit_reached"), _always(_SHORTEN)),
    (_lists_none, _no_list),
    (_is_other_route, _end_in_v1),
    (
        _says(r"unexpected endpoint|\bcannot post\b|(unknown|unrecogni[sz]ed|no such) (route|endpoint|request url)"),
        _not_found,
    ),
    (_is_about_model, _model),
    (_says(r"ssl certificate (was sent|error)|client certificate"), _always(_CERTIFICATE)),
    (lambda error, _: error.status in _BAD and bool(refusal_words.OF_KEYS.search(error.message)), _auth),
    (_kind(AuthError), _auth),
    (_kind(NotFoundError), _not_found),
    (
        lambda error, context: isinstance(error, ServerError) and _is_of_gateway(error, context),
        _later("The gateway works, but the server behind it does not"),
    ),
    (_status(501, 505), _always("The server does not support this request: check the endpoint and the model.")),
    (_kind(ServerError), _later("The service has a problem")),
    (_is_listing, _always("Check the endpoint and --api-version; -v shows the exchange.")),
    (lambda *_: True, _rejected),
)
