"""Outcomes as lines of OUTPUT: our own records, or those of the OpenAI batch format. `entry` reads them back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from completions_cli.batch import encoding
from completions_cli.batch.rows import Row
from completions_cli.errors import CompletionsError, MisfitError, NetworkError, ServiceError
from completions_cli.models import Json
from completions_cli.scoring.scores import Scores

OutputFormat = Literal["native", "openai"]

# Failures that another try may mend; of a network error its own `retryable` tells.
RETRYABLE_KINDS = ("timeout", "malformed", "rate_limit", "server")

SCORED = "scored"  # counted in place of a finish reason: nothing was generated


@dataclass(slots=True)
class Outcome:
    """How one row ended. `response` is the response object, or None when it failed; `model` is what it names.

    `ignored` are the parameters that the answer shows to have been ignored. `latency` in seconds, of the last attempt;
    `usage` is the service's own object, None within a pack. `profile` names the one that was asked.
    """

    row: Row
    response: Mapping[str, Json] | None = None
    model: Json = None
    choices: list[Json] = field(default_factory=list)
    usage: Json = None
    error: CompletionsError | None = None
    request_id: str | None = None
    attempts: int = 0
    latency: float = 0.0
    ignored: tuple[str, ...] = ()
    profile: str | None = None
    scores: Scores | None = None

    @property
    def finish_reason(self) -> Json:
        """Why the first choice ended."""
        return self.choices[0].get("finish_reason") if self.choices else None


def line(outcome: Outcome, output_format: OutputFormat) -> bytes:
    """Write the line of an outcome, its LF included."""
    record = _openai(outcome) if output_format == "openai" else _native(outcome)
    return encoding.dumps(record) + b"\n"


def is_retryable(error: CompletionsError) -> bool:
    """Return whether the same row may succeed another time."""
    if isinstance(error, ServiceError | NetworkError | MisfitError):
        return error.retryable
    return error.kind in RETRYABLE_KINDS


def _native(outcome: Outcome) -> dict[str, Json]:
    row, response = outcome.row, outcome.response
    record = {
        "id": row.id,
        "row": row.number,
        "choices": outcome.choices,
        "usage": outcome.usage,
        "model": outcome.model,
        "system_fingerprint": None if response is None else response.get("system_fingerprint"),
        "finish_reason": outcome.finish_reason,
        "request_id": outcome.request_id,
        "attempts": outcome.attempts,
        "latency_ms": round(outcome.latency * 1000, 1),
        "profile": outcome.profile,
        "metadata": row.metadata,
    }
    if row.keeps_prompt:
        record["prompt"] = row.prompt
    if outcome.ignored:
        record["ignored"] = list(outcome.ignored)
    if outcome.scores is not None:
        record |= _scores(outcome)
    record["error"] = None if outcome.error is None else _error(outcome.error)
    return record


def _scores(outcome: Outcome) -> dict[str, Json]:
    if outcome.scores is None:
        return {}
    listed = [score.document(with_tokens=False) for score in outcome.scores.continuations]
    return {"scores": listed, "method": outcome.scores.method}


def _error(error: CompletionsError) -> dict[str, Json]:
    known = error if isinstance(error, ServiceError) else None
    return {
        "kind": error.kind,
        "status": known.status if known else None,
        "code": known.code if known else None,
        "message": error.message,
        "retryable": is_retryable(error),
    }


_UNTOLD = 500  # status of an error in a 200 that names none


def _openai(outcome: Outcome) -> dict[str, Json]:
    error = outcome.error
    response: Json = None
    if outcome.response is not None:
        body = {**outcome.response, "choices": outcome.choices, "usage": outcome.usage, **_scores(outcome)}
        response = {"status_code": 200, "request_id": outcome.request_id, "body": body}
    elif isinstance(error, ServiceError):
        said = {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}
        response = {"status_code": error.status or _UNTOLD, "request_id": error.request_id, "body": {"error": said}}
    return {
        "id": f"batch_req_{outcome.row.number:012}",
        "custom_id": outcome.row.id,
        **({"profile": outcome.profile} if outcome.profile is not None else {}),
        "response": response,
        "error": {"code": error.kind, "message": error.message} if error else None,
    }
