"""Secrets blacked out wherever a server, or something on the way, gives them back.

A server may quote a key whole or cut, escaped, encoded or in another case. So the mask looks for runs of the key's
characters, however they are spelled: no more than seven of them in a row are left.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import compress
from typing import TypeAlias, TypeVar, overload

from completions_cli import limits
from completions_cli.api import headers
from completions_cli.api.headers import MASK
from completions_cli.api.spelled import RUN, forms
from completions_cli.api.views import readings, views
from completions_cli.errors import CompletionsError, ServiceError

_SHORTEST = 4  # a secret shorter than this would black out innocent words
_STRONG = 16  # a key this long is no word that servers use, as the "lm-studio" of some local ones is
_GRAM = 4  # every run of 7 holds one of the grams that begin at each fourth character
_TWO_GRAMS = 3 * _GRAM - 1  # a run of so many holds two whole grams, wherever a word is cut into them
_MOST_SUSPECTS = 100_000  # grams of one text that a secret has as well; a look at each takes 0.2 s
_MOST_LOOKS = 500_000  # at places of needles: one that repeats itself has each gram in many; take 0.5 s
_BLOCK = 64 * 1024  # characters of a text that are cut into grams at a time

# Of the registry of IANA and of gateways. Any other first word may be a part of the secret.
_SCHEMES = frozenset(
    {
        *("basic", "bearer", "concealed", "digest", "dpop", "gnap", "hoba", "mutual", "negotiate", "oauth"),
        *("privatetoken", "scram-sha-1", "scram-sha-256", "vapid", "api-key", "apikey", "aws4-hmac-sha256", "hawk"),
        *("hmac", "jwt", "key", "ntlm", "sharedaccesssignature", "sharedkey", "signature", "token"),
    }
)

# The parts of an error that may quote a server.
_SERVERS_WORDS = ("message", "hint", "code", "body_code", "param", "request_id", "detail")

_Error = TypeVar("_Error", bound=CompletionsError)
# By its first characters: a needle, where in it they stand, and how long a run of it must be to be blacked out.
_Grams: TypeAlias = dict[str, list[tuple[str, int, int]]]


class Mask:
    """Blacks out the secrets that it was told of."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._needles: dict[str, int] = {}
        self._grams: _Grams | None = None
        self._pieces: frozenset[str] = frozenset()  # of the needles, from each of their characters on
        self._paired: frozenset[str] = frozenset()  # of those of which a run holds two at the least
        self._short: set[str] = set()
        self._known: set[tuple[str, bool]] = set()
        self._strong: Mask | None = None
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str, *, in_part: bool = True) -> None:
        """Black out a secret from now on; `in_part` also any piece of it, else only the whole."""
        if (secret, in_part) in self._known:
            return
        self._known.add((secret, in_part))
        self._strong = None
        if len(secret) >= RUN:
            self._needles |= {form: least if in_part else len(form) for form, least in forms(secret)}
            self._grams = None
        elif len(secret) >= _SHORTEST:
            self._short.add(secret)

    def add_header(self, name: str, value: str) -> None:
        """Black out the value of a header that stays secret: a credential in part too, after the name of a scheme."""
        scheme, _, credential = value.partition(" ")
        is_scheme = credential and scheme.lower() in _SCHEMES
        for secret in (credential,) if is_scheme else (value, credential):
            self.add(secret, in_part=headers.is_sensitive(name))

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        spans = sorted(self._found(text))
        if not spans:
            return text
        parts: list[str] = []
        end = 0
        for start, stop in spans:
            if start >= end:
                parts += [text[end:start], MASK]
            end = max(end, stop)
        return "".join([*parts, text[end:]])

    @property
    def secrets(self) -> frozenset[str]:
        """All secrets that it was told of."""
        return frozenset(secret for secret, _ in self._known)

    @property
    def strong(self) -> "Mask":
        """The mask of those secrets that no innocent word looks like: the same one until another secret is added."""
        if self._strong is None:
            self._strong = Mask(secret for secret, in_part in self._known if in_part and len(secret) >= _STRONG)
        return self._strong

    @overload
    def word(self, word: str) -> str: ...
    @overload
    def word(self, word: str | None) -> str | None: ...
    def word(self, word: str | None) -> str | None:
        """Return a short text without the secrets, at little cost where it cannot hold one: the id of an answer."""
        if word is None or not (self._needles or self._short):
            return word
        return word if self.is_cleared(word) else self.text(word)

    def is_cleared(self, word: str) -> bool:
        """Return whether a short text plainly holds no secret; if not, `text` says whether it does."""
        if self._short:
            return False
        if len(word) < RUN:
            return True
        lowered = word.lower()
        is_plain = _PLAIN.fullmatch(lowered) and "0x" not in lowered
        return bool(is_plain) and not self._holds_piece(lowered.replace(" ", ""))

    def _holds_piece(self, visible: str) -> bool:
        """Return whether a word without escapes may hold a run of a secret, with or without the signs in it."""
        if self._grams is None:
            self._known_grams()
        if self._is_suspect(_EVERY_GRAM.findall(visible)):
            return True
        return not visible.isalnum() and self._is_suspect(_EVERY_GRAM.findall(_SIGNS.sub("", visible)))

    def _is_suspect(self, grams: list[str]) -> bool:
        return not self._pieces.isdisjoint(grams) or (
            not self._paired.isdisjoint(grams) and sum(gram in self._paired for gram in grams) > 1
        )

    def error(self, error: _Error) -> _Error:
        """Black out the secrets in an error's texts; it is the same error afterwards."""
        for name in _SERVERS_WORDS:
            text = getattr(error, name, None)
            if isinstance(text, str):
                setattr(error, name, self.text(text))
        error.args = (error.message,)  # which `repr` shows
        error.__cause__ = error.__context__ = None  # the libraries' errors quote what was received
        if isinstance(error, ServiceError):
            self._pieced(error)
        return error

    def _pieced(self, error: ServiceError) -> None:
        """Black out a secret of which several parts of an error hold a piece, too short to tell by itself."""
        loc = self._place(error.loc)
        if error.param in error.loc and error.param not in loc:  # the hint names it
            error.hint = error.hint and re.sub(rf"\b{re.escape(error.param)}\b", MASK, error.hint)
            error.param = MASK
        error.loc = loc
        for name in ("code", "body_code", "param"):
            piece = getattr(error, name)
            if piece and any(self.text(both) != both for both in _joined(piece, error.message)):
                setattr(error, name, MASK)

    def _place(self, loc: tuple[str, ...]) -> tuple[str, ...]:
        """Return a place without the secrets, in one part where they lie across its parts."""
        shown = tuple(map(self.text, loc))
        joined = ".".join(shown)
        masked = self.text(joined)
        return shown if masked == joined else (masked,)

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for short in self._short:
            whole = rf"(?<![A-Za-z0-9]){re.escape(short)}(?![A-Za-z0-9])"
            yield from (match.span() for match in re.finditer(whole, text, re.IGNORECASE))
        if not self._needles or self._is_clear(text):
            return
        if len(text) > limits.SEARCHED_CHARACTERS:
            yield 0, len(text)
            return
        for view in views(text):
            for run in self._runs(view.text):
                yield from ((view.starts[start], view.ends[end - 1]) for start, end in view.telling(*run))

    def _is_clear(self, text: str) -> bool:
        """Return whether a text holds no run of a secret, however it is read."""
        return all(reading is not None and next(self._runs(reading), None) is None for reading in readings(text))

    def _runs(self, text: str) -> Iterator[tuple[int, int, int]]:
        """Yield where a text holds a long enough run of a needle, and how long it must be."""
        grams, covered, tried, looks = self._known_grams(), 0, 0, 0
        for number, suspect in enumerate(self._suspects(text)):
            if number == _MOST_SUSPECTS or looks > _MOST_LOOKS:  # nobody else writes so
                yield 0, len(text), 1
                return
            for at in range(max(tried, suspect - _GRAM + 1), suspect + _GRAM):
                places = grams.get(text[at : at + _GRAM], ()) if at >= covered else ()
                looks += len(places)
                for needle, position, least in places:
                    start, end = _grown(text, at, needle, position)
                    if end - start >= least:
                        yield start, end, least
                        covered = max(covered, end)
            tried = suspect + _GRAM

    def _suspects(self, text: str) -> Iterator[int]:
        """Yield where, among the grams that begin at each fourth character of a text, those of a needle stand."""
        for start in range(0, len(text), _BLOCK):
            grams = _EVERY_GRAM.findall(text, start, start + _BLOCK)
            if not (self._pieces.isdisjoint(grams) and self._paired.isdisjoint(grams)):
                known = (gram in self._pieces or gram in self._paired for gram in grams)
                yield from compress(range(start, start + _BLOCK, _GRAM), known)

    def _known_grams(self) -> "_Grams":
        if self._grams is None:
            self._grams = _grams(self._needles)
            self._pieces = _pieces(text for text, least in self._needles.items() if least < _TWO_GRAMS)
            self._paired = _pieces(text for text, least in self._needles.items() if least >= _TWO_GRAMS)
        return self._grams


