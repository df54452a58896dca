"""Reads back a line of OUTPUT, even if another tool rewrote it: its row, and how that row ended."""

import json
import math
import re
from typing import NamedTuple

import orjson

from completions_cli import limits
from completions_cli.batch import encoding
from completions_cli.batch.formats import RETRYABLE_KINDS, SCORED, OutputFormat, is_retryable
from completions_cli.errors import CompletionsError
from completions_cli.models import Json

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[0-9]{1,15}")
_OPENAI_ID = re.compile(r"batch_req_([0-9]{1,15})")
UNKNOWN = "unknown"
_LOST = "the line has neither an answer nor an error"
_NULLS = frozenset({"", "none", "null", "nan", "{}", "[]"})  # null as tables write it
_WITHIN_TEXT = re.compile(r"""["']text["']\s*:\s*u?["']""")
_RETRYABLE = (*RETRYABLE_KINDS, "network")


class Entry(NamedTuple):
    """How a row ended: the kind of its failure, or None, and what its line says beside.

    `is_retryable` says of a failure that the same row may succeed another time, `ignored` which parameters the server
    ignored.
    """

    row: int
    failure: str | None = None
    is_retryable: bool = False
    message: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    ignored: tuple[str, ...] = ()
    profile: str | None = None


def read(line: bytes, output_format: OutputFormat) -> Entry | None:
    """Return the entry of a line, with or without its line end; None if the line names no row.

    The order of the keys, white space and keys that other tools added do not matter.
    """
    record = parsed(line)
    if not isinstance(record, dict):
        return None
    return _openai(record) if output_format == "openai" else _native(record)


def of_failure(row: int, error: CompletionsError) -> Entry:
    """Return the entry that `read` returns for the line of a failed row."""
    return Entry(row, error.kind, is_retryable(error), error.message)


def is_json(line: bytes) -> bool:
    """Return whether a line is one whole JSON value."""
    return parsed(line) is not None


def begins_with_whole_object(line: bytes) -> bool:
    """Return whether a line has a whole JSON object at its beginning, whatever follows."""
    try:
        json.JSONDecoder(strict=False).raw_decode(line.decode("utf-8", "replace"))
    except RecursionError:
        return True  # too deep to tell: whoever wrote it keeps it
    except ValueError:
        return False
    return True


def without_bom(line: bytes) -> bytes:
    """Return the first line of a file without a byte order mark."""
    return line.removeprefix(_BOM)


def parsed(line: bytes, *, exactly: bool = False) -> Json:
    """Return the value of a line of JSON, which may hold NaN; None if it is not JSON.

    Only `exactly` keeps the last digits of integers over 64 bits, which takes longer.
    """
    try:
        return encoding.read(line) if exactly else orjson.loads(line)
    except ValueError:
        pass  # NaN, halves of surrogate pairs, great depth: other writers know them
    try:
        return json.loads(line.decode())
    except (ValueError, RecursionError):
        return None


def _native(record: dict[str, Json]) -> Entry | None:
    row = _row_number(record.get("row"))
    if row is None:
        return None
    error = record.get("error")
    if _is_null(error):
        if _lacks_answer(record):
            return Entry(row, UNKNOWN, message=_LOST)
        model, reason = _text(record.get("model")), _finish_reason(record)
        profile = _text(record.get("profile"))
        return Entry(row, model=model, finish_reason=reason, ignored=_names(record.get("ignored")), profile=profile)
    said = error if isinstance(error, dict) else {"message": error}
    kind = _text(said.get("kind")) or UNKNOWN
    retryable = said.get("retryable")
    may_pass = retryable if isinstance(retryable, bool) else kind in _RETRYABLE
    return Entry(row, kind, may_pass, _text(said.get("message")))


def _openai(record: dict[str, Json]) -> Entry | None:
    found = _OPENAI_ID.fullmatch(_text(record.get("id")) or "")
    if found is None:
        return None
    row = int(found[1])
    error = record.get("error")
    response = record.get("response")
    if not _is_null(error):
        said = error if isinstance(error, dict) else {"message": error}
        kind = _text(said.get("code")) or UNKNOWN
        return Entry(row, kind, kind in _RETRYABLE, _text(said.get("message")))
    body = response.get("body") if isinstance(response, dict) else None
    body = body if isinstance(body, dict) else {}
    if ("response" in record and not body) or _lacks_answer(body):
        return Entry(row, UNKNOWN, message=_LOST)
    profile = _text(record.get("profile"))
    return Entry(row, model=_text(body.get("model")), finish_reason=_finish_reason(body), profile=profile)


def _is_null(value: Json) -> bool:
    """Return whether a value is null, also as other tools write it: NaN, a word for it, an object of nulls."""
    if isinstance(value, dict):
        return all(map(_is_null, value.values()))
    if isinstance(value, str):
        return value.strip().lower() in _NULLS
    return not value or (isinstance(value, float) and math.isnan(value))


def _lacks_answer(record: dict[str, Json]) -> bool:
    """Return whether nothing in a record answers its row, though it has a place for choices.

    Tools that make a table of the lines may have made a text of the choices, or columns with names of their own.
    """
    if "choices" not in record or not _is_null(record.get("scores")):
        return False
    choices = record["choices"]
    if isinstance(choices, str):
        return _WITHIN_TEXT.search(choices) is None
    return not (isinstance(choices, list) and choices and all(map(_is_choice, choices)))


def _is_choice(value: Json) -> bool:
    return isinstance(value, dict) and isinstance(value.get("text"), str)


def _row_number(value: Json) -> int | None:
    """Return a row's number; tables that other tools made may have turned 3 into 3.0 or "3"."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= limits.ROW_NUMBER else None


def _finish_reason(record: dict[str, Json]) -> str | None:
    if not _is_null(record.get("scores")):
        return SCORED
    choices = record.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    reason = first.get("finish_reason") if isinstance(first, dict) else None
    return _text(reason) or _text(record.get("finish_reason"))


def _names(value: Json) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
