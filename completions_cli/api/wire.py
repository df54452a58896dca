"""A request as the bytes that go on the wire, and JSON as strictly as it is sent."""

import json
import math
from collections.abc import Mapping

from completions_cli.api.parameters import PARAMETERS
from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest, Json, Prompt


def body(request: CompletionRequest) -> dict[str, Json]:
    """Build the request body: only what is set, in the order of the reference's sample."""
    fields: dict[str, Json] = {}
    if request.model is not None:
        fields["model"] = request.model
    if request.prompt is not None:
        fields["prompt"] = request.prompt
    set_ones = request.parameters
    if len(set_ones) > 1:
        set_ones = {name: set_ones[name] for name in PARAMETERS if name in set_ones}
    fields.update(set_ones)
    if request.stream:
        fields["stream"] = True
    fields.update(request.extra)
    return fields


def encode(fields: Mapping[str, Json]) -> bytes:
    """Encode a body as compact UTF-8 JSON. Raises UsageError for what JSON cannot express."""
    return dumps(fields).encode()


def dumps(value: Json, *, indent: int | None = None) -> str:
    """Write JSON that UTF-8 can carry: unescaped, unless half of a surrogate pair forces escapes.

    Raises UsageError for NaN, infinities, values that are no JSON, and what is nested too deeply.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=separators, indent=indent)
    except TypeError as error:
        raise UsageError(
            "a value is not one that JSON can express", hint="Use strings, numbers, booleans, None, lists and dicts."
        ) from error
    except ValueError as error:
        if str(error).startswith("Circular"):
            raise UsageError("JSON that contains itself", hint="Does a list or dict hold itself?") from error
        raise UsageError("a number is not finite, which JSON cannot express", hint="Remove NaN or Infinity.") from error
    except RecursionError as error:
        raise UsageError("JSON nested too deeply", hint="Is it the right file?") from error
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, ensure_ascii=True, separators=separators, indent=indent)
    return text


def loads(text: str) -> Json:
    """Read JSON, refusing NaN and what is infinite as a float. Raises ValueError, whatever is wrong, depth included."""
    return _decoded(text, _DECODER)


def read(text: str) -> Json:
    """Read JSON that a server wrote: NaN and whatever is infinite becomes null, control characters in texts may stand.

    Raises ValueError otherwise.
    """
    return _decoded(text, _TOLERANT_DECODER)


def _decoded(text: str, decoder: json.JSONDecoder) -> Json:
    try:
        if text.startswith("{"):  # as nearly all do; without the look for white space around it
            value, end = decoder.raw_decode(text)
            if end == len(text):
                return value
        return decoder.decode(text)
    except RecursionError as error:
        message = "nested too deeply"
        raise ValueError(message) from error


def _refuse_constant(name: str) -> Json:
    message = f"{name} is not JSON"
    raise ValueError(message)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        message = f"{text[:20]} is too large a number"
        raise ValueError(message)
    return value


def _finite_or_none(text: str) -> float | None:
    value = float(text)
    return None if math.isinf(value) else value


# One decoder for all: json.loads with options would build one for each call.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
_TOLERANT_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite_or_none, strict=False)


def prompt_from_json(value: Json) -> Prompt:
    """Check that a JSON value is one of the four prompt forms. Raises UsageError."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value:
        if all(isinstance(item, str) for item in value) or _are_tokens(value):
            return value
        if all(isinstance(item, list) and item and _are_tokens(item) for item in value):
            return value
    raise UsageError(
        "the prompt is not in a form that the API accepts",
        hint="Give a string, an array of strings, an array of tokens, or an array of token arrays.",
    )


def _are_tokens(items: list[Json]) -> bool:
    return all(isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in items)
