"""Faults of what an answer's choices are: fewer, more or other ones than were asked for, or numbered in another way.

They strike whole answers; those that ignore a parameter strike streams as well. Those named `pack-…` leave a request
for one prompt alone.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

from completions_cli.emulator.call import Call, Document
from completions_cli.emulator.faults.kinds import Choices, Fault, Target

_BEYOND = 1 << 63


def packs() -> Iterator[Fault]:
    """Return every fault of this file's kind."""
    yield _packed("pack-joined", "an array of prompts is joined into one prompt", _joined)
    yield _packed("pack-first", "only the first prompt of an array is answered", _first)
    yield _packed("pack-missing", "the last prompt of an array is not answered", lambda choices, _: choices[:-1])
    yield _packed("pack-dedup", "equal prompts of an array are answered once", _deduplicated)
    yield _packed("pack-doubled", "each choice of several prompts appears twice, with different numbers", _doubled)
    yield _packed("pack-shifted", "choices of several prompts are numbered from 1", _numbers(lambda number: number + 1))
    yield _packed("pack-negative", "choices of several prompts are numbered downwards from 0", _numbers(lambda n: -n))
    yield _packed("pack-huge-indices", "choices of several prompts have huge numbers", _numbers(lambda n: n + _BEYOND))
    yield _packed("pack-same-index", "choices of several prompts all have the number 0", _numbers(lambda _: 0))
    yield _packed("pack-string-indices", "choices of several prompts have strings for numbers", _numbers(str))
    yield _packed("pack-float-indices", "choices of several prompts have fractions for numbers", _numbers(float))
    yield _packed("pack-null-indices", "choices of several prompts have null for a number", _numbers(lambda _: None))
    yield _packed("pack-unnumbered", "choices of several prompts have no number, and are in reverse order", _unnumbered)
    yield _packed("pack-null-choice", "one of the choices of several prompts is null", _with_null)
    yield _ignoring("echo-ignored", "the prompt is not repeated, although `echo` asks for it", echo=False)
    yield _ignoring("logprobs-ignored", "no figures, although `logprobs` asks for them", logprobs=None)
    yield _ignoring("stop-ignored", "the text continues after a stop sequence", stop=())
    yield _any("n-ignored", "one choice per prompt, whatever `n` asks for", _without_n)
    yield _any("surplus-choice", "one choice more than requested", _surplus)


Change = Callable[[Choices, Call], Choices]


def _any(kind: str, summary: str, change: Change) -> Fault:
    return Fault(kind=kind, summary=summary, target=Target.DOCUMENT, choices=change)


def _ignoring(kind: str, summary: str, **fields: Any) -> Fault:  # noqa: ANN401 - fields of a call
    return Fault(kind=kind, summary=summary, target=Target.ANSWER, call=lambda call: replace(call, **fields))


def _packed(kind: str, summary: str, change: Change) -> Fault:
    return _any(kind, summary, lambda choices, call: change(choices, call) if len(call.prompts) > 1 else choices)


def _numbers(number: Callable[[int], object]) -> Change:
    return lambda choices, _: [choice | {"index": number(cast("int", choice["index"]))} for choice in _those(choices)]


def _those(choices: Choices) -> list[Document]:
    """Return the choices that another fault has not turned into something else."""
    return [choice for choice in choices if choice is not None and "index" in choice]


def _in_order(choices: list[Document]) -> Choices:
    return [choice | {"index": index} for index, choice in enumerate(choices)]


def _joined(choices: Choices, call: Call) -> Choices:
    """Run the texts of all prompts together, for each of the samples."""
    texts = [
        "".join(cast("str", choice["text"]) for choice in _those(choices)[sample :: call.samples])
        for sample in range(call.samples)
    ]
    return [choice | {"text": text} for choice, text in zip(_those(choices), texts, strict=False)]


def _first(choices: Choices, call: Call) -> Choices:
    return choices[: call.samples]


def _deduplicated(choices: Choices, call: Call) -> Choices:
    firsts = {call.prompts.index(prompt) for prompt in call.prompts}
    return _in_order([choice for position, choice in enumerate(_those(choices)) if position // call.samples in firsts])


def _doubled(choices: Choices, _: Call) -> Choices:
    return _in_order([choice for choice in _those(choices) for _ in range(2)])


def _unnumbered(choices: Choices, _: Call) -> Choices:
    return [{name: value for name, value in choice.items() if name != "index"} for choice in reversed(_those(choices))]


def _with_null(choices: Choices, _: Call) -> Choices:
    return [None, *choices]


def _without_n(choices: Choices, call: Call) -> Choices:
    return _in_order(_those(choices)[:: call.samples])


def _surplus(choices: Choices, _: Call) -> Choices:
    return [*choices, *({**choice, "index": len(choices)} for choice in _those(choices)[-1:])]
