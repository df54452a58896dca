"""Turns the line of a row into flat records, one per sample."""

from collections.abc import Collection, Iterator, Mapping

from completions_cli.batch import answers
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
SCORED = ("continuation", "logprob", "token_count", "greedy", "boundary_merged")  # where rows were scored
_METADATA = "metadata"  # of a row whose metadata is no object
# What a line has for itself. Of one without choices, as tables have them, the rest is columns.
_LINE: Mapping[OutputFormat, frozenset[str]] = {
    "native": OWN
    | {"choices", "scores", "method", "usage", "system_fingerprint", "request_id", "attempts", "latency_ms"}
    | {"profile", "metadata", "ignored", "error"},
    "openai": OWN | {"custom_id", "profile", "response", "error"},
}


def own_name(name: str, taken: Mapping[str, object], own: Collection[str] = OWN) -> str:
    """Return the name of the column for a field of the input: NAME_input where the table has NAME for itself."""
    while name.lower() in own or name in taken:  # databases take names that differ in case for the same
        name += "_input"
    return name


def row_id(fields: Json, output_format: OutputFormat) -> Json:
    """Return the id that a line names its row by."""
    return _object(fields).get("custom_id" if output_format == "openai" else "id")


def metadata(fields: Json, output_format: OutputFormat) -> dict[str, Json]:
    """Return what came with a row from the input: its prompt, if it was kept, its columns and metadata."""
    record = _object(fields)
    of_table = "choices" not in answers.body(record, output_format)
    known = _LINE[output_format]
    kept = {name: value for name, value in record.items() if name == "prompt" or (of_table and name not in known)}
    found = record.get("metadata")
    if output_format == "openai" or found is None:
        return kept
    return kept | (found if isinstance(found, dict) else {_METADATA: found})


def is_scored(fields: Json, output_format: OutputFormat) -> bool:
    """Return whether a line is of a row that was scored."""
    return "scores" in answers.body(_object(fields), output_format)


def records(value: Json, output_format: OutputFormat, found: Entry | None) -> Iterator[dict[str, Json]]:
    """Yield the records of a line, without what came from the input. A row that failed is one, without a text.

    The tokens of a row stand with its first sample, so that sums come out right.
    """
    fields = _object(value)
    body = answers.body(fields, output_format)
    shared: dict[str, Json] = {
        "id": row_id(fields, output_format),
        "row": found.row if found else None,
        "model": _text(body.get("model")),
        "error_kind": found.failure if found else None,
        "error_message": found.message if found else None,
    }
    samples = [] if found and found.failure else [*_completions(body), *_scores(body)]
    for position, sample in enumerate(samples or [{}]):
        yield {**shared, **sample, **(_tokens(body) if position == 0 else {})}


def _completions(body: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    for position, choice in enumerate(answers.choices(body) or ()):
        index = choice.get("index")
        yield {
            "sample": index if type(index) is int else position,
            "text": _text(choice.get("text")),
            "finish_reason": _text(choice.get("finish_reason")) or _text(body.get("finish_reason")),
        }


def _scores(body: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    for position, score in enumerate(answers.scores(body) or ()):
        logprob, count = score.get("logprob"), score.get("token_count")
        yield {
            "sample": position,
            "continuation": _text(score.get("text")),
            "logprob": logprob if type(logprob) in {int, float} else None,
            "token_count": count if type(count) is int else None,
            **{name: score[name] for name in ("greedy", "boundary_merged") if isinstance(score.get(name), bool)},
        }


def _tokens(body: Mapping[str, Json]) -> dict[str, Json]:
    usage = body.get("usage")
    counts = usage if isinstance(usage, dict) else body
    return {name: counts[name] for name in ("prompt_tokens", "completion_tokens") if type(counts.get(name)) is int}


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
