"""What an error body says, in any of the dialects that the service's back ends speak.

The reference's flat bodies come first; the rest are nested `error` objects, FastAPI's `detail`
lists, JSON in strings, JSON followed by prose, prose, HTML, nothing at all.
"""

import json
import re
from dataclasses import dataclass, replace

from completions_cli.models import Json

# A whole error body is never needed: what matters stands in its first lines.
MAX_BYTES = 1024 * 1024
MAX_MESSAGE = 600

_FILTER_WORDS = ("content management policy", "content safety")
# Endpoints behind Azure Machine Learning add this to the body, or send nothing else.
_HELP_TEXT = "Please check this guide to understand why this error code might have been returned"
_NO_MONEY = re.compile(r"insufficient\W+(quota|balance|credit|fund)|plan and billing", re.IGNORECASE)
_HTML = re.compile(r"\s*<[a-z!?/]", re.IGNORECASE)
# A page that says more than this before it says what is wrong does not say it.
_MAX_HTML = 64 * 1024
_DEEPEST = 3  # levels of JSON in strings: one more than was ever seen
_PLACES = ("body", "query", "header", "path")


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
    is_quota: bool = False  # money or credits are used up, which no wait of ours mends


def read(body: bytes) -> ErrorBody:
    """Read an error body in any of the dialects. Never fails."""
    text = body[:MAX_BYTES].decode("utf-8", "replace").lstrip("\ufeff").strip()
    if text.startswith(("{", "[", '"')):
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):  # cut off, or not JSON after all
            return ErrorBody(message=_words(" ".join(text[: 2 * MAX_MESSAGE].split())))
        return replace(read_json(value), prose=text[end:].strip() or None)
    return read_plain(text)


def read_plain(text: str) -> ErrorBody:
    """Read prose or HTML."""
    message = _first_line(text.partition(_HELP_TEXT)[0])
    lines = text.splitlines()[1 if message else 0 :]
    return ErrorBody(message, prose="\n".join(lines).strip() or None, is_content_filter=_has_filter_words(message))


def parameter(loc: tuple[str, ...]) -> str | None:
    """Name the parameter at a place such as body.stop.str or body.prompt.0.text."""
    return next((part for part in loc if part not in _PLACES and not part.isdigit()), None)


def read_json(value: Json, depth: int = 0) -> ErrorBody:
    """Find the words in an error's JSON; `message` may itself be JSON in a string."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    if not isinstance(value, dict):
        return ErrorBody(message=_first_line(_text_of(value)))
    nested = value.get("error")
    inner = nested if isinstance(nested, dict) else {}
    loc, located = _location(inner, value)
    words = _first_text(
        inner.get("message"),
        value.get("message"),
        value.get("detail"),
        located,
        _text_of(nested),
        value.get("status"),
        value.get("title"),
    )
    if words.startswith("{") and depth < _DEEPEST:
        deeper = _embedded(words, depth)
        if deeper is not None:
            return deeper
    message = _first_line(words)
    # A summary such as "invalid input error" hides which field it was.
    if located and loc and not re.search(rf"\b{re.escape(loc[-1])}\b", message):
        message = f"{message} ({located})"
    return ErrorBody(
        message=message,
        code=_scalar(inner.get("code")) or _scalar(value.get("code")),
        param=_scalar(inner.get("param")) or _scalar(value.get("param")),
        loc=loc,
        status=_status(
            *(part.get(name) for name in ("status", "statusCode", "code", "type") for part in (inner, value))
        ),
        is_content_filter=_is_content_filter(inner, value, words),
        is_quota=_is_quota(inner, value, words),
    )


def _embedded(message: str, depth: int) -> ErrorBody | None:
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return None
    said = read_json(value, depth + 1)
    return said if said.message else None


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
    return _has_filter_words(message)


def _is_quota(inner: dict[str, Json], outer: dict[str, Json], message: str) -> bool:
    named = [part.get(name) for part in (inner, outer) for name in ("code", "type")]
    return any("insufficient" in name.lower() for name in named if isinstance(name, str)) or bool(
        _NO_MONEY.search(message)
    )


def _has_filter_words(message: str) -> bool:
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
            return json.dumps(value)[:MAX_MESSAGE] if value else ""
        except RecursionError:
            return ""
    return str(value)


def _first_line(text: str) -> str:
    """Take the first line with words in it, tags stripped."""
    if _HTML.match(text):
        text = _without_tags(text[:_MAX_HTML])
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
