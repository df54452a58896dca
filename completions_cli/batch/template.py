"""Prompts made of a record's columns: `Translate: {text}`."""

import re
from collections.abc import Mapping

from completions_cli.api import wire
from completions_cli.errors import UsageError
from completions_cli.models import Json

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


class Template:
    """A text with `{column}` in it; `{{` and `}}` stand for braces. Raises UsageError when it cannot be one."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts: list[tuple[str, str | None]] = []  # literal text, then a column's name or None
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
                    hint="Write {column} for a column, {{ and }} for braces.",
                )
        self._parts.append((text[position:], None))
        self.names = frozenset(name for _, name in self._parts if name is not None)

    def fill(self, record: Mapping[str, Json]) -> str:
        """Put a record's values in. Raises UsageError when it lacks one."""
        pieces = []
        for literal, name in self._parts:
            pieces.append(literal)
            if name is not None:
                pieces.append(_text(record, name))
        return "".join(pieces)


def _text(record: Mapping[str, Json], name: str) -> str:
    value = record.get(name)
    if value is None:
        raise UsageError(f"no value for {{{name}}} of the template")
    return value if isinstance(value, str) else wire.dumps(value)
