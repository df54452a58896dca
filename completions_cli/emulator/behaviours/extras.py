"""Parameters beyond the reference: what the header decides, and which of them the model understands."""

from collections.abc import Collection, Mapping
from typing import cast

from completions_cli.emulator.behaviours.body import ModelOptions, Violation
from completions_cli.emulator.call import Document

HEADER = "extra-parameters"
PASS_THROUGH = "pass-through"  # noqa: S105 - a header's value, no password
ERROR = "error"
_MOST_SAMPLES = 128
_MOST_LOGPROBS = 20  # as vLLM; OpenAI's own limit is 5


def unknown(document: Document, known: Collection[str]) -> Document:
    """Pick the parameters that the route does not have."""
    return {name: value for name, value in document.items() if name not in known}


def without_nulls(document: Document) -> Document:
    """Leave out the optional fields that are null: OpenAI's route and vLLM take them for absent."""
    return {name: value for name, value in document.items() if value is not None or name == "prompt"}


def understood(document: Mapping[str, object], *, is_stream: bool = False) -> ModelOptions | Violation:
    """Read `n`, `best_of`, `echo`, `logprobs` and `stream_options`; the rest has no effect on the model."""
    extras = {name: _whole(value) for name, value in document.items() if value is not None}
    samples, echo, logprobs = extras.get("n", 1), extras.get("echo", False), extras.get("logprobs")
    best_of = extras.get("best_of", samples)
    options = extras.get("stream_options")
    wrong = (
        _count("n", samples, 1, _MOST_SAMPLES)
        or _count("best_of", best_of, cast("int", samples), _MOST_SAMPLES)
        or (logprobs is not None and _count("logprobs", logprobs, 0, _MOST_LOGPROBS))
    )
    if wrong:
        return wrong
    if is_stream and best_of != samples:
        return Violation(("body", "best_of"), best_of, "must be n where the answer is streamed")
    if not isinstance(echo, bool):
        return Violation(("body", "echo"), echo, "must be a boolean")
    if options is not None and not isinstance(options, dict):
        return Violation(("body", "stream_options"), options, "must be an object")
    return ModelOptions(
        samples=cast("int", samples),
        best_of=cast("int", best_of),
        logprobs=cast("int | None", logprobs),
        echo=echo,
        include_usage=options is not None and options.get("include_usage") is True,
    )


def _count(name: str, value: object, low: int, high: int) -> Violation | None:
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return None
    return Violation(("body", name), value, f"must be an integer between {low} and {high}")


def _whole(value: object) -> object:
    """Read 2.0 as 2, as models' own servers do."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
