"""How a reader may take a text: in small letters, with and without signs, its escapes undone again and again."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from completions_cli.api.spelled import ALPHANUMERIC, lower

_DEEPEST = 4  # escapes of escapes
_MOST_ESCAPES = 250_000  # in one text; they take a quarter of a second
_MOST_REMEMBERED = 10_000  # characters


class View(NamedTuple):
    """A text as a reader may take it, and where in the original each of its characters stands."""

    text: str
    starts: list[int] | range
    ends: list[int] | range

    def telling(self, start: int, end: int, least: int) -> list[tuple[int, int]]:
        """Return what of a run is a piece of a secret rather than the words that it is made of, in a sentence.

        A few letters between gaps may be such words. Of `least` characters without a gap nobody asks.
        """
        gaps = [at for at in range(start + 1, end) if self.starts[at] > self.ends[at - 1]]
        if len(gaps) >= (end - start) // 4 or any(map(str.isdigit, self.text[start:end])):
            return [(start, end)]
        return [(begin, stop) for begin, stop in pairwise([start, *gaps, end]) if stop - begin >= least]

    def only(self, kept: re.Pattern[str]) -> "View":
        """Return the view without what lies between matches."""
        texts, starts, ends = [], list[int](), list[int]()
        for match in kept.finditer(self.text):
            texts.append(match[0])
            starts += self.starts[match.start() : match.end()]
            ends += self.ends[match.start() : match.end()]
        return View("".join(texts), starts, ends)

    def unescaped(self) -> "View":
        """Return the view with each escape read, of whatever kind."""
        texts, starts, ends = [], list[int](), list[int]()
        at = 0
        for match in _ESCAPE.finditer(self.text):
            texts += [self.text[at : match.start()], _meant(match)]
            starts += [*self.starts[at : match.start()], self.starts[match.start()]]
            ends += [*self.ends[at : match.start()], self.ends[match.end() - 1]]
            at = match.end()
        return View("".join([*texts, self.text[at:]]), [*starts, *self.starts[at:]], [*ends, *self.ends[at:]])


def views(text: str) -> Iterator[View]:
    """Yield a text as it is and with its escapes undone, again and again; in small letters, with and without signs."""
    view = View(lower(_in_plain(text)), range(len(text)), range(1, len(text) + 1))
    for _ in range(_DEEPEST):
        yield view.only(_VISIBLE)
        yield view.only(ALPHANUMERIC)
        if not _ESCAPE.search(view.text):
            break
        view = view.unescaped()


def readings(text: str) -> Iterator[str | None]:
    """Yield the texts of the same views, many times faster; None where there are more escapes than can be undone."""
    text = lower(_in_plain(text))
    for _ in range(_DEEPEST):
        letters = text.encode("ascii", "ignore")
        yield letters.translate(None, _UNSEEN).decode() if text.isascii() else "".join(_VISIBLE.findall(text))
        yield letters.translate(None, _NOT_ALPHANUMERIC).decode()
        text, escapes = _ESCAPE.subn(_meant, text, _MOST_ESCAPES + 1)
        if not escapes:
            return
        if escapes > _MOST_ESCAPES:
            yield None
            return


_TAG = 0xE0000  # from here on stand characters that are not seen, one for each of ASCII

_VISIBLE = re.compile(r"[\x21-\x7e\xa1-\U0010ffff]+")
_ASCII = bytes(range(128))
_UNSEEN = bytes(code for code in _ASCII if not _VISIBLE.match(chr(code)))
_NOT_ALPHANUMERIC = bytes(code for code in _ASCII if not ALPHANUMERIC.match(chr(code)))
_ESCAPE = re.compile(
    r"%(?P<percent>[0-9a-f]{2})|=(?P<quoted>[0-9a-f]{2})|[\\%]u(?P<u>[0-9a-f]{4})|\\[ux]\{0*(?P<braced>[0-9a-f]{1,6})\}|[\\0]x(?P<x>[0-9a-f]{2})"
    r"|\\(?P<octal>[0-7]{3})|&#(?P<decimal>\d{1,7});?|&#x(?P<entity>[0-9a-f]{1,6});?|&(?P<name>amp|lt|gt|quot|apos);"
    r"|\\(?P<sign>.)",
    re.IGNORECASE | re.DOTALL,
)
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_BLANK = dict.fromkeys("nrtbf0v", " ")


def _meant(escape: re.Match[str]) -> str:
    """Return the character that an escape stands for."""
    kind = escape.lastgroup or ""
    digits = escape[kind]
    if kind == "name":
        return _NAMED[digits]
    if kind == "sign":
        return _BLANK.get(digits, digits)
    code = int(digits, {"octal": 8, "decimal": 10}.get(kind, 16))
    return lower(_plain(chr(code))) if code < 0x110000 else " "  # noqa: PLR2004 - the end of Unicode


def _in_plain(text: str) -> str:
    return text if text.isascii() else text.translate(_PLAIN)


def _plain(character: str) -> str:
    """Return the ASCII that a character is a variant of, a blank for what is not seen, else itself."""
    if _TAG <= ord(character) < _TAG + 0x80:
        return chr(ord(character) - _TAG)
    plain = unicodedata.normalize("NFKC", character)
    if len(plain) == 1 and plain.isascii():
        return plain
    return " " if unicodedata.category(character) in ("Cf", "Cc", "Mn", "Zs") else character


class _Plain(dict[int, str]):
    """Remembers what `_plain` says of each character: most texts have few."""

    def __missing__(self, code: int) -> str:
        if len(self) >= _MOST_REMEMBERED:
            self.clear()
        self[code] = made = _plain(chr(code))
        return made


_PLAIN = _Plain()
