"""Whether a refusal concerns one request alone, or the same key, route or model would refuse all others too."""

import re
from typing import Literal

from completions_cli.api import refusal_words
from completions_cli.errors import (
    AuthError,
    ContentFilterError,
    MisfitError,
    NotFoundError,
    ProxyRefusedError,
    RateLimitError,
    RejectedError,
    ServiceError,
    UnscorableError,
)

Blamed = Literal["run", "model", "row"]

_OF_ALL_REQUESTS = (AuthError, NotFoundError, ProxyRefusedError, RateLimitError)
_FAILED_DEPENDENCY = 424
_NO_SUCH_MODEL = (404, 410)
_NO_ROUTE = (404, 405)
_BAD_REQUEST = (400, 422)
_SUBJECT = r"(?:model|deployment|operation|engine)s?"
_MISSING = (
    r"not|un(?:known|available|supported|deployed|specified)|invalid|no(?:ne)?|missing|required|retired|deprecated|"
    r"decommissioned|deactivated|disabled|wrong|absent"
)
_CODE_END = r"(?:_(?:name|id|type|specified|error|exception))*$"
# Such as unknown_model, ModelNotFound, no_model_name, OperationNotSupported, DeploymentNotFound.
_CODE = re.compile(
    rf"^(?:{_MISSING})_?(?:such_)?{_SUBJECT}{_CODE_END}|^{_SUBJECT}(?:_name)?_(?:does_)?(?:is_)?(?:{_MISSING})(?:_|$)"
)
_WORDS = re.compile(
    rf"\b(?:unknown|invalid|unsupported|unavailable|missing|no such|no|not a valid) (?:completions? )?{_SUBJECT}\b"
    rf"(?! (?:input|parameter|output|context|response|token))"
    rf"|\b{_SUBJECT}\b.{{0,120}}?\b(?:(?:is|was|are|has been|could) ?(?:not|n't)(?: be)?(?: \w+)? (?:found|available|"
    rf"loaded|deployed|known|recogni[sz]ed|specified|supported(?! (?:with|by|for) (?!this))|enabled)|"
    rf"is (?:in|not )valid|not (?:found|available|loaded|exist|deployed|specified)|"
    rf"does ?(?:not|n't) (?:exist|work)|is required|"
    rf"(?:is|was|has been) (?:unknown|unavailable|retired|deprecated|decommissioned|disabled|shut down))"
    rf"|\b(?:not available with|does not (?:support|offer|have)|not supported (?:by|with|in|on|for)) "
    rf"(?:the |this |that |text )*(?:completions?|generate|generation|operation|task|api|endpoint|v1/completions)\b",
    re.IGNORECASE,
)
# A request that is too large or names an odd parameter, whatever else is said about the model.
_OTHER_WORDS = re.compile(r"context|too (?:long|large|many)|maximum|max_tokens|parameter|temperature", re.IGNORECASE)


def blamed(error: Exception) -> Blamed:
    """Return whom an error that no retry mends concerns.

    `run`: all requests alike. `model`: all requests to the same model. `row`: this request alone.
    """
    if isinstance(error, UnscorableError):
        return "run"
    if isinstance(error, ContentFilterError | MisfitError):
        return "row"
    if not isinstance(error, ServiceError):
        return "run"
    if error.status == _FAILED_DEPENDENCY:
        return "run" if error.model_status in (None, *_NO_ROUTE) else "row"
    if is_about_model(error):
        return "model"
    return "run" if isinstance(error, _OF_ALL_REQUESTS) or _is_about_all(error) else "row"


def _is_about_all(error: ServiceError) -> bool:
    """Return whether a refusal is about money, the key or the scheme, which a 400 may be, too."""
    if error.is_spent:
        return True
    return error.status in _BAD_REQUEST and bool(
        refusal_words.OF_KEYS.search(error.message) or refusal_words.PLAIN_HTTP.search(error.message)
    )


def is_about_model(error: ServiceError) -> bool:
    """Return whether a refusal says that the model, the deployment or the operation is not to be had.

    Decided by its code, the parameter it blames, or its words: each server has its own.
    """
    if error.status in _NO_SUCH_MODEL:
        return True
    if not isinstance(error, RejectedError | AuthError) or error.status not in (*_BAD_REQUEST, 403):
        return False
    return speaks_of_model(error)


def speaks_of_model(error: ServiceError) -> bool:
    """Return whether an error says of the model, the deployment or the operation that it is not to be had."""
    if any(_CODE.search(_snake(code)) for code in (error.code, error.body_code) if code):
        return True
    if error.param is not None:
        return error.param.lower() in ("model", "deployment", "engine")
    return bool(_WORDS.search(error.message)) and not _OTHER_WORDS.search(error.message)


def _snake(code: str) -> str:
    """Write a code in one way: ModelNotFound, model-not-found and MODEL_NOT_FOUND are the same."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", code)
    return re.sub(r"\W+", "_", parted).lower()
