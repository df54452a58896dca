"""Reading a request body: strict JSON, and fields whose types are taken as they stand."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from completions_cli.emulator import tokens
from completions_cli.emulator.call import Call, Document, Prompt

END_OF_TEXT = "<|endoftext|>"
CONTEXT_TOKENS = 131_072


class NotJsonError(ValueError):
    """The body is not a JSON document. `position` is the offset at which reading stopped, in characters."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.position = position


def parse(body: bytes) -> object:
    """Read a JSON document. NaN and infinities are not JSON; nesting too deep to read is refused."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise NotJsonError(error.msg, error.pos) from error
    except UnicodeDecodeError as error:
        raise NotJsonError(f"invalid UTF-8: {error.reason}", error.start) from error
    except RecursionError as error:
        raise NotJsonError("nested too deeply", 0) from error
    except ValueError as error:  # an integer with more digits than Python reads
        raise NotJsonError(str(error), 0) from error


def _refuse_constant(name: str) -> object:
    raise NotJsonError(f"{name} is not JSON", 0)


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong with one field: where, what was sent, and why it cannot be used."""

    loc: tuple[str | int, ...]
    value: object
    why: str


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What the model underneath makes of passed-through parameters."""

    samples: int = 1
    best_of: int = 1
    logprobs: int | None = None
    echo: bool = False
    include_usage: bool = False


Check = Callable[[object], str | None]


def integer(low: int | None = None) -> Check:
    """Accept whole numbers, not below `low`."""

    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return "must be an integer"
        return f"must be at least {low}" if low is not None and value < low else None

    return check


def number(low: float, high: float) -> Check:
    """Accept numbers from `low` to `high`."""

    def check(value: object) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return "must be a number"
        return None if low <= value <= high else f"must be between {low:g} and {high:g}"

    return check


def boolean(value: object) -> str | None:
    """Accept true and false."""
    return None if isinstance(value, bool) else "must be a boolean"


def string(value: object) -> str | None:
    """Accept strings."""
    return None if isinstance(value, str) else "must be a string"


def sequences(value: object) -> str | None:
    """Accept a string or an array of strings."""
    one = isinstance(value, str)
    return None if one or _all_of(value, str) else "must be a string or an array of strings"


def prompt(value: object) -> str | None:
    """Accept the reference's four forms of a prompt."""
    if isinstance(value, str) or _all_of(value, str) or _is_tokens(value):
        return None if value != [] else "must not be an empty array"
    if isinstance(value, list) and all(_is_tokens(item) and item for item in value):
        return None
    return "must be a string, an array of strings, an array of tokens, or an array of token arrays"


def _all_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _is_tokens(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, int) and not isinstance(item, bool) and item >= 0 for item in value
    )


REFERENCE_FIELDS: Mapping[str, Check] = {
    "prompt": prompt,
    "frequency_penalty": number(-2, 2),
    "max_tokens": integer(0),
    "presence_penalty": number(-2, 2),
    "seed": integer(),
    "stop": sequences,
    "stream": boolean,
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "model": string,
}


def violations(document: Document, fields: Mapping[str, Check]) -> Iterator[Violation]:
    """Find what is wrong with the fields that are there, in the order of `fields`."""
    for name, check in fields.items():
        if name in document and (why := check(document[name])):
            yield Violation(("body", name), document[name], why)


def as_prompts(value: object) -> tuple[Prompt, ...]:
    """Bring a checked prompt of any form into one: several strings or token arrays."""
    if isinstance(value, str):
        return (value,)
    items = cast("list[object]", value)
    if _is_tokens(items):
        return (tuple(cast("list[int]", items)),)
    return tuple(item if isinstance(item, str) else tuple(cast("list[int]", item)) for item in items)


def as_sequences(value: object) -> tuple[str, ...]:
    """Bring checked stop sequences of any form into one."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(cast("list[str]", value))


def _number(document: Document, name: str, default: float) -> float:
    """Read a checked number; 1 and 1.0 are the same."""
    return float(cast("float", document.get(name, default)))


def as_call(document: Document, model: str, default_tokens: int, passed: Document, options: ModelOptions) -> Call:
    """Put a checked document together with the reference's defaults."""
    return Call(
        prompts=as_prompts(document.get("prompt", END_OF_TEXT)),
        model=model,
        max_tokens=cast("int", document.get("max_tokens", default_tokens)),
        temperature=_number(document, "temperature", 1.0),
        top_p=_number(document, "top_p", 1.0),
        frequency_penalty=_number(document, "frequency_penalty", 0.0),
        presence_penalty=_number(document, "presence_penalty", 0.0),
        seed=cast("int | None", document.get("seed")),
        stop=as_sequences(document.get("stop")),
        stream=document.get("stream") is True,
        samples=options.samples,
        best_of=options.best_of,
        logprobs=options.logprobs,
        echo=options.echo,
        include_usage=options.include_usage,
        extras=passed,
    )


def over_context(call: Call) -> str | None:
    """Refuse a prompt that does not fit into the model's context together with its answer."""
    longest = max(tokens.count(prompt) for prompt in call.prompts)
    if longest + call.max_tokens <= CONTEXT_TOKENS:
        return None
    return (
        f"This model's maximum context length is {CONTEXT_TOKENS} tokens. However, you requested "
        f"{longest + call.max_tokens} tokens ({longest} in the prompt, {call.max_tokens} for the completion)."
    )
