"""Scoring by llama.cpp's server, which gives figures of generated tokens only: a text's tokens are forced on it.

A grammar of token ids lets it generate nothing else, and its figures are of the whole vocabulary all the same. A token
that ends amid a character has no figure of its own: its id is looked up among the likeliest in its place.
"""

import itertools
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from completions_cli.api import logprobs
from completions_cli.api.logprobs import Token
from completions_cli.errors import LogprobsError, NotFoundError, RejectedError, ServerError, UnscorableError
from completions_cli.models import CompletionRequest, Json
from completions_cli.scoring import alignment
from completions_cli.scoring.alignment import Laid

_TOKENIZE, _COMPLETE = "/tokenize", "/completion"
_AT_A_TIME = 256  # tokens in one grammar
_SOME, _ALL = 1000, 300_000  # how many of the likeliest tokens to look an id up in
_FORCE = 1e6  # of a token that must come
_OUT_OF_REACH = "the server is llama.cpp's, but its own routes cannot be reached"
_HINT = "Use HOST/v1 of the server itself as the endpoint, not a gateway."


@dataclass(frozen=True, slots=True)
class Forced:
    """The method, and a token with a text of its own that may be generated anywhere."""

    whole_token: int
    name: ClassVar = "forced_decoding"
    words: ClassVar = "forced_decoding (llama.cpp: a grammar of token ids)"


class _Piece(NamedTuple):
    id: int
    raw: bytes

    @property
    def fits_grammar(self) -> bool:
        """Whether it can stand in a grammar: it is made of whole characters, and none of them is NUL."""
        try:
            self.raw.decode()
        except UnicodeDecodeError:
            return False
        return bool(self.raw) and b"\0" not in self.raw


def prepared(base: CompletionRequest) -> Generator[CompletionRequest, Mapping[str, Json], Forced]:
    """Look whether the server's own routes are there. Raises UnscorableError."""
    try:
        pieces = yield from _tokenized(base, "a", add_special=False)
    except (RejectedError, NotFoundError, LogprobsError) as error:
        raise UnscorableError(f"{_OUT_OF_REACH}: {error.message}", hint=_HINT) from None
    return Forced(pieces[0].id)


def figures(
    method: Forced, base: CompletionRequest, text: str, prompt: str
) -> Generator[CompletionRequest, Mapping[str, Json], tuple[str | None, Laid]]:
    """Ask for the figures of the tokens of a text that are not the prompt's alone. Raises LogprobsError."""
    pieces = yield from _tokenized(base, text, add_special=True)
    laid = _laid(pieces, text)
    wanted = len(alignment.cut(laid, prompt).tokens)
    at = max(1, len(pieces) - wanted)  # nothing precedes the first
    model = None
    found: list[Token] = []
    while at < len(pieces):
        run = _run(pieces, at)
        model, some = (yield from _forced(base, pieces[:at], run)) if run else (model, [])
        if not some:
            model, token = yield from _looked_up(method, base, pieces[:at], pieces[at])
            some = [token]
        found += some
        at += len(some)
    return model, Laid([*laid.tokens[: len(laid.tokens) - len(found)], *found], laid.covered)


def _tokenized(
    base: CompletionRequest, text: str, *, add_special: bool
) -> Generator[CompletionRequest, Mapping[str, Json], list[_Piece]]:
    fields = {"content": text, "add_special": add_special, "parse_special": True, "with_pieces": True}
    answer = yield CompletionRequest(None, extra=fields, model=base.model, route=_TOKENIZE)
    listed = answer.get("tokens")
    pieces = [_piece(entry) for entry in listed] if isinstance(listed, list) else []
    found = [piece for piece in pieces if piece is not None]
    if not found or len(found) < len(pieces):
        raise LogprobsError(f"{_TOKENIZE} does not answer with the pieces of a text", hint=_HINT)
    return found


