"""A JSON array of rows, pretty-printed or not, an element at a time."""

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from completions_cli import limits
from completions_cli.batch import rows
from completions_cli.batch.recipe import Recipe
from completions_cli.batch.rows import Row
from completions_cli.errors import UsageError

_BLOCK = 1 << 18
_WHITE = re.compile(r"[ \t\r\n]*")
_CUT = 10  # characters at the end of what was read that may be half of something
_HINT = "A JSON array is read whole or not at all. jq . FILE shows where it is wrong."


class Element(NamedTuple):
    """The text of an element, as UTF-8, and the line it begins on."""

    content: bytes
    line: int


def array_rows(stream: BinaryIO, recipe: Recipe, wanted: Callable[[int], bool]) -> Iterator[Row]:
    """Yield a row for each element. Raises UsageError where the array itself is broken."""
    for number, element in enumerate(elements(stream)):
        if wanted(number):
            if len(element.content) > limits.ROW_BYTES:
                row = rows.too_large(number, element.content)
            else:
                row = rows.json_row(number, element.content, recipe)
            yield row if row.error is None else rows.placed(row, f"line {element.line}, row {number}")


def elements(stream: BinaryIO) -> Iterator[Element]:
    """Yield the elements of an array, whatever they are. Raises UsageError where the array itself is broken."""
    text = _Text(stream)
    text.skip_white()
    if text.take() != "[":
        raise text.broken("it does not begin with [")
    if text.skip_white() == "]":
        text.take()
    else:
        while True:
            yield text.element()
            sign = text.skip_white() and text.take()
            if sign == "]":
                break
            if sign != ",":
                raise text.broken("a comma or ] is missing" if sign else "it is cut off")
            text.skip_white()
    if text.skip_white():
        raise text.broken("something follows its end")


class _Text:
    """The text of a stream, from a position on that only moves forward."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        # Bytes that are not UTF-8 are found in their element.
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._line = 1
        self._is_over = False

    def skip_white(self) -> str:
        """Return the next character that is not white space, or "" at the end."""
        while True:
            self._move(_WHITE.match(self._text, self._at).end())  # type: ignore[union-attr] # it always matches
            if self._at < len(self._text) or not self._read():
                return self._text[self._at : self._at + 1]

    def take(self) -> str:
        """Return the next character and move past it."""
        sign = self._text[self._at : self._at + 1]
        self._move(self._at + len(sign))
        return sign

    def element(self) -> Element:
        """Return the value that begins here and move past it."""
        while True:
            try:
                _, end = self._scan(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._may_be_cut(error) or not self._read():
                    raise self._wrong(error) from error
                continue
            except RecursionError as error:
                raise self.broken("it is nested too deeply") from error
            if end < len(self._text) or not self._read():  # a number may go on
                break
        found = Element(self._text[self._at : end].encode("utf-8", "surrogateescape"), self._line)
        self._move(end)
        return found

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        """Return whether more text may resolve an error."""
        return error.pos >= len(self._text) - _CUT or error.msg.startswith("Unterminated string")

    def _wrong(self, error: json.JSONDecodeError) -> UsageError:
        return self.broken("it is cut off" if self._may_be_cut(error) else error.msg, error.pos)

    def broken(self, why: str, at: int | None = None) -> UsageError:
        """Return the error that the array is broken here."""
        line = self._line if at is None else self._line + self._text.count("\n", self._at, at)
        return UsageError(f"the JSON array is broken at line {line}: {why}", hint=_HINT)

    def _move(self, to: int) -> None:
        self._line += self._text.count("\n", self._at, to)
        self._at = to

    def _read(self) -> bool:
        """Read more, each time twice as much; return whether there was any."""
        if self._is_over:
            return False
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > limits.ROW_CHARACTERS:
            raise self.broken(f"an element is larger than {limits.ROW_CHARACTERS // limits.MIB} MiB")
        block = self._stream.read(max(_BLOCK, len(self._text)))
        self._is_over = not block
        more = self._decode(block, final=self._is_over)
        self._text += more
        return not self._is_over or bool(more)
