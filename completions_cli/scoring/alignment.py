"""Which tokens of an answer make up a text, and where in it each of them ends.

Servers show tokens as text, and a token may be a piece of a character: shown as U+FFFD, as its bytes, as characters of
Latin-1 (SGLang), or as nothing, its text following with the token that ends the character (vLLM). So every way to lay
the tokens over the text's bytes is followed; an answer that can be laid out in no way is not about this text. Offsets
that servers give are not used, because they count in different units.
"""

import bisect
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from completions_cli.api import logprobs
from completions_cli.api.logprobs import Token
from completions_cli.errors import LogprobsError

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_LONGEST_CHARACTER = 4  # bytes
_LAST_OF_LATIN_1 = "\xff"
_UNCLEAR = "the answer leaves unclear which tokens are the continuation's"
_ONE_WORD = re.compile(r"\s?\S{0,24}|\s{1,24}")  # what a token at the start of a text may be, as far as it is not told


class Laid(NamedTuple):
    """The tokens of a text, and after each the bytes of the text that are covered: a set of numbers if unclear."""

    tokens: Sequence[Token]
    covered: Sequence[frozenset[int]] | Sequence[int]

    @property
    def sets(self) -> list[frozenset[int]]:
        """The bytes that may be covered after each token."""
        return [frozenset((covered,)) if isinstance(covered, int) else covered for covered in self.covered]


class Cut(NamedTuple):
    """The tokens that count for a continuation; `is_merged` when the first of them begins in the prompt."""

    tokens: Sequence[Token]
    is_merged: bool


