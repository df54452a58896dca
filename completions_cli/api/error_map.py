"""Whatever a server answers instead of a completion, as one classified error.

The reference's flat bodies come first; the rest are dialects that its back ends speak: nested
`error` objects, FastAPI's `detail` lists, JSON followed by prose, prose, HTML, nothing at all.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from completions_cli.api import retry
from completions_cli.errors import (
    AuthError,
    ContentFilterError,
    NotFoundError,
    RateLimitError,
    RejectedError,
    ServerError,
    ServiceError,
    ServiceTimeoutError,
)
from completions_cli.models import Json

# A whole error body is never needed: what matters stands in its first lines.
MAX_ERROR_BYTES = 1024 * 1024
_MAX_MESSAGE = 600

_FILTER_WORDS = ("content management policy", "content safety")
# Endpoints behind Azure Machine Learning add this to the body, or send nothing else.
_HELP_TEXT = "Please check this guide to understand why this error code might have been returned"
_REQUEST_ID_HEADERS = ("x-request-id", "apim-request-id", "x-ms-request-id", "x-ms-client-request-id")

_PHRASES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    422: "Unprocessable Content",
    424: "Failed Dependency",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error body says, whichever dialect it says it in."""

    message: str
    code: str | None = None
    param: str | None = None
    loc: tuple[str, ...] = ()
    status: int | None = None
    prose: str | None = None  # what follows the JSON
    is_content_filter: bool = False


def from_response(status: int, headers: Mapping[str, str], body: bytes, now: float) -> ServiceError:
    """Classify an answer whose status is not 200. Header names are lower case; `now` is Unix time."""
    said = read_body(body)
    phrase = _PHRASES.get(status, "")
    return _error(
        status,
        message=said.message or phrase or "the server gave no reason",
        code=headers.get("x-ms-error-code") or said.code,
        said=said,
        request_id=request_id(headers),
        retry_after=retry.retry_after(headers, said.message, now),
        retryable=retry.is_retryable(status, headers),
    )


def from_event(value: Json, text: str) -> ServiceError:
    """Classify an error that came inside a 200 stream: `value` is its JSON, or None when it is plain `text`."""
    said = ErrorBody(message=_first_line(text)) if value is None else _read_json(value)
    status = said.status or (400 if said.is_content_filter else 500)
    return _error(
        status,
        message=said.message or "the server reported an error inside the stream",
        code=said.code,
        said=said,
        request_id=None,
        retry_after=retry.retry_after({}, said.message, 0.0),
        retryable=status in retry.RETRYABLE_STATUSES,
    )


def request_id(headers: Mapping[str, str]) -> str | None:
    """Pick the id under which the service's staff can find this exchange."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), None)


def is_error_object(value: dict[str, Json]) -> bool:
    """Tell an error object from a response object, in a stream or in a 200 answer."""
    if value.get("error") or value.get("object") == "error":
        return True
    return not value.get("choices") and "usage" not in value and bool(value.get("message") or value.get("detail"))


def read_body(body: bytes) -> ErrorBody:
    """Read an error body in any of the dialects. Never fails."""
    text = body[:MAX_ERROR_BYTES].decode("utf-8", "replace").lstrip("\ufeff").strip()
    if text.startswith(("{", "[", '"')):
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):  # cut off, or not JSON after all
            return ErrorBody(message=_words(" ".join(text[: 2 * _MAX_MESSAGE].split())))
        return replace(_read_json(value), prose=text[end:].strip() or None)
    message = _first_line(text.partition(_HELP_TEXT)[0])
    lines = text.splitlines()[1 if message else 0 :]
    return ErrorBody(message=message, prose="\n".join(lines).strip() or None)


def _error(  # noqa: PLR0913 - the parts of one error, gathered
    status: int,
    *,
    message: str,
    code: str | None,
    said: ErrorBody,
    request_id: str | None,
    retry_after: float | None,
    retryable: bool,
) -> ServiceError:
    return _class_of(status, said)(
        message if len(message) <= _MAX_MESSAGE else message[:_MAX_MESSAGE] + "…",
        status=status,
        code=code,
        param=said.param or (said.loc[-1] if said.loc else None),
        loc=said.loc,
        request_id=request_id,
        retry_after=retry_after,
        retryable=retryable,
        detail=said.prose,
    )


def _class_of(status: int, said: ErrorBody) -> type[ServiceError]:
    # The code and the words are no proof beside a status that says something else.
    if said.is_content_filter and status in (400, 403, 422, 424):
        return ContentFilterError
    if status in (401, 403):
        return AuthError
    if status in (404, 405, 424):
        return NotFoundError
    if status == 408:  # noqa: PLR2004
        return ServiceTimeoutError
    if status == 429:  # noqa: PLR2004
        return RateLimitError
    return ServerError if status >= 500 else RejectedError  # noqa: PLR2004


def _read_json(value: Json, depth: int = 0) -> ErrorBody:
    """Find the words in an error's JSON; `message` may itself be JSON in a string."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    if not isinstance(value, dict):
        return ErrorBody(message=_first_line(_text_of(value)))
    nested = value.get("error")
    inner = nested if isinstance(nested, dict) else {}
    loc, located = _location(inner, value)
    message = _first_text(
        inner.get("message"),
        value.get("message"),
        value.get("detail"),
        located,
        _text_of(nested),
        value.get("status"),
        value.get("title"),
    )
    if message.startswith("{") and depth < 3:  # noqa: PLR2004 - as deep as it was ever seen, and one more
        deeper = _embedded(message, depth)
        if deeper is not None:
            return deeper
    # A summary such as "invalid input error" hides which field it was.
    if located and loc and not re.search(rf"\b{re.escape(loc[-1])}\b", message):
        message = f"{message} ({located})"
    code = _scalar(inner.get("code")) or _scalar(value.get("code"))
    return ErrorBody(
        message=_first_line(message),
        code=code,
        param=_scalar(inner.get("param")) or _scalar(value.get("param")),
        loc=loc,
        status=_status(
            *(part.get(name) for name in ("status", "statusCode", "code", "type") for part in (inner, value))
        ),
        is_content_filter=_is_content_filter(inner, value, message),
    )


