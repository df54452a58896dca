"""Comments of a TOML document kept where they belong while tomlkit changes it.

tomlkit counts what stands above a table's header to the table before: a key added there lands below the
comment, and a table that is removed takes the next one's comment along. So the comments are taken out,
each with the header it belongs to, and put back at the end.
"""

from typing import Any

from tomlkit import TOMLDocument
from tomlkit.items import Comment, Item, Null, Table, Whitespace

_Body = list[tuple[Any, Item]]


class Comments:
    """The comments above the headers of a document, taken out of it until `restore`."""

    def __init__(self, document: TOMLDocument) -> None:
        self._document = document
        self._held: list[tuple[Table, str]] = []
        self._pending: list[tuple[_Body, int]] = []
        self._take(document.body, is_start=True)

    def restore(self) -> str:
        """Put back what was above each table, and above a removed one without belonging to it; give the text."""
        still_there = {id(header) for header in _headers(self._document.body)}
        carried = ""
        for header, text in self._held:
            if id(header) in still_there:
                header.trivia.indent = carried + text + header.trivia.indent
                carried = ""
            else:
                carried += _free(text)
        return self._document.as_string() + carried

    def _take(self, body: _Body, *, is_start: bool) -> None:
        for index, (_, item) in enumerate(body):
            if isinstance(item, Whitespace | Comment):
                self._pending.append((body, index))
            elif isinstance(item, Table):
                if not item.is_super_table():
                    self._hold(item, is_start=is_start)
                self._take(item.value.body, is_start=is_start and item.is_super_table())
            else:
                self._pending = []
            is_start = is_start and (isinstance(item, Whitespace | Comment | Null))

    def _hold(self, header: Table, *, is_start: bool) -> None:
        """Remove and return the comment right above a header. The words at the head of the file stay where they are."""
        places = self._pending
        if is_start:
            blank = [number for number, (body, at) in enumerate(places) if isinstance(body[at][1], Whitespace)]
            places = places[blank[-1] + 1 :] if blank else places
        text = "".join(body[at][1].as_string() for body, at in places)
        for body, at in places:
            body[at] = (None, Null())
        self._held.append((header, text))
        self._pending = []


def _headers(body: _Body) -> list[Table]:
    """List the tables that have a header, in the order of the text."""
    found: list[Table] = []
    for _, item in body:
        if isinstance(item, Table):
            found += [] if item.is_super_table() else [item]
            found += _headers(item.value.body)
    return found


def _free(text: str) -> str:
    """Keep what a blank line separates from the header below; the rest goes with the table."""
    lines = text.splitlines(keepends=True)
    while lines and lines[-1].strip():
        lines.pop()
    free = "".join(lines)
    return free if free.strip() else ""
