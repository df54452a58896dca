"""What a line of OUTPUT says in answer to its row, even if another tool rewrote it: choices, or scores."""

import json
import math
import warnings
from collections.abc import Mapping
from contextlib import suppress

from completions_cli.batch.formats import OutputFormat
from completions_cli.models import Json

_NULLS = frozenset({"", "none", "null", "nan", "{}", "[]"})  # null as tables write it


def body(record: Mapping[str, Json], output_format: OutputFormat) -> Mapping[str, Json]:
    """Return what holds the answer: the line, or in the OpenAI format the body of its response, if it has one."""
    response = record.get("response")
    if output_format == "native" or is_null(response):
        return record
    found = response.get("body") if isinstance(response, dict) else None
    return found if isinstance(found, dict) else {}


def is_flat(found: Mapping[str, Json]) -> bool:
    """Return whether an answer has neither choices nor scores, as in a table. There a row may have several lines."""
    return is_null(found.get("choices")) and is_null(found.get("scores"))


def choices(found: Mapping[str, Json]) -> list[dict[str, Json]] | None:
    """Return the choices of an answer, of a flat one the only one; None if any of them lacks its text."""
    text = found.get("text")
    if isinstance(text, str) and is_flat(found):
        return [{"index": found.get("sample"), "text": text, "finish_reason": found.get("finish_reason")}]
    listed = _objects(found.get("choices"))
    return listed if listed and all(isinstance(choice.get("text"), str) for choice in listed) else None


def scores(found: Mapping[str, Json]) -> list[dict[str, Json]] | None:
    """Return the scores of an answer; None if it has none."""
    return _objects(found.get("scores"))


def is_null(value: Json) -> bool:
    """Return whether a value is null, also as other tools write it: NaN, a word for it, an object of nulls."""
    if isinstance(value, dict):
        return all(map(is_null, value.values()))
    if isinstance(value, str):
        return value.strip().lower() in _NULLS
    return not value or (isinstance(value, float) and math.isnan(value))


def _objects(value: Json) -> list[dict[str, Json]] | None:
    """Return the objects of a list, also of one that a tool for tables wrote as a text."""
    if isinstance(value, str):
        value = _from_text(value)
    return value if isinstance(value, list) and value and all(isinstance(one, dict) for one in value) else None


def _from_text(text: str) -> Json:
    """Read a value that was written as JSON, or as Python does; None if it is neither."""
    import ast  # few outputs need it

    found: Json = None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        with suppress(ValueError, TypeError, SyntaxError, RecursionError, MemoryError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what only looks like Python
            found = ast.literal_eval(text)
    return found