def _piece(entry: Json) -> _Piece | None:
    number, piece = (entry.get("id"), entry.get("piece")) if isinstance(entry, dict) else (None, None)
    if type(number) is not int:
        return None
    if isinstance(piece, str):
        return _Piece(number, piece.encode("utf-8", "surrogatepass"))
    raw = logprobs.bytes_of(piece)  # a piece of a character
    return None if raw is None else _Piece(number, raw)


def _laid(pieces: Sequence[_Piece], text: str) -> Laid:
    """Lay pieces over a text, before which some tokenizers put a space of their own. Raises LogprobsError."""
    tokens = [Token(piece.raw.decode("utf-8", "replace"), None, id=piece.id, raw=piece.raw) for piece in pieces]
    laid = alignment.lay(tokens, text)
    if laid is not None:
        return laid
    laid = alignment.lay(tokens, f" {text}")
    if laid is None:
        raise LogprobsError("the server's tokens do not add up to the text")
    return Laid(laid.tokens, [frozenset(max(0, end - 1) for end in ends) for ends in laid.sets])


def _run(pieces: Sequence[_Piece], at: int) -> list[_Piece]:
    """Return the tokens that come next and can stand in a grammar."""
    ahead = pieces[at : at + _AT_A_TIME]
    return list(itertools.takewhile(lambda piece: piece.fits_grammar, ahead))


def _forced(
    base: CompletionRequest, before: Sequence[_Piece], run: Sequence[_Piece]
) -> Generator[CompletionRequest, Mapping[str, Json], tuple[str | None, list[Token]]]:
    """Have the server generate tokens that follow others; return those of them that it gave figures of."""
    grammar = "root ::= " + " ".join(f"<[{piece.id}]>" for piece in run)
    try:
        answer = yield _generating(base, before, len(run), {"grammar": grammar, "n_probs": 1})
    except (RejectedError, ServerError):  # a server too old for token ids in grammars, or a token that fits none
        return None, []
    entries = logprobs.entries(_checked(answer).get("completion_probabilities")) or []
    fitting = itertools.takewhile(lambda pair: pair[0].id == pair[1].id, zip(entries, run, strict=False))
    return _model(answer), [token._replace(text=piece.raw.decode()) for token, piece in fitting]


def _looked_up(
    method: Forced, base: CompletionRequest, before: Sequence[_Piece], piece: _Piece
) -> Generator[CompletionRequest, Mapping[str, Json], tuple[str | None, Token]]:
    """Look up a token among the likeliest in a place, where another is forced that has figures."""
    for count in (_SOME, _ALL):
        bias = {"logit_bias": [[method.whole_token, _FORCE]], "n_probs": count}
        answer = yield _generating(base, before, 1, bias)
        listed = _checked(answer).get("completion_probabilities")
        first = listed[0] if isinstance(listed, list) and listed else {}
        top = first.get("top_logprobs") if isinstance(first, dict) else None
        for rank, entry in enumerate(top if isinstance(top, list) else (), 1):
            if isinstance(entry, dict) and entry.get("id") == piece.id:
                text = piece.raw.decode("utf-8", "replace")
                return _model(answer), Token(text, logprobs.figure(entry.get("logprob")), piece.id, rank, piece.raw)
    raise LogprobsError(f"the server gives no log-probability for the token with the id {piece.id}")


def _generating(
    base: CompletionRequest, before: Sequence[_Piece], count: int, fields: Mapping[str, Json]
) -> CompletionRequest:
    # Out of a cache the same figures would come a little different.
    own = {"n_predict": count, "temperature": 0, "post_sampling_probs": False, "cache_prompt": False}
    ids = [piece.id for piece in before]
    return CompletionRequest(ids, extra={**own, **fields}, model=base.model, route=_COMPLETE)


def _checked(answer: Mapping[str, Json]) -> Mapping[str, Json]:
    if answer.get("truncated") is True:
        raise LogprobsError("the text is longer than the model's context", hint="Score it in parts.")
    return answer


def _model(answer: Mapping[str, Json]) -> str | None:
    model = answer.get("model")
    return model if isinstance(model, str) else None
