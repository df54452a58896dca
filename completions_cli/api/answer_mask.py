"""Successful answers without the secrets that a server put into them. What the model wrote is passed on unchanged."""

from collections.abc import Mapping

from completions_cli import limits
from completions_cli.api import number_mask
from completions_cli.api.headers import MASK
from completions_cli.api.masking import Mask
from completions_cli.api.model_words import ANSWER, DOCUMENT, NOWHERE, Place
from completions_cli.errors import MalformedResponseError
from completions_cli.models import Chunk, Json, Usage

_WORDLESS = frozenset({int, float, bool, type(None)})  # types

_MOST_KNOWN = 1000  # words that answers repeat
_LONGEST_KNOWN = 100  # characters

# In characters of plain words that take as long:
_LOOK = 64  # at a word that is not plain
_FINDING = 16  # a secret, for each character


class AnswerMask:
    """Blacks out the strong secrets of a mask in an answer's fields: its id, model, finish reasons and all others."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask
        self._strong = mask.strong
        self._numbers = number_mask.of(self._strong.secrets)
        self._clean: set[str] = set()

    def request_id(self, value: str | None) -> str | None:
        """Return the id of an exchange without secrets, weak ones too: it is a header, which no answer depends on."""
        return self._mask.word(value)

    def usage(self, usage: Usage | None) -> Usage | None:
        """Return counts without a key made of digits."""
        if usage is None or self._numbers is None:
            return usage
        return Usage(*(self._numbers.fields(count, NOWHERE) for count in usage))

    def chunk(self, chunk: Chunk) -> Chunk:
        """Return a chunk without secrets: the same one where there are none."""
        raw = self.answer(chunk.raw)
        if raw is chunk.raw:
            return chunk
        deltas = [
            delta._replace(finish_reason=reason)
            for delta, reason in zip(
                chunk.deltas, self.fields([delta.finish_reason for delta in chunk.deltas]), strict=True
            )
        ]
        return Chunk(raw, tuple(deltas))

    def answer(self, value: Json) -> Json:
        """Return a response object without secrets, as `fields` does, but with what the model wrote in its choices."""
        return self._without(value, ANSWER)

    def document(self, value: Json) -> Json:
        """Return the document of a route of the server's own, likewise."""
        return self._without(value, DOCUMENT)

    def fields(self, value: Json) -> Json:
        """Return any JSON without secrets: the same object where there are none. Raises MalformedResponseError."""
        return self._without(value, NOWHERE)

    def _without(self, value: Json, place: Place) -> Json:
        if self._strong is not self._mask.strong:
            self._strong = self._mask.strong
            self._numbers = number_mask.of(self._strong.secrets)
            self._clean.clear()
        try:
            if self._numbers is not None:
                value = self._numbers.fields(value, place)
            return value if self._search().is_clean(value, place) else self._search().masked(value, place)
        except RecursionError:
            raise MalformedResponseError("the response is nested too deeply", hint="-vv shows the response.") from None

    def _search(self) -> "_Search":
        return _Search(self._strong, self._clean)


class _Search:
    """One search of one answer, which may take a second or two. `clean` are words that were found to be so before."""

    __slots__ = ("_clean", "_left", "_mask")

    def __init__(self, mask: Mask, clean: set[str]) -> None:
        self._mask = mask
        self._clean = clean
        self._left = limits.FIELD_CHARACTERS

    def is_clean(self, value: Json, place: Place = NOWHERE) -> bool:
        """Return whether a value is without secrets, as nearly all are: most of their words were looked at before."""
        if type(value) is dict:
            return self._is_object_clean(value, place)
        if type(value) is list:
            return all(self.is_clean(item, place) for item in value)
        return type(value) is not str or value in self._clean or self._word(value) == value

    def _is_object_clean(self, value: Mapping[str, Json], place: Place) -> bool:
        clean = self._clean
        if not clean.issuperset(value) and not all(map(self.is_clean, value)):
            return False
        for name, item in value.items():
            kind = type(item)
            if kind in _WORDLESS or (kind is str and item in clean):
                continue
            below = place.get(name, NOWHERE)
            if below is not None and not self.is_clean(item, below):
                return False
        return True

    def masked(self, value: Json, place: Place = NOWHERE) -> Json:
        """Return a value without secrets."""
        if type(value) is str:
            return value if value in self._clean else self._word(value)
        if type(value) is list:
            return [self.masked(item, place) for item in value]
        if type(value) is dict:
            return {
                self.masked(name): item if (below := place.get(name, NOWHERE)) is None else self.masked(item, below)
                for name, item in value.items()
            }
        return value

    def _word(self, word: str) -> str:
        if len(word) > self._left:
            return MASK
        self._left -= len(word)
        masked = word if self._mask.is_cleared(word) else self._looked_through(word)
        if masked == word and len(word) <= _LONGEST_KNOWN:
            if len(self._clean) >= _MOST_KNOWN:  # ids, most of them
                self._clean.clear()
            self._clean.add(word)
        return masked

    def _looked_through(self, word: str) -> str:
        masked = self._mask.text(word)
        self._left -= _LOOK + (_FINDING * len(word) if masked != word else 0)
        return masked