def _joined(one: str, other: str) -> tuple[str, str]:
    return f"{one}: {other}", f"{other}: {one}"


def _grown(text: str, at: int, needle: str, position: int) -> tuple[int, int]:
    """Return the bounds of the run around a gram that text and needle share."""
    start, end = at, at + _GRAM
    before, after = position, position + _GRAM
    while start and before and text[start - 1] == needle[before - 1]:
        start, before = start - 1, before - 1
    while end < len(text) and after < len(needle) and text[end] == needle[after]:
        end, after = end + 1, after + 1
    return start, end


def _grams(needles: Mapping[str, int]) -> _Grams:
    found: _Grams = {}
    for needle, least in needles.items():
        for position in range(0, len(needle) - _GRAM + 1, _GRAM):
            found.setdefault(needle[position : position + _GRAM], []).append((needle, position, least))
    return found


def _pieces(needles: Iterable[str]) -> frozenset[str]:
    return frozenset(text[at : at + _GRAM] for text in needles for at in range(len(text) - _GRAM + 1))


_EVERY_GRAM = re.compile("." * _GRAM, re.DOTALL)
_PLAIN = re.compile(r"[0-9a-z _./:@+,-]*+")  # in small letters; nothing in it is an escape but 0x
_SIGNS = re.compile(r"[^0-9a-z]+")
