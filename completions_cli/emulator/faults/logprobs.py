"""Faults of log-probabilities: figures of other tokens than were asked for, and figures that are none.

They strike whole answers that have log-probabilities; `max-tokens-0` every request to generate nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import cast

from completions_cli.emulator import tokens
from completions_cli.emulator.call import Call, Document
from completions_cli.emulator.faults.kinds import Choices, Fault, Target
from completions_cli.emulator.reply import RefusalError, Reply

_LISTS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
_REFUSAL = {"error": {"code": "400", "message": "max_tokens must be at least 1, got 0.", "param": "max_tokens"}}


def logprobs() -> Iterator[Fault]:
    """Return every fault of this file's kind."""
    yield Fault(
        kind="max-tokens-0", summary="400 for a `max_tokens` of 0", target=Target.ANSWER, call=_refused_when_empty
    )
    yield Fault(
        kind="figures-generated",
        summary="`logprobs` of generated tokens instead of the prompt's, although `echo` asks for them",
        target=Target.DOCUMENT,
        call=lambda call: replace(call, max_tokens=max(1, call.max_tokens)) if call.echo else call,
        choices=_of_generated,
    )
    yield _each("figures-null", "the last log-probability is null", _last(None))
    yield _each("figures-nan", "the last log-probability is NaN", _last(float("nan")))
    yield _each("figures-positive", "the last log-probability is above 0", _last(0.5))
    yield _each("figures-missing", "`logprobs` lack the last token", lambda found: _every(found, _without_last))
    yield _each("figures-uneven", "`logprobs` have one figure fewer than tokens", _uneven)
    yield _each("figures-other", "`logprobs` belong to another text", _of_another)
    yield _each("figures-shifted", "`text_offset` is one too large", _shifted)
    yield _each("figures-bytes", "`text_offset` counts bytes", _in_bytes)


def _each(kind: str, summary: str, change: Callable[[Document], Document]) -> Fault:
    def changed(choices: Choices, _: Call) -> Choices:
        return [_with(choice, change) for choice in choices]

    return Fault(kind=kind, summary=summary, target=Target.DOCUMENT, choices=changed)


def _with(choice: Document | None, change: Callable[[Document], Document]) -> Document | None:
    found = choice.get("logprobs") if choice is not None else None
    if choice is None or not isinstance(found, dict) or not found["tokens"]:
        return choice
    return choice | {"logprobs": change(found)}


def _refused_when_empty(call: Call) -> Call:
    if call.max_tokens:
        return call
    raise RefusalError(Reply.of_json(400, _REFUSAL))


def _of_generated(choices: Choices, call: Call) -> Choices:
    if not call.echo:
        return choices
    counts = [tokens.count(prompt) for prompt in call.prompts for _ in range(call.samples)]
    return [_with(choice, _after(count)) for choice, count in zip(choices, counts, strict=False)]


def _after(count: int) -> Callable[[Document], Document]:
    return lambda found: _every(found, lambda values: values[count:])


def _every(found: Document, change: Callable[[list[object]], list[object]]) -> Document:
    lists = {name: found[name] for name in _LISTS if isinstance(found.get(name), list)}
    return found | {name: change(cast("list[object]", values)) for name, values in lists.items()}


def _last(value: object) -> Callable[[Document], Document]:
    return lambda found: found | {"token_logprobs": [*cast("list[object]", found["token_logprobs"])[:-1], value]}


def _without_last(values: list[object]) -> list[object]:
    return values[:-1]


def _uneven(found: Document) -> Document:
    return found | {"token_logprobs": cast("list[object]", found["token_logprobs"])[1:]}


def _of_another(found: Document) -> Document:
    return found | {"tokens": [f"{token}~" for token in cast("list[str]", found["tokens"])]}


def _shifted(found: Document) -> Document:
    return found | {"text_offset": [offset + 1 for offset in cast("list[int]", found["text_offset"])]}


def _in_bytes(found: Document) -> Document:
    sizes = [len(token.encode("utf-8", "surrogatepass")) for token in cast("list[str]", found["tokens"])]
    begin = cast("list[int]", found["text_offset"])[0]
    return found | {"text_offset": [begin + sum(sizes[:at]) for at in range(len(sizes))]}
