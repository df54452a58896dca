"""Log-probabilities read into one form, from the three shapes that servers give them.

OpenAI's legacy route has lists side by side (`tokens`, `token_logprobs`, `top_logprobs`, `text_offset`), its newer ones
and llama.cpp a list of objects (`content`), and vLLM gives those of the prompt by token id (`prompt_logprobs`).
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

from completions_cli.models import Json

_ROUNDING = 1e-5  # nats that a certain token may be above zero by
_NONE = -9999.0  # OpenAI and vLLM write it for minus infinity and for what they do not know; others write less
# OpenAI's legacy route writes a token that is a piece of a character as bytes:\xe2\x80, vLLM on request token_id:42.
_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_BYTES_FOLLOW = "bytes:\\x"
_BYTES = re.compile(r"bytes:((?:\\x[0-9a-fA-F]{2})+)")
_ID_FOLLOWS = "token_id:"
_ID = re.compile(r"token_id:(\d{1,18})")


class Token(NamedTuple):
    """A token and its log-probability in nats; None where the server gave none, or what can be none.

    `rank` is 1 for the likeliest token, `raw` the token's bytes where the server tells them, `offset` where it begins
    as the server counts, `top` the likeliest tokens in its place with their log-probabilities.
    """

    text: str
    logprob: float | None
    id: int | None = None
    rank: int | None = None
    raw: bytes | None = None
    offset: int | None = None
    top: tuple[tuple[str, float], ...] = ()


@dataclass(slots=True)
class SideBySide(Sequence[Token]):
    """The tokens of OpenAI's legacy shape. Each is made when it is looked at: of a long prompt only the last count.

    `doubtful` are the tokens that must be looked at, as far as that was asked for: `not_plainly_likeliest`.
    """

    texts: Sequence[str]  # as the server spells them
    figures: Sequence[Json]
    offsets: Sequence[Json]
    tops: Sequence[Json]
    ids: Sequence[Json]
    doubtful: Sequence[tuple[int, Token]] | None = None

    def __len__(self) -> int:
        """Return how many tokens there are."""
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Token: ...
    @overload
    def __getitem__(self, index: slice) -> "SideBySide": ...
    def __getitem__(self, index: int | slice) -> "Token | SideBySide":
        """Return a token, or some of them."""
        if isinstance(index, slice):
            return SideBySide(
                self.texts[index], self.figures[index], self.offsets[index], self.tops[index], self.ids[index]
            )
        number, (text, raw) = self.ids[index], _spelled(self.texts[index])
        if text.startswith(_ID_FOLLOWS) and (named := _ID.fullmatch(text)):
            number = int(named[1])
        return Token(
            text,
            figure(self.figures[index]),
            _count(number),
            None,
            raw,
            _count(self.offsets[index]),
            _top(self.tops[index]),
        )


def read(choice: Mapping[str, Json]) -> Sequence[Token] | None:
    """Return the tokens in the `logprobs` of a choice; None where there are none, or none that can be read."""
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return None
    if isinstance(logprobs.get("content"), list):
        return entries(logprobs["content"])
    return _legacy(logprobs)


def of_prompt(choice: Mapping[str, Json]) -> list[Token] | None:
    """Return the prompt's tokens in vLLM's `prompt_logprobs` of a choice; None where they cannot be read.

    Each position names the prompt's own token first; the likeliest follow. The first position is null: that token has
    no figure, and its text is not told (empty here).
    """
    positions = choice.get("prompt_logprobs")
    if not isinstance(positions, list) or not positions:
        return None
    unnamed = [Token("", None)] if positions[0] is None else []
    tokens = [_position(position) for position in positions[len(unnamed) :]]
    found = unnamed + [token for token in tokens if token is not None]
    return found if len(found) == len(positions) else None


def entries(listed: Json) -> list[Token] | None:
    """Return the tokens of a list of objects with `token` and `logprob`; None where one of them cannot be read."""
    if not isinstance(listed, list):
        return None
    tokens = [_entry(entry) for entry in listed]
    found = [token for token in tokens if token is not None]
    return found if len(found) == len(tokens) else None


def figure(value: Json) -> float | None:
    """Return a log-probability as a number; None for what is none: NaN, infinite, positive, no number."""
    if type(value) is float or type(value) is int:
        return float(value) if _NONE < value <= _ROUNDING else None
    return None


def shown(tokens: Sequence[Token]) -> tuple[Sequence[str], str] | None:
    """Return the texts of tokens as they are shown, and joined; None where one may be a piece of a character."""
    if isinstance(tokens, SideBySide):
        texts = tokens.texts
    elif any(token.raw is not None for token in tokens):
        return None
    else:
        texts = [token.text for token in tokens]
    joined = "".join(texts)
    return (texts, joined) if _UNKNOWN not in joined and not may_spell_bytes(joined) and all(texts) else None


def may_spell_bytes(shown: str) -> bool:
    """Return whether tokens that show this may be spelled as their bytes."""
    return _BYTES_FOLLOW in shown


def figures(tokens: Sequence[Token]) -> Iterator[float | None]:
    """Return the log-probabilities of tokens."""
    if isinstance(tokens, SideBySide):
        return map(figure, tokens.figures)
    return (token.logprob for token in tokens)


def total(tokens: Sequence[Token]) -> float:
    """Add up the log-probabilities of tokens."""
    if isinstance(tokens, SideBySide) and tokens.doubtful == []:
        return math.fsum(tokens.figures)
    return math.fsum(filter(None, figures(tokens)))


def not_plainly_likeliest(tokens: Sequence[Token]) -> Sequence[tuple[int, Token]]:
    """Return the place of each token, and the token, but for those that are the only likeliest one in their place."""
    if not isinstance(tokens, SideBySide):
        return list(enumerate(tokens))
    if tokens.doubtful is None:
        shown = "".join(tokens.texts)
        may_be_pieces = _UNKNOWN in shown or may_spell_bytes(shown)
        tokens.doubtful = [
            (place, tokens[place])
            for place, (text, value, top) in enumerate(zip(tokens.texts, tokens.figures, tokens.tops, strict=True))
            if may_be_pieces or top != {text: value} or type(value) is not float or not _NONE < value <= _ROUNDING
        ]
    return tokens.doubtful


def bytes_of(value: Json) -> bytes | None:
    """Return the bytes in a list of numbers; None where it is none."""
    if not isinstance(value, list) or not all(type(byte) is int and 0 <= byte <= 255 for byte in value):  # noqa: PLR2004 - bytes
        return None
    return bytes(value)


def _legacy(logprobs: Mapping[str, Json]) -> SideBySide | None:
    tokens, figures = logprobs.get("tokens"), logprobs.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(figures, list) or len(tokens) != len(figures):
        return None
    if not {*map(type, tokens)} <= {str}:
        return None
    length = len(tokens)
    return SideBySide(
        tokens,
        figures,
        _beside(logprobs.get("text_offset", logprobs.get("text_offsets")), length),
        _beside(logprobs.get("top_logprobs"), length),
        _beside(logprobs.get("token_ids"), length),
    )


def _beside(listed: Json, length: int) -> Sequence[Json]:
    """Return a list that stands beside the tokens; one of another length says nothing of any of them."""
    return listed if isinstance(listed, list) and len(listed) == length else [None] * length


def _spelled(text: str) -> tuple[str, bytes | None]:
    """Return a token's text, and its bytes if they are spelled out."""
    found = _BYTES.fullmatch(text) if text.startswith(_BYTES_FOLLOW) else None
    raw = bytes.fromhex(found[1].replace("\\x", "")) if found else None
    return (text, None) if raw is None else (raw.decode("utf-8", "replace"), raw)


