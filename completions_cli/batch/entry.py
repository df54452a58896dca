"""Reads back a line of OUTPUT, even if another tool rewrote it: its row, and how that row ended."""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

import orjson

from completions_cli import limits
from completions_cli.batch import answers, encoding
from completions_cli.batch.formats import RETRYABLE_KINDS, SCORED, OutputFormat, is_retryable
from completions_cli.errors import CompletionsError
from completions_cli.models import Json

_BOM = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"[0-9]{1,15}")
_OPENAI_ID = re.compile(r"batch_req_([0-9]{1,15})")
UNKNOWN = "unknown"
_LOST = "the line has neither an answer nor an error"
_RETRYABLE = (*RETRYABLE_KINDS, "network")


class Entry(NamedTuple):
    """How a row ended: the kind of its failure, or None, and what its line says beside.

    `is_retryable` says of a failure that the same row may succeed another time, `ignored` which parameters the server
    ignored. `is_flat` says of a line that it is one of a table, where other lines may hold more of its row.
    """

    row: int
    failure: str | None = None
    is_retryable: bool = False
    message: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    ignored: tuple[str, ...] = ()
    profile: str | None = None
    is_flat: bool = False


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
    if answers.is_null(error) and "choices" not in record:  # in tables of ours
        error = {"kind": record.get("error_kind"), "message": record.get("error_message")}
    if answers.is_null(error):
        return _answered(row, record, record)
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
    if answers.is_null(error):
        return _answered(row, answers.body(record, "openai"), record)
    said = error if isinstance(error, dict) else {"message": error}
    kind = _text(said.get("code")) or UNKNOWN
    return Entry(row, kind, kind in _RETRYABLE, _text(said.get("message")))


def _answered(row: int, body: Mapping[str, Json], record: Mapping[str, Json]) -> Entry:
    """Return the entry of a line without an error. Without an answer, too, it is that of a failure."""
    is_flat = answers.is_flat(body)
    choices, scores = answers.choices(body), answers.scores(body)
    if choices is None and scores is None:
        return Entry(row, UNKNOWN, message=_LOST, is_flat=is_flat)
    first = choices[0].get("finish_reason") if choices else None
    return Entry(
        row,
        model=_text(body.get("model")),
        finish_reason=SCORED if scores else _text(first) or _text(body.get("finish_reason")),
        ignored=_names(record.get("ignored")),
        profile=_text(record.get("profile")),
        is_flat=is_flat,
    )


def _row_number(value: Json) -> int | None:
    """Return a row's number; tables that other tools made may have turned 3 into 3.0 or "3"."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= limits.ROW_NUMBER else None


def _names(value: Json) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None