def lay(tokens: Sequence[Token], text: str, generated: int = 0) -> Laid | None:
    """Lay tokens over a text that they must cover, with at most so many more; None where they do not.

    A first token without a figure may stand for the beginning of the text (BOS), if it does not look like a part of it.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    usual = _as_shown(tokens, encoded, generated)
    if usual is not None or not tokens or tokens[0].logprob is not None:
        return usual or _over(tokens, encoded, generated)
    if _shows_nothing(tokens[0]):
        return _after_unnamed(tokens, encoded, generated)
    laid = _over(tokens, encoded, generated)
    if laid is not None or any(_ends(tokens[0], encoded, 0)):
        return laid
    return _over(tokens[1:], encoded, generated)


def cut(laid: Laid, prompt: str) -> Cut:
    """Return the tokens of what follows the prompt. Raises LogprobsError where that is unclear."""
    boundary = len(prompt.encode("utf-8", "surrogatepass"))
    ends = laid.covered
    if ends and isinstance(ends[0], int):
        count = bisect.bisect(ends, boundary)
        return Cut(laid.tokens[count:], is_merged=boundary not in (0, *ends[count - 1 : count]))
    starts = [frozenset([0]), *laid.sets]
    if any(min(covered) <= boundary < max(covered) for covered in starts):
        raise LogprobsError(_UNCLEAR)
    last = max(max(covered) for covered in starts if max(covered) <= boundary)
    count = min(index for index, covered in enumerate(starts) if max(covered) == last)
    if len(starts[count]) > 1:
        raise LogprobsError(_UNCLEAR)
    count += _silent_of_prompt(laid.tokens[count:], prompt.encode("utf-8", "surrogatepass")[last:])
    return Cut(laid.tokens[count:], is_merged=last < boundary)


def _silent_of_prompt(tokens: Sequence[Token], rest: bytes) -> int:
    """Return how many tokens that show nothing are the prompt's, of which the next token shows the rest.

    They are pieces of a character in the next token, if that has one of several bytes. Raises LogprobsError where the
    prompt's end has one, too: some of them may lie within it.
    """
    silent = sum(1 for _ in itertools.takewhile(_shows_nothing, tokens))
    if _next_shown(tokens).isascii():
        return silent
    if silent and not rest.isascii():
        raise LogprobsError(_UNCLEAR)
    return 0


def _over(tokens: Sequence[Token], text: bytes, generated: int) -> Laid | None:
    """Follow all ways to lay tokens over a text from its beginning, and keep those that reach its end.

    None also where it is unclear how many of them it takes.
    """
    usual = _as_shown(tokens, text, generated)
    if usual is not None:
        return usual
    reached = [frozenset([0])]
    for token in tokens:
        reached.append(frozenset(end for start in reached[-1] for end in _ends(token, text, start)))
        if not reached[-1]:
            reached.pop()
            break
    counts = [
        count
        for count in range(max(0, len(tokens) - generated), len(reached))
        if len(text) in reached[count] and not (count and _shows_nothing(tokens[count - 1]))
    ]
    if len(counts) != 1:
        return None
    (count,) = counts
    return Laid(list(tokens[:count]), _leading_to_the_end(tokens[:count], text, reached[: count + 1])[1:])


def _as_shown(tokens: Sequence[Token], text: bytes, generated: int) -> Laid | None:
    """Lay tokens over a text that is just what they show, as nearly always: in one way. None where it is not."""
    shown = logprobs.shown(tokens)
    if shown is None:
        return None
    texts, joined = shown
    if not joined.encode("utf-8", "surrogatepass").startswith(text):
        return None
    sizes = map(len, texts) if joined.isascii() else (len(each.encode("utf-8", "surrogatepass")) for each in texts)
    ends = list(itertools.accumulate(sizes))
    count = bisect.bisect(ends, len(text))
    if not len(ends) - generated <= count or ends[count - 1 : count] != [len(text)]:
        return None
    return Laid(tokens[:count], ends[:count]) if count < len(ends) else Laid(tokens, ends)


def _shows_nothing(token: Token) -> bool:
    """Return whether a token may be a piece of a character that is still to come: no text ends in one."""
    return not token.text and token.raw is None


def _leading_to_the_end(tokens: Sequence[Token], text: bytes, reached: list[frozenset[int]]) -> list[frozenset[int]]:
    leading = [frozenset([len(text)])]
    for token, starts in zip(reversed(tokens), reversed(reached[:-1]), strict=True):
        leading.append(frozenset(start for start in starts if not leading[-1].isdisjoint(_ends(token, text, start))))
    return leading[::-1]


def _ends(token: Token, text: bytes, start: int) -> Iterator[int]:
    """Yield where a token may end that begins at a byte of a text."""
    if token.raw is not None or _UNKNOWN not in token.text:
        known = token.raw if token.raw is not None else token.text.encode("utf-8", "surrogatepass")
        if text.startswith(known, start):
            yield start + len(known)
        elif token.raw is None and (piece := _as_latin_1(token.text)) and text.startswith(piece, start):
            yield start + len(piece)
        return
    longest = _LONGEST_CHARACTER * len(token.text)
    for end in range(start + 1, min(start + longest, len(text)) + 1):
        if text[start:end].decode("utf-8", "replace") == token.text:
            yield end


def _as_latin_1(text: str) -> bytes | None:
    """Return the bytes of a piece of a character that is shown as Latin-1; None for what is whole characters."""
    if text.isascii() or max(text) > _LAST_OF_LATIN_1:
        return None
    raw = text.encode("latin-1")
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw
    return None


def _after_unnamed(tokens: Sequence[Token], text: bytes, generated: int) -> Laid | None:
    """Lay tokens of which the first has no text: it is what the others leave of the text, if that may be one token."""
    ways: list[list[frozenset[int]]] = []
    for length in range(len(text) + 1):
        if not _ONE_WORD.fullmatch(text[:length].decode("utf-8", "ignore")):
            break
        laid = _over(tokens[1:], text[length:], generated)
        if laid is not None:
            ways.append([frozenset([length]), *(frozenset(end + length for end in ends) for ends in laid.sets)])
    if not ways or len({len(way) for way in ways}) > 1:
        return None
    covered = [frozenset[int]().union(*ends) for ends in zip(*ways, strict=True)]
    if max(covered[0]) == 0 and _next_shown(tokens).isascii():  # it stands for the beginning of the text
        return Laid(list(tokens[1 : len(covered)]), covered[1:])
    first = tokens[0]._replace(text=text[: min(covered[0])].decode("utf-8", "replace"))
    return Laid([first, *tokens[1 : len(covered)]], covered)


def _next_shown(tokens: Sequence[Token]) -> str:
    return next((token.text for token in tokens if token.text), "")
