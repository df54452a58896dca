"""What the server made of parameters that it may ignore without a word: judged by the answer alone.

Servers drop what they do not know, and the text looks as good as ever. Only what an answer plainly shows is said.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from completions_cli.models import Chunk, CompletionRequest, Json, Prompt, Usage

_MANY_CHARACTERS_A_TOKEN = 12  # no tokenizer makes fewer tokens of that many visible characters
_JSON_EXTRAS = ("response_format", "json_schema", "guided_json", "structured_outputs", "format")


class Asked(NamedTuple):
    """A prompt, what was asked of it, and the choices that came for it, as many as `choices` asked for or not."""

    request: CompletionRequest
    prompt: Prompt | None
    choices: Sequence[Mapping[str, Json]]
    prompt_tokens: int | None = None  # as counted by the server, of this prompt alone


class Kept:
    """Gathers the chunks of an answer, to tell in the end what the server ignored of its request."""

    def __init__(self, request: CompletionRequest) -> None:
        self._request = request
        self._choices: dict[int, dict[str, Json]] = {}

    def add(self, chunk: Chunk) -> None:
        """Add the next chunk."""
        for delta, raw in zip(chunk.deltas, chunk.choices, strict=True):
            choice = self._choices.setdefault(delta.index, {"pieces": [], "finish_reason": None, "logprobs": None})
            choice["pieces"].append(delta.text)
            choice["finish_reason"] = delta.finish_reason or choice["finish_reason"]
            choice["logprobs"] = choice["logprobs"] or raw.get("logprobs")

    def ignored(self, usage: Usage | None) -> tuple[str, ...]:
        """Name the parameters that the server ignored."""
        choices = [{**choice, "text": "".join(choice["pieces"])} for _, choice in sorted(self._choices.items())]
        return ignored_by_all(self._request, choices, 1, usage.prompt_tokens if usage is not None else None)


def may_ignore(request: CompletionRequest) -> bool:
    """Return whether a request has anything that a server may ignore without a word."""
    return bool(request.extra) or "stop" in request.parameters


def ignored(asked: Asked) -> tuple[str, ...]:
    """Name the parameters that the server ignored, going by its answer to one prompt."""
    if not may_ignore(asked.request) or not asked.choices:
        return ()
    return tuple(name for name, is_ignored in _CHECKS.items() if is_ignored(asked))


def ignored_by_all(
    request: CompletionRequest, choices: Sequence[Mapping[str, Json]], turns: int = 1, prompt_tokens: int | None = None
) -> tuple[str, ...]:
    """Name the parameters that the server ignored in an answer to all prompts of a request, asked in so many turns.

    `choices` are in the order of their indices.
    """
    if not may_ignore(request):
        return ()
    prompts = _prompts(request)
    each = max(1, len(choices) // len(prompts))
    found = [
        ignored(
            Asked(
                request,
                prompt,
                choices[position * each : (position + 1) * each],
                prompt_tokens if len(prompts) == 1 and turns == 1 else None,
            )
        )
        for position, prompt in enumerate(prompts)
    ]
    names = {name for names in found for name in names}
    if len(choices) < request.choice_count * turns:
        names.add("n")
    return tuple(name for name in ("n", *_CHECKS) if name in names)


def _prompts(request: CompletionRequest) -> Sequence[Prompt | None]:
    prompt = request.prompt
    is_array = isinstance(prompt, list) and prompt and not isinstance(prompt[0], int)
    return prompt if is_array else [prompt]  # type: ignore[return-value] # an array of prompts


def _ignores_echo(asked: Asked) -> bool:
    """Look for the prompt in the text; a tokenizer may bring it back with other white space at its ends."""
    if asked.request.extra.get("echo") is not True or not isinstance(asked.prompt, str):
        return False
    words = asked.prompt.strip()
    return bool(words) and not any(words in _text(choice) for choice in asked.choices)


def _ignores_logprobs(asked: Asked) -> bool:
    wanted = asked.request.extra.get("logprobs")
    if wanted is None or wanted is False:
        return False
    return any(map(_text, asked.choices)) and not any(choice.get("logprobs") for choice in asked.choices)


def _ignores_suffix(asked: Asked) -> bool:
    """Reckon whether prompt and suffix can have been so few tokens."""
    suffix = asked.request.extra.get("suffix")
    if not isinstance(suffix, str) or not isinstance(asked.prompt, str) or asked.prompt_tokens is None:
        return False
    visible = len("".join((asked.prompt + suffix).split()))
    return 0 < asked.prompt_tokens < visible / _MANY_CHARACTERS_A_TOKEN


def _ignores_stop(asked: Asked) -> bool:
    """Look for text behind a stop sequence; one at the very end may have been left in on purpose."""
    stop = asked.request.parameters.get("stop")
    sequences = [stop] if isinstance(stop, str) else stop
    if not sequences or "min_tokens" in asked.request.extra:
        return False
    texts = [_completion(asked, choice) for choice in asked.choices]
    return any(sequence and sequence in text[: -len(sequence)] for sequence in sequences for text in texts)


def _ignores_json(name: str) -> Callable[[Asked], bool]:
    def check(asked: Asked) -> bool:
        if not _wants_json(name, asked.request.extra.get(name)):
            return False
        finished = [choice for choice in asked.choices if choice.get("finish_reason") == "stop"]
        return any(not _is_json(_completion(asked, choice)) for choice in finished)

    return check


def _wants_json(name: str, value: Json) -> bool:
    if name == "format":
        return value == "json" or isinstance(value, dict)
    if not isinstance(value, dict):
        return name == "guided_json" and isinstance(value, str)
    if name == "response_format":
        return value.get("type") in ("json_object", "json_schema", "json")
    return name != "structured_outputs" or value.get("json") is not None or value.get("json_object") is True


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _text(choice: Mapping[str, Json]) -> str:
    text = choice.get("text")
    return text if isinstance(text, str) else ""


def _completion(asked: Asked, choice: Mapping[str, Json]) -> str:
    """Return the text without the prompt that was to be echoed."""
    text = _text(choice)
    if asked.request.extra.get("echo") is not True or not isinstance(asked.prompt, str):
        return text
    words = asked.prompt.strip()
    at = text.find(words)
    return text[at + len(words) :] if at >= 0 else text


_CHECKS: dict[str, Callable[[Asked], bool]] = {
    "echo": _ignores_echo,
    "logprobs": _ignores_logprobs,
    "suffix": _ignores_suffix,
    "stop": _ignores_stop,
    **{name: _ignores_json(name) for name in _JSON_EXTRAS},
}
