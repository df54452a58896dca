"""A cursor in a file, as editors tell it: LINE:COL, both from 1, in characters."""

import re

from completions_cli.errors import UsageError

_CURSOR = re.compile(r"([0-9]{1,18}):([0-9]{1,18})")


def cut(text: str, cursor: str, name: str) -> tuple[str, str]:
    """Return the text before a cursor and the text after it; together they are the whole.

    Lines end at LF, and a CR before it is part of the line. Raises UsageError for a cursor outside the text.
    """
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise UsageError(f"--cursor must be LINE:COL, not {cursor!r}", hint="Both count from 1, as in --cursor 12:5.")
    line, column = int(found[1]), int(found[2])
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        size = _counted(len(lines), "line")
        raise UsageError(
            f"--cursor {cursor} is outside {name}, which has {size}",
            hint="Lines count from 1. The final newline of a file begins no line, unless --keep-newline is given.",
        )
    length = len(lines[line - 1])
    if not 1 <= column <= length + 1:
        size = f"{_counted(len(lines), 'line')}; line {line} has {_counted(length, 'character')}"
        raise UsageError(
            f"--cursor {cursor} is outside {name}, which has {size}",
            hint=f"Columns count from 1; {length + 1} is the one just past the end of that line.",
        )
    position = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1
    return text[:position], text[position:]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