def _embedded(message: str, depth: int) -> ErrorBody | None:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return None
    said = _read_json(value, depth + 1) if isinstance(value, dict) else None
    return said if said is not None and said.message else None


def _location(inner: dict[str, Json], outer: dict[str, Json]) -> tuple[tuple[str, ...], str]:
    """Read `detail` as the reference has it (an object) or as FastAPI does (a list): path and sentence."""
    for detail in (outer.get("detail"), inner.get("detail"), inner.get("details"), outer.get("details")):
        item = detail[0] if isinstance(detail, list) and detail else detail
        if not isinstance(item, dict):
            continue
        path = item.get("loc")
        loc = tuple(_text_of(part) for part in (path if isinstance(path, list) else [path]) if part is not None)
        reason = _first_text(item.get("msg"), item.get("message"))
        given = item.get("value", item.get("input"))
        if not reason and given is not None:
            reason = f"given {_text_of(given)}"
        where = ".".join(part for part in loc if part != "body") or ".".join(loc)
        return loc, f"{where}: {reason}" if where and reason else where or reason
    return (), ""


def _is_content_filter(inner: dict[str, Json], outer: dict[str, Json], message: str) -> bool:
    innererror = inner.get("innererror")
    if isinstance(innererror, dict) and innererror.get("code") == "ResponsibleAIPolicyViolation":
        return True
    if "content_filter" in (inner.get("code"), outer.get("code")):
        return True
    return any(words in message.lower() for words in _FILTER_WORDS)


# What a code in words stands for, where the error comes without a status.
_STATUS_OF_WORD = {
    "content_filter": 400,
    "context_length_exceeded": 400,
    "badrequesterror": 400,
    "bad request": 400,
    "invalid_request_error": 400,
    "unauthorized": 401,
    "invalid_api_key": 401,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "toomanyrequests": 429,
    "too_many_requests": 429,
    "insufficient_quota": 429,
}


def _status(*candidates: Json) -> int | None:
    for candidate in candidates:
        text = (_scalar(candidate) or "").lower()
        if re.fullmatch(r"[45][0-9]{2}", text):
            return int(text)
        if text in _STATUS_OF_WORD:
            return _STATUS_OF_WORD[text]
    return None


def _first_text(*candidates: Json) -> str:
    """Return the first candidate that is a string with something in it."""
    return next((text for text in candidates if isinstance(text, str) and text.strip()), "")


def _scalar(value: Json) -> str | None:
    """Read a code, which may be a string or a number; anything else is none."""
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return str(value)[:200]


def _text_of(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "; ".join(value)
    if value is None or isinstance(value, dict | list):
        try:
            return json.dumps(value)[:_MAX_MESSAGE] if value else ""
        except RecursionError:
            return ""
    return str(value)


def _first_line(text: str) -> str:
    """Take the first line with words in it, tags stripped."""
    if text.lstrip()[:1] == "<":
        text = _without_tags(text)
    return next((words for line in text.splitlines() if (words := _words(line))), "")


def _words(line: str) -> str:
    """Trim a line; one without a letter or digit says nothing."""
    line = line.strip()
    return line if line != "null" and any(map(str.isalnum, line)) else ""


def _without_tags(text: str) -> str:
    """Put a line break where a tag stands; what is inside `script` and `style` is dropped."""
    first, *parts = text.split("<")
    shown = [first]
    inside = ""
    for part in parts:
        tag, closed, rest = part.partition(">")
        name = re.match(r"/?\w*", tag)[0].lower()  # type: ignore[index] # matches the empty string too
        if inside:
            inside = "" if name == "/" + inside else inside
        elif name in ("script", "style"):
            inside = name
        if closed and not inside:
            shown.append(rest)
    return "\n".join(shown)
