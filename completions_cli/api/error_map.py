"""Whatever a server answers instead of a completion, as one classified error."""

import re
from collections.abc import Mapping

from completions_cli.api import error_body, error_words, retry
from completions_cli.api.error_body import ErrorBody
from completions_cli.errors import (
    AuthError,
    ContentFilterError,
    NotFoundError,
    ProxyRefusedError,
    RateLimitError,
    RejectedError,
    ServerError,
    ServiceError,
    ServiceTimeoutError,
)
from completions_cli.models import Json

REQUEST_ID_HEADERS = ("x-request-id", "apim-request-id", "x-ms-request-id", "x-ms-client-request-id")

_CODE_HEADER = re.compile(r"error-?(code|type)$")
_ABOUT_MONEY = (400, 402, 403, 429)
_SERVERS_FAULT = 500  # and all statuses above
_CLASSES: dict[int, type[ServiceError]] = {
    401: AuthError,
    402: AuthError,
    403: AuthError,
    404: NotFoundError,
    405: NotFoundError,
    407: ProxyRefusedError,
    408: ServiceTimeoutError,
    410: NotFoundError,
    424: NotFoundError,
    429: RateLimitError,
}
# Those that HTTPStatus lacks, or calls by an older name in some versions of Python.
_PHRASES = {
    413: "Content Too Large",
    422: "Unprocessable Content",
    520: "Web Server Returned an Unknown Error",
    521: "Web Server Is Down",
    522: "Connection Timed Out",
    523: "Origin Is Unreachable",
    524: "A Timeout Occurred",
    529: "Site Is Overloaded",
}


def from_response(status: int, headers: Mapping[str, str], body: bytes, now: float) -> ServiceError:
    """Classify an answer whose status is not 200. Header names are lower case; `now` is Unix time."""
    said = error_body.read(body)
    named = _code_of(headers)
    return _error(
        status,
        said,
        # Titles of HTML pages repeat the status: "503 Service Temporarily Unavailable".
        message=_without_status(said.message, status) or _phrase(status),
        code=named or said.code,
        body_code=said.code if named and said.code not in (named, str(status)) else None,
        request_id=request_id(headers),
        retry_after=retry.retry_after(headers, said.message, now, said.wait),
        retryable=retry.is_retryable(status, headers),
        model_status=_number(headers.get("ms-azureml-model-error-statuscode", "")),
    )


def _phrase(status: int) -> str:
    """Return what a status means, for an answer that says nothing else."""
    from http import HTTPStatus

    standard = status in HTTPStatus.__members__.values() and HTTPStatus(status).phrase
    return _PHRASES.get(status) or standard or "the server gave no reason"


def _code_of(headers: Mapping[str, str]) -> str | None:
    """Return the code that a header names: x-ms-error-code, x-amzn-errortype and others of their kind."""
    for name in headers:
        if _CODE_HEADER.search(name) and (code := error_words.scalar(headers[name].partition(":")[0].strip())):
            return code
    return None


def _without_status(message: str, status: int) -> str:
    return re.sub(rf"^(?:(?:HTTP|error|status)[ :]*)*{status}\b[\s:.\u2013\u2014-]*", "", message, flags=re.IGNORECASE)


def _is_spent(status: int, said: ErrorBody, wait: float | None) -> bool:
    """Return whether money or credits are used up: by its code, or by words that name no moment to try again."""
    return status in _ABOUT_MONEY and (said.is_spent or (said.is_quota and wait is None and status != 400))  # noqa: PLR2004 - a status


def from_event(value: Json, text: str) -> ServiceError:
    """Classify an error that came inside a 200 stream: `value` is its JSON, or None when it is plain `text`."""
    said = error_body.read_plain(text) if value is None else error_body.read_json(value)
    status = said.status or (400 if said.is_content_filter else 500)
    error = _error(
        status,
        said,
        message=said.message or "the server reported an error inside the stream",
        code=said.code,
        retry_after=retry.retry_after({}, said.message, 0.0, said.wait),
        retryable=status in retry.RETRYABLE_STATUSES,
    )
    error.status = said.status  # the class is a guess without one, and enough
    return error


def request_id(headers: Mapping[str, str]) -> str | None:
    """Pick the id under which the service's staff can find this exchange."""
    return next(filter(None, map(headers.get, REQUEST_ID_HEADERS)), None)


def is_error_object(value: dict[str, Json]) -> bool:
    """Return whether a value is an error object rather than a response object."""
    if value.get("error") or value.get("object") == "error":
        return True
    return not value.get("choices") and "usage" not in value and error_words.is_failure(value)


def _error(  # noqa: PLR0913 - the parts of one error, gathered
    status: int,
    said: ErrorBody,
    *,
    message: str,
    code: str | None,
    retry_after: float | None,
    retryable: bool,
    request_id: str | None = None,
    model_status: int | None = None,
    body_code: str | None = None,
) -> ServiceError:
    is_spent = _is_spent(status, said, retry_after)
    passes = status == retry.FAILED_DEPENDENCY and model_status in retry.RETRYABLE_STATUSES
    return _class_of(model_status if passes and model_status else status, said)(
        message if len(message) <= error_body.MAX_MESSAGE else message[: error_body.MAX_MESSAGE] + "…",
        status=status,
        code=code,
        param=said.param or error_body.parameter(said.loc),
        loc=said.loc,
        request_id=request_id,
        retry_after=retry_after,
        retryable=retryable and not is_spent,
        is_spent=is_spent,
        detail=said.prose,
        model_status=model_status,
        body_code=body_code,
        is_page=said.is_page,
    )


def _number(text: str) -> int | None:
    return int(text[:9]) if text.isascii() and text.isdigit() else None


def _class_of(status: int, said: ErrorBody) -> type[ServiceError]:
    # The code and the words are no proof beside a status that says something else.
    if said.is_content_filter and status in (400, 403, 422, 424):
        return ContentFilterError
    return _CLASSES.get(status, ServerError if status >= _SERVERS_FAULT else RejectedError)