def _entry(entry: Json) -> Token | None:
    text = entry.get("token") if isinstance(entry, dict) else None
    if not isinstance(text, str):
        return None
    return Token(
        text=text,
        logprob=figure(entry.get("logprob")),
        id=_count(entry.get("id")),
        rank=_count(entry.get("rank")),
        raw=bytes_of(entry.get("bytes")),
        top=_top(entry.get("top_logprobs")),
    )


def _position(position: Json) -> Token | None:
    if not isinstance(position, dict) or not position:
        return None
    number, first = next(iter(position.items()))
    if not isinstance(first, dict) or not isinstance(first.get("decoded_token"), str):
        return None
    text, raw = _spelled(first["decoded_token"])
    alternatives = [(entry.get("decoded_token"), entry.get("logprob")) for entry in position.values()]
    return Token(
        text=text,
        logprob=figure(first.get("logprob")),
        id=int(number) if number.isascii() and number.isdigit() else None,
        rank=_count(first.get("rank")),
        raw=raw,
        top=_pairs(alternatives[1:]),
    )


def _top(listed: Json) -> tuple[tuple[str, float], ...]:
    """Read the likeliest tokens: an object of log-probabilities by token, or a list of objects."""
    if isinstance(listed, dict):
        return _pairs(listed.items())
    if isinstance(listed, list):
        return _pairs([(entry.get("token"), entry.get("logprob")) for entry in listed if isinstance(entry, dict)])
    return ()


def _pairs(pairs: Iterable[tuple[Json, Json]]) -> tuple[tuple[str, float], ...]:
    known = ((text, figure(value)) for text, value in pairs if isinstance(text, str))
    return tuple([(text, value) for text, value in known if value is not None])


def _count(value: Json) -> int | None:
    return value if type(value) is int and value >= 0 else None
