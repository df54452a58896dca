"""A whole answer read at once: what `ResponseReader` makes of it, the usual case without its detours."""

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from completions_cli.api import error_map, wire
from completions_cli.api.assemble import Assembler
from completions_cli.api.finish_reasons import is_broken_off
from completions_cli.api.reader import ResponseReader
from completions_cli.errors import CompletionsError, MalformedResponseError
from completions_cli.models import Chunk, Json, Usage

_ESCAPE = b"\\u"  # may be half of a surrogate pair
_SANE = 2**53  # tokens
_QUOTED = 200  # characters


Decode: TypeAlias = Callable[[bytes], Json]


class Whole(NamedTuple):
    """A response object whose choices are objects with valid text, and its usage as it is understood.

    Where the server did not number all that it put among the choices, they have no index of ours instead.
    """

    response: Mapping[str, Json]
    usage: Usage | None


def decoded(body: bytes) -> Json:
    """Read a body that is JSON. Raises ValueError."""
    return wire.read(body.decode())


def read(body: bytes, choices: int = 1, broken: CompletionsError | None = None, decode: Decode = decoded) -> Whole:
    """Read all that came of a body, a JSON document or an event stream, to a request for so many choices.

    `broken` is what the connection broke off with. Raises the errors of `ResponseReader`.
    """
    return _usual(body, decode) or _any(body, choices, broken)


def read_object(body: bytes, broken: CompletionsError | None = None) -> Mapping[str, Json]:
    """Read a whole answer that may be any JSON object. Raises the error in it, `broken`, or MalformedResponseError."""
    text = body.decode("utf-8", "replace")
    try:
        value = wire.read(text)
    except ValueError:
        raise broken or MalformedResponseError(f"the response is not complete JSON: {text[:_QUOTED]!r}") from None
    if not isinstance(value, dict):
        raise MalformedResponseError(f"the response is not a JSON object: {text[:_QUOTED]!r}")
    if value.get("error"):
        raise error_map.from_event(value, "")
    return value


def _usual(body: bytes, decode: Decode = decoded) -> Whole | None:
    """Read what nearly every answer is: one object with choices and usage. None when it is anything else."""
    if not body.startswith(b"{") or _ESCAPE in body:
        return None
    try:
        value = decode(body)
    except ValueError:
        return None
    if type(value) is not dict or value.get("error") or value.get("object") == "error" or "timings" in value:
        return None
    choices, usage = value.get("choices"), value.get("usage")
    if type(choices) is not list or type(usage) is not dict or not choices or not all(map(_is_choice, choices)):
        return None
    prompt, completion, total = usage.get("prompt_tokens"), usage.get("completion_tokens"), usage.get("total_tokens")
    if type(prompt) is int and type(completion) is int and type(total) is int and 0 <= min(prompt, completion) < total:
        return Whole(value, Usage(prompt, completion, total)) if total < _SANE else None
    return None


def _is_choice(value: Json) -> bool:
    return (
        type(value) is dict
        and type(value.get("text")) is str
        and type(value.get("index", 0)) is int
        and not value.get("error")
        and not is_broken_off(value.get("finish_reason"))
    )


def _any(body: bytes, choices: int, broken: CompletionsError | None = None) -> Whole:
    reader = ResponseReader(choices)
    chunks = [*reader.feed(body), *reader.close(broken)]
    if len(chunks) == 1:
        response, is_sure = _valid(chunks[0]), len(chunks[0].deltas) == len(chunks[0].raw.get("choices") or ())
    else:
        response, is_sure = _assembled(chunks, reader.usage), all(map(_is_numbered, chunks))
    if reader.usage is None and response.get("usage"):
        response = {**response, "usage": None}
    if not is_sure:
        response = {**response, "choices": [_unnumbered(choice) for choice in response["choices"]]}
    return Whole(response, reader.usage)


def _assembled(chunks: list[Chunk], usage: Usage | None) -> dict[str, Json]:
    assembler = Assembler()
    for chunk in chunks:
        assembler.add(chunk)
    return assembler.response(usage)


def _valid(chunk: Chunk) -> Mapping[str, Json]:
    """Leave out what are no choices, and give the others their texts in valid Unicode."""
    texts = [delta.text for delta in chunk.deltas]
    return {
        **chunk.raw,
        "choices": [{**choice, "text": text} for choice, text in zip(chunk.choices, texts, strict=True)],
    }


def _is_numbered(chunk: Chunk) -> bool:
    """Return whether the server itself has numbered the choices of a chunk."""
    return all(type(choice.get("index")) is int for choice in chunk.choices)


def _unnumbered(choice: Mapping[str, Json]) -> Mapping[str, Json]:
    return {name: value for name, value in choice.items() if name != "index"}
