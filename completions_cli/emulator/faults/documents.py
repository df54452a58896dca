"""Faults of the response object: what it lacks, what it has too much of, and text that is hard to show.

Those that fit a chunk as well strike streams too.
"""

import random
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast

from completions_cli.emulator.call import Document
from completions_cli.emulator.faults.kinds import Event, Events, Fault, Target

_ESCAPES = "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]52;c;cHduZWQ=\x07 \x9b2J \b\r\x7f "
_LINES = "one\u2028two\u2029three\x85four\x0bfive\x0csix "
_BIDI = "\u202eright to left\u202c "
_SURROGATES = "\ud83d\ude42 \ud83d alone "


def documents() -> Iterator[Fault]:
    """Return every fault of this file's kind."""
    yield _whole("missing-choice", "the first of several choices is missing", _first_missing)
    yield _whole("shuffled-choices", "several choices are out of order", _shuffled)
    yield _whole("repeated-choice", "the first choice appears twice", _repeated)
    yield _whole("no-choices", "200 with an empty array of choices", _none)
    yield _whole("blanked", "200 with every text filtered away", _blanked)
    yield _whole("error-200", "200 with an error as its object", _error)
    yield _both("no-usage", "there is no usage", _without_usage)
    yield _both("null-usage", "usage is null", _null_usage)
    yield _both("sparse", "nothing but choices: no id, object, created, model, usage", _sparse)
    yield _both("unknown-fields", "fields and finish reasons that the API reference does not have", _unknown)
    yield _text("text-escapes", "text with terminal escapes and control characters", _ESCAPES)
    yield _text("text-lines", "text with U+2028 and other line separators", _LINES)
    yield _text("text-bidi", "text with bidirectional overrides", _BIDI)
    yield _text("text-surrogates", "text with a split and a lone surrogate, escaped", _SURROGATES)


def choices_of(document: Document) -> list[Document]:
    """Return the choices of a whole answer or a chunk; another fault may have left none."""
    return [choice for choice in cast("list[Document | None]", document.get("choices", [])) if choice is not None]


def _whole(kind: str, summary: str, change: Callable[[Document], Document]) -> Fault:
    return Fault(kind=kind, summary=summary, target=Target.DOCUMENT, document=lambda document, _: change(document))


def _both(kind: str, summary: str, change: Callable[[Document], Document]) -> Fault:
    async def events(events: Events, _: float) -> AsyncIterator[Event]:
        async for event in events:
            yield event if isinstance(event, bytes) else change(event)

    return Fault(
        kind=kind, summary=summary, target=Target.ANSWER, document=lambda document, _: change(document), events=events
    )


def _text(kind: str, summary: str, addition: str) -> Fault:
    """Put text at the start of every choice."""

    def document(document: Document, _: float) -> Document:
        return document | {"choices": [_prefixed(choice, addition) for choice in choices_of(document)]}

    async def events(events: Events, _: float) -> AsyncIterator[Event]:
        begun: set[object] = set()
        async for event in events:
            if isinstance(event, bytes):
                yield event
                continue
            fresh = [choice for choice in choices_of(event) if choice["index"] not in begun and choice.get("text")]
            begun |= {choice["index"] for choice in fresh}
            yield event | {
                "choices": [_prefixed(choice, addition) if choice in fresh else choice for choice in choices_of(event)]
            }

    return Fault(kind=kind, summary=summary, target=Target.ANSWER, document=document, events=events)


def _prefixed(choice: Document, addition: str) -> Document:
    return choice | {"text": addition + cast("str", choice["text"])}


def _first_missing(document: Document) -> Document:
    choices = choices_of(document)
    return document | {"choices": choices[1:] if len(choices) > 1 else choices}


def _shuffled(document: Document) -> Document:
    choices = list(choices_of(document))
    random.Random(len(choices)).shuffle(choices)  # noqa: S311 - an order, not a secret
    return document | {"choices": choices}


def _repeated(document: Document) -> Document:
    choices = choices_of(document)
    return document | {"choices": [*choices, *choices[:1]]}


def _none(document: Document) -> Document:
    return document | {"choices": []}


def _blanked(document: Document) -> Document:
    return document | {"choices": [choice | {"text": ""} for choice in choices_of(document)]}


def _error(_: Document) -> Document:
    return {"error": {"code": "500", "message": "The model failed."}}


def _without_usage(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "usage"}


def _null_usage(document: Document) -> Document:
    return document | {"usage": None}


def _sparse(document: Document) -> Document:
    return {"choices": choices_of(document)}


def _unknown(document: Document) -> Document:
    choices = [
        choice | {"stop_reason": 2} | ({"finish_reason": "model_length"} if choice["finish_reason"] else {})
        for choice in choices_of(document)
    ]
    return document | {"choices": choices, "kv_transfer_params": None, "service_tier": {"a": [1, {}]}}
