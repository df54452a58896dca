"""Prompts made of a record's fields: `Translate: {text}`, `{author.name}`."""

import re
from collections.abc import Iterable, Mapping

from completions_cli.api import wire
from completions_cli.errors import UsageError
from completions_cli.models import Json

_EXAMPLE = re.compile(r"[\w -]{1,40}")  # a name that needs no care in a shell
_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


def suggestion(names: Iterable[str]) -> str:
    """Say how prompts are made of fields with these names: of the one that is nearly called so, or the first."""
    fitting = [name for name in names if _EXAMPLE.fullmatch(name) and name.lower() != "id"]
    best = next((name for name in fitting if name.strip().lower() == "prompt"), (fitting or ["text"])[0])
    return f"--template '{{{best}}}' makes it the prompt, 'Translate: {{{best}}}' puts text around it."


class Template:
    """A text with `{field}` in it; `{{` and `}}` stand for braces. Raises UsageError when it cannot be one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[tuple[str, str | None]] = []  # literal text, then a field's name or None
        position = 0
        for found in _PIECE.finditer(text):
            literal = text[position : found.start()]
            position = found.end()
            if found[0] in ("{{", "}}"):
                self._parts.append((literal + found[0][0], None))
            elif found[1]:
                self._parts.append((literal, found[1]))
            else:
                raise UsageError(
                    f"--template: a single {found[0]} at character {found.start()}",
                    hint="Write {text} for the field text, {{ and }} for braces.",
                )
        self._parts.append((text[position:], None))
        self.names = frozenset(name for _, name in self._parts if name is not None)
        if not self.names:
            raise UsageError(
                "--template names no field, so every row would get the same prompt",
                hint="Write {text} where the field text belongs; @FILE reads the template from a file.",
            )

    def fill(self, record: Mapping[str, Json]) -> str:
        """Put a record's values in. Raises UsageError when it lacks one."""
        pieces = []
        for literal, name in self._parts:
            pieces.append(literal)
            if name is not None:
                pieces.append(_text(record, name))
        return "".join(pieces)


def value(record: Mapping[str, Json], name: str) -> Json:
    """Return the field `name` of a record, or what the path `a.b` leads to; None where there is nothing."""
    if name in record or "." not in name:
        return record.get(name)
    found: Json = record
    for step in name.split("."):
        if isinstance(found, Mapping):
            found = found.get(step)
        elif isinstance(found, list) and step.isdecimal() and step.isascii() and len(step) < _LONGEST_INDEX:
            found = found[int(step)] if int(step) < len(found) else None
        else:
            return None
    return found


_LONGEST_INDEX = 9


def _text(record: Mapping[str, Json], name: str) -> str:
    found = value(record, name)
    if found is None:
        raise UsageError(f"no value for {{{name}}} of the template")
    return found if isinstance(found, str) else wire.dumps(found)
