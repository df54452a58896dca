"""Where each key of a TOML text stands: the standard library's parser keeps no positions.

Made for texts that parsed: it follows strings, arrays and inline tables, and leaves judging to the parser.
"""

import contextlib
import re
from typing import TypeAlias

Path: TypeAlias = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_BARE_VALUE = re.compile(r"[^,\]}#\n]*")
# A multi-line string may end in up to two quotes of its own.
_STRING = re.compile(
    r'''"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}|\'\'\'(?:[^']|'{1,2}(?!'))*'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''',
    re.DOTALL,
)


def locate(text: str) -> dict[Path, tuple[int, int]]:
    """Map each key's path to its line and column, both from 1; a key that is spelt several times to its first."""
    scanner = _Scanner(text.replace("\r\n", "\n"))
    with contextlib.suppress(RecursionError):  # what stands before the depths is found all the same
        scanner.document()
    return {path: scanner.line_and_column(offset) for path, offset in scanner.found.items()}


def split_key(text: str) -> Path | None:
    """Split a dotted key, quotes undone, as in `profiles."a.b".timeout`; None when it is not one."""
    scanner = _Scanner(text)
    path = scanner.key(())
    return path if path and scanner.at == len(text) else None


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self.found: dict[Path, int] = {}

    def document(self) -> None:
        table: Path = ()
        while self._skip(_BLANK) < len(self._text):
            if self._text[self.at] == "[":
                self._skip(re.compile(r"\[+"))
                table = self.key(())
                self._skip(re.compile(r"[ \t]*\]*"))
            else:
                self._pair(table)

    def key(self, table: Path) -> Path:
        """Read a dotted key below a table."""
        path = table
        while True:
            self._skip(_SPACE)
            part = _KEY_PART.match(self._text, self.at)
            if part is None:
                return ()
            path = (*path, _unquoted(part[0]))
            self.found.setdefault(path, self.at)
            self.at = part.end()
            self._skip(_SPACE)
            if self._text[self.at : self.at + 1] != ".":
                return path
            self.at += 1

    def line_and_column(self, offset: int) -> tuple[int, int]:
        start = self._text.rfind("\n", 0, offset) + 1
        return self._text.count("\n", 0, offset) + 1, offset - start + 1

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self._text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _pair(self, table: Path) -> None:
        path = self.key(table)
        if not path or self._text[self.at : self.at + 1] != "=":
            self.at = len(self._text)  # no TOML; the parser has said so
            return
        self.at += 1
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_SPACE)
        opening = self._text[self.at : self.at + 1]
        if opening in ("[", "{"):
            self.at += 1
            self._items(path, "]" if opening == "[" else "}")
        elif opening in ('"', "'"):
            self._skip(_STRING)
        else:
            self._skip(_BARE_VALUE)

    def _items(self, path: Path, closing: str) -> None:
        """Read the values of an array or the pairs of an inline table."""
        while self._skip(_BLANK) < len(self._text):
            if self._text[self.at] == closing:
                self.at += 1
                return
            before = self.at
            if closing == "}":
                self._pair(path)
            else:
                self._value(path)
            self._skip(_BLANK)
            if self._text[self.at : self.at + 1] == ",":
                self.at += 1
            if self.at == before:
                self.at = len(self._text)


def _unquoted(part: str) -> str:
    if part[0] == "'":
        return part[1:-1]
    if part[0] != '"':
        return part
    import tomllib

    try:
        return str(tomllib.loads(f"key = {part}")["key"])
    except tomllib.TOMLDecodeError:
        return part[1:-1]
