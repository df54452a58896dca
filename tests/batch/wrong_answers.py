"""Answers of servers that do something other than what was asked. Every text names the prompt that it answers."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from tests.answering_server import Answer, Answered

Choices = list[Any]
Wrong = Callable[[Choices, Sequence[Any], int], Choices]


def text_for(prompt: Any, sample: int = 0) -> str:
    """Return a text that says which prompt it answers."""
    return f"{json.dumps(prompt)} #{sample}"


def answers(text: str, prompt: Any) -> bool:
    """Return whether a text answers a prompt."""
    return text.startswith(json.dumps(prompt) + " #")


def prompts_of(body: dict[str, Any]) -> list[Any]:
    """Return the prompts of a request."""
    prompt = body["prompt"]
    return prompt if isinstance(prompt, list) and not isinstance(prompt[0], int) else [prompt]


def encoded(choices: list[Any], form: str) -> bytes:
    """Write an answer in one of the forms that servers give it."""
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    if form.startswith("document"):
        return json.dumps({"choices": choices} | ({"usage": usage} if form == "document" else {})).encode()
    parts = [choices] if form == "stream all at once" else [[choice] for choice in choices]
    events = [{"choices": part} for part in parts]
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def right(prompts: Sequence[Any], n: int = 1) -> Choices:
    """Return the choices that were asked for: choice i * n + j is the j-th of prompt i."""
    texts = [text_for(prompt, sample) for prompt in prompts for sample in range(n)]
    return _numbered([{"text": text, "finish_reason": "stop"} for text in texts])


def as_asked(body: dict[str, Any], model: str | None = None) -> Answered:
    """Answer a request as it was asked."""
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    return Answered({"choices": right(prompts_of(body)), "model": model or body.get("model") or "m", "usage": usage})


OUT_OF_ORDER = Answered({"error": {"message": "out of order"}}, 503, {"retry-after-ms": "1"})
REFUSED = Answered({"error": {"message": "the key is wrong"}}, 401)


def after(count: int, then: Answered, first: Answer = as_asked) -> Answer:
    """Answer some requests as asked, and all others by one answer."""
    numbers = iter(range(10**9))
    return lambda body: first(body) if next(numbers) < count else then


def _numbered(choices: Choices) -> Choices:
    return [{**choice, "index": index} for index, choice in enumerate(choices)]


def _indices(change: Callable[[int], Any]) -> Wrong:
    return lambda choices, _prompts, _n: [{**choice, "index": change(choice["index"])} for choice in choices]


def _joined(_choices: Choices, prompts: Sequence[Any], n: int) -> Choices:
    """Take an array for the pieces of one prompt. One piece is the prompt itself, be it tokens."""
    return right(prompts if len(prompts) == 1 else ["".join(map(str, prompts))], n)


def _deduplicated(_choices: Choices, prompts: Sequence[Any], n: int) -> Choices:
    """Answer equal prompts once."""
    return right(list({json.dumps(prompt): prompt for prompt in prompts}.values()), n)


# Each leaves the answer as it is where it cannot do harm, and never makes an answer that looks right and is not.
WRONG: dict[str, Wrong] = {
    "as asked": lambda choices, _prompts, _n: choices,
    "reordered": lambda choices, _prompts, _n: choices[::-1],
    "joined": _joined,
    "deduplicated": _deduplicated,
    "first prompt alone": lambda _choices, prompts, n: right(prompts[:1], n),
    "last prompt alone": lambda _choices, prompts, n: right(prompts[-1:], n),
    "n ignored": lambda _choices, prompts, _n: right(prompts),
    "n squared": lambda _choices, prompts, n: right(prompts, n * n),
    "n of its own": lambda _choices, prompts, n: right(prompts, n + 1),
    "first missing": lambda choices, _prompts, _n: choices[1:],
    "last missing": lambda choices, _prompts, _n: choices[:-1],
    "first missing, numbered anew": lambda choices, _prompts, _n: _numbered(choices[1:]),
    "none": lambda _choices, _prompts, _n: [],
    "first twice": lambda choices, _prompts, _n: [*choices, choices[0]],
    "each twice": lambda choices, _prompts, _n: [*choices, *choices],
    "each twice, numbered anew": lambda choices, _prompts, _n: _numbered([*choices, *choices]),
    "one more": lambda choices, _prompts, _n: [*choices, {"text": text_for("?"), "index": len(choices)}],
    "from 1": _indices(lambda index: index + 1),
    "from -1": _indices(lambda index: index - 1),
    "negative": _indices(lambda index: -index),
    "huge": _indices(lambda index: index + 2**63),
    "all 0": _indices(lambda _: 0),
    "all the last": lambda choices, _prompts, _n: [{**choice, "index": len(choices) - 1} for choice in choices],
    "strings": _indices(str),
    "floats": _indices(float),
    "booleans": _indices(bool),
    "null": _indices(lambda _: None),
    "lists": _indices(lambda index: [index]),
    "unnumbered and reordered": lambda choices, _prompts, _n: [{"text": choice["text"]} for choice in choices[::-1]],
    "first unnumbered": lambda choices, _prompts, _n: [{"text": choices[0]["text"]}, *choices[1:]][::-1],
    "a null among them": lambda choices, _prompts, _n: [None, *choices],
    "a null for the first": lambda choices, _prompts, _n: [None, *choices[1:]],
    "a string for the last": lambda choices, _prompts, _n: [*choices[:-1], choices[-1]["text"]],
}
