"""What an error body says: JSON of any shape, JSON in strings, JSON followed by prose, prose, HTML, XML, nothing."""

import contextlib
import html
import json
import re
from dataclasses import dataclass, replace

from completions_cli import limits
from completions_cli.api import error_words, markup, refusal_words, retry
from completions_cli.models import Json

MAX_MESSAGE = 600

# Endpoints behind Azure Machine Learning add this to the body, or send nothing else.
_HELP_TEXT = "Please check this guide to understand why this error code might have been returned"
_LONGEST_WRITTEN = 20_000  # characters
_DEEPEST = 3  # levels of JSON in strings: one more than was ever seen
_MOST_LINES = 200
_IS_HEADING = re.compile(r":$|\bvalidation errors? for\b")
_PLACES = ("body", "query", "header", "path")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error body says, whichever dialect it says it in."""

    message: str
    code: str | None = None
    param: str | None = None
    loc: tuple[str, ...] = ()
    status: int | None = None
    wait: float | None = None  # seconds that a field of it asks to wait
    prose: str | None = None  # what follows the JSON
    is_content_filter: bool = False
    is_quota: bool = False  # it speaks of money or credits that are used up, which no wait of ours mends
    is_spent: bool = False  # it says so plainly
    is_page: bool = False  # of HTML: something in front of the service speaks, or another server


def read(body: bytes) -> ErrorBody:
    """Read an error body in any of the dialects. Never fails."""
    text = body[: limits.ERROR_BODY_BYTES].decode("utf-8", "replace").lstrip("\ufeff").strip()
    if text.startswith(("{", "[", '"')):
        try:
            value, end = json.JSONDecoder(strict=False).raw_decode(text)
        except (ValueError, RecursionError):  # cut off, or not JSON after all
            return ErrorBody(message=_words(" ".join(text[: 2 * MAX_MESSAGE].split())))
        return replace(read_json(value), prose=text[end:].strip() or None)
    return read_plain(text)


def read_plain(text: str) -> ErrorBody:
    """Read prose, HTML or XML."""
    if markup.is_markup(text):
        found = markup.elements(text)
        if found:
            return read_json({name: html.unescape(words) for name, words in found.items()})
    message = _first_line(text.partition(_HELP_TEXT)[0])
    lines = text.splitlines()[1 if message else 0 :]
    return ErrorBody(
        message,
        prose="\n".join(lines).strip() or None,
        is_content_filter=bool(refusal_words.OF_FILTERS.search(message)),
        is_quota=bool(refusal_words.NO_MONEY.search(message)),
        is_page=markup.is_markup(text),
    )


def parameter(loc: tuple[str, ...]) -> str | None:
    """Name the parameter at a place such as body.stop.str or body.prompt.0.text."""
    return next((part for part in loc if part not in _PLACES and not part.isdigit()), None)


def read_json(value: Json, depth: int = 0) -> ErrorBody:
    """Find the words in an error's JSON; the message may itself be JSON in a string."""
    said = error_words.find(value)
    if said.message.startswith(("{", "[{")) and depth < _DEEPEST:
        deeper = _embedded(said.message, depth)
        if deeper is not None:
            return replace(deeper, code=deeper.code or said.code, param=deeper.param or said.param)
    message = _first_line(said.message)
    # A summary such as "invalid input error" hides which field it was.
    where = said.loc[-1] if said.loc else said.param
    if said.located and where and not re.search(rf"\b{re.escape(where)}\b", message):
        message = f"{message} ({said.located})"
    return ErrorBody(
        message=message,
        code=said.code,
        param=said.param,
        loc=said.loc,
        status=_status(value),
        wait=_wait(value),
        is_content_filter=any(map(refusal_words.FILTER_CODE.search, said.codes))
        or bool(refusal_words.OF_FILTERS.search(message)),
        is_quota=bool(refusal_words.NO_MONEY.search(message)),
        is_spent=any(map(refusal_words.NO_MONEY_CODE.search, said.codes)) or bool(refusal_words.SPENT.search(message)),
    )


def _embedded(message: str, depth: int) -> ErrorBody | None:
    value = _written(message)
    if isinstance(value, list):
        value = {"detail": value}
    said = read_json(value, depth + 1) if isinstance(value, dict) else None
    return said if said and said.message and not said.message.startswith("{") else None


def _written(text: str) -> Json:
    """Read what a text is: JSON, or an object as Python shows it, which servers send when they mean JSON."""
    import ast

    for read_value in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            value: Json = json.loads(json.dumps(read_value(text[:_LONGEST_WRITTEN])))
            return value
    return None


# What a kind in words stands for, where the error comes without a status.
_STATUS_OF_KIND = (
    (re.compile(r"rate_?limit|too_?many|throttl|quota|exhausted"), 429),
    (re.compile(r"overload|unavailable|busy|capacity|not_?ready"), 503),
    (re.compile(r"time_?d?_?out|deadline"), 504),
    (re.compile(r"unauthori[sz]ed|authentication|api_?key|credential|unauthenticated"), 401),
    (re.compile(r"permission|forbidden|access_?denied"), 403),
    (re.compile(r"not_?found|no_?such|unknown_?model|unexpected_endpoint"), 404),
    (re.compile(r"bad_?request|invalid|validation|context_?length|content_?filter|unsupported|unprocessable"), 400),
)


def _status(value: Json) -> int | None:
    for candidate in error_words.status_names(value):
        text = re.sub(r"\W+", "_", (error_words.scalar(candidate) or "").lower())
        if re.fullmatch(r"[45][0-9]{2}", text):
            return int(text)
        found = next((status for kind, status in _STATUS_OF_KIND if kind.search(text)), None)
        if found is not None and len(text) < 60:  # noqa: PLR2004 - a kind, no sentence
            return found
    return None


def _wait(value: Json) -> float | None:
    """Return how many seconds a field such as `retryDelay` or `retry_after_ms` asks to wait."""
    found = ((name, retry.seconds(str(given))) for name, given in error_words.waits(value))
    return next((wait / 1000 if name.endswith("ms") else wait for name, wait in found if wait is not None), None)


def _first_line(text: str) -> str:
    """Return the first line with words in it, tags stripped; of a page, the first that says more than its status."""
    if markup.is_markup(text):
        text = html.unescape(markup.without_tags(text))
        lines = [words for line in text.splitlines()[:_MOST_LINES] if (words := _words(line))]
        return next((line for line in lines if " " in line and not error_words.is_phrase(line)), (lines or [""])[0])
    first, *more = [words for line in text.splitlines()[:_MOST_LINES] if (words := _words(line))] or [""]
    # "4 validation errors for Request" says nothing without the lines below.
    return ": ".join([first.rstrip(": "), *more[:2]]) if more and _IS_HEADING.search(first) else first


def _words(line: str) -> str:
    """Trim a line; one without a letter or digit says nothing."""
    line = line.strip()
    return line if line != "null" and any(map(str.isalnum, line)) else ""
