"""The line of a row as flat records, one a sample."""

from collections.abc import Iterator, Mapping

from completions_cli.batch.entry import Entry
from completions_cli.batch.formats import OutputFormat
from completions_cli.models import Json

BEFORE = ("id", "row")
AFTER = (
    "sample",
    "text",
    "finish_reason",
    "prompt_tokens",
    "completion_tokens",
    "model",
    "error_kind",
    "error_message",
)
OWN = frozenset((*BEFORE, *AFTER))
_METADATA = "metadata"  # of a row whose metadata is no object


def own_name(name: str, taken: Mapping[str, object]) -> str:
    """Return the name of the column for a field of the input: NAME_input where the table has NAME for itself."""
    while name in OWN or name in taken:
        name += "_input"
    return name


def row_id(fields: Json, output_format: OutputFormat) -> Json:
    """Return the id that a line names its row by."""
    return _object(fields).get("custom_id" if output_format == "openai" else "id")


def metadata(fields: Json, output_format: OutputFormat) -> dict[str, Json]:
    """Return what came with a row from the input: its prompt, if it was kept, its columns and metadata."""
    if output_format == "openai":
        return {}
    kept = {name: value for name, value in _object(fields).items() if name == "prompt"}
    found = _object(fields).get("metadata")
    if found is None:
        return kept
    return kept | (found if isinstance(found, dict) else {_METADATA: found})


def records(value: Json, output_format: OutputFormat, found: Entry | None) -> Iterator[dict[str, Json]]:
    """Yield the records of a line, without what came from the input. A row that failed is one, without a text.

    The tokens of a row stand with its first sample, so that sums come out right.
    """
    fields = _object(value)
    body = _body(fields) if output_format == "openai" else fields
    shared: dict[str, Json] = {
        "id": row_id(fields, output_format),
        "row": found.row if found else None,
        "model": _text(body.get("model")),
        "error_kind": found.failure if found else None,
        "error_message": found.message if found else None,
    }
    said = body.get("choices")
    choices = [choice for choice in said if isinstance(choice, dict)] if isinstance(said, list) else []
    if not choices or (found and found.failure):
        yield {**shared, **_tokens(body)}
        return
    for position, choice in enumerate(choices):
        index = choice.get("index")
        yield {
            **shared,
            "sample": index if type(index) is int else position,
            "text": _text(choice.get("text")),
            "finish_reason": _text(choice.get("finish_reason")) or _text(body.get("finish_reason")),
            **(_tokens(body) if position == 0 else {}),
        }


def _tokens(body: Mapping[str, Json]) -> dict[str, Json]:
    usage = body.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return {name: counts[name] for name in ("prompt_tokens", "completion_tokens") if type(counts.get(name)) is int}


def _body(fields: Mapping[str, Json]) -> Mapping[str, Json]:
    response = fields.get("response")
    body = response.get("body") if isinstance(response, dict) else None
    return body if isinstance(body, dict) else {}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
