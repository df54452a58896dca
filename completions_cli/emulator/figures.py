"""Log-probabilities for text that no model wrote: plausible, and the same for the same text wherever it stands."""

import heapq
import math
import zlib
from collections.abc import Sequence
from typing import NamedTuple

from completions_cli.emulator.call import Document

# What may follow any text, beside the token that does: enough for the most alternatives a client may ask for.
_WORDS = """
the a of and to in is that it was for on are with as they at be this from have or by one had not but what all
were when we there can an your which their said if do will each about how up out them then she many some so
"""
_VOCABULARY = tuple(f" {word}" for word in _WORDS.split())
_ENCODED = tuple(word.encode() for word in _VOCABULARY)
_PLACES = {word: place for place, word in enumerate(_VOCABULARY)}
_SPREAD = 6.0  # nats between the likeliest and the least likely
_UNKNOWN = 2.0  # nats that a token outside of the vocabulary is less likely by
_STEPS = 1 << 32


class Figured(NamedTuple):
    """A token, its log-probability (None where nothing precedes it) and the likeliest tokens in its place."""

    token: str
    logprob: float | None
    top: dict[str, float] | None


def figure(pieces: Sequence[str], before: str, top: int) -> list[Figured]:
    """Work out the figures of tokens that follow a text, with so many alternatives to each.

    They depend on all that precedes a token, not on how that is cut into tokens.
    """
    context = zlib.crc32(before.encode("utf-8", "surrogatepass"))
    figured = []
    is_first = not before
    for piece in pieces:
        figured.append(Figured(piece, None, None) if is_first else _figured(context, piece, top))
        context = zlib.crc32(piece.encode("utf-8", "surrogatepass"), context)
        is_first = False
    return figured


def mean(pieces: Sequence[str], before: str) -> float:
    """Return the mean log-probability of a text's tokens: what `best_of` goes by."""
    known = [each.logprob for each in figure(pieces, before, 0) if each.logprob is not None]
    return sum(known) / len(known) if known else 0.0


def document(figured: Sequence[Figured], offset: int, top: int) -> Document:
    """Write figures as OpenAI's legacy route does; `offset` is where the first token begins, in characters."""
    offsets = []
    for each in figured:
        offsets.append(offset)
        offset += len(each.token)
    return {
        "tokens": [each.token for each in figured],
        "token_logprobs": [each.logprob for each in figured],
        "top_logprobs": [each.top for each in figured] if top else None,
        "text_offset": offsets,
    }


def _figured(context: int, token: str, top: int) -> Figured:
    weights = [_weight(context, word) for word in _ENCODED]
    whole = math.log(sum(map(math.exp, weights)))
    place = _PLACES.get(token)
    if place is None:
        own = _weight(context, token.encode("utf-8", "surrogatepass")) - _UNKNOWN - whole
    else:
        own = weights[place] - whole
    if not top:
        return Figured(token, own, None)
    best = heapq.nlargest(top, range(len(weights)), key=weights.__getitem__)
    return Figured(token, own, {**{_VOCABULARY[place]: weights[place] - whole for place in best}, token: own})


def _weight(context: int, word: bytes) -> float:
    return _SPREAD * zlib.crc32(word, context) / _STEPS
