"""How likely a model finds a text: its tokens' log-probabilities, and the figures that are made of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from completions_cli.api import logprobs
from completions_cli.api.logprobs import Token
from completions_cli.errors import LogprobsError
from completions_cli.models import Json

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
_ROUNDING = 0.01  # nats by which figures of one token may differ

METRICS = ("sum", "mean", "per-byte")


# Batches make many scores, which are not frozen for the reasons given in `models`.


@dataclass(slots=True)
class Score:
    """How likely a continuation is after its prompt. Log-probabilities are in nats.

    `boundary_merged` is true if its first token begins in the prompt.
    """

    text: str
    tokens: Sequence[Token] = field(repr=False)
    boundary_merged: bool = False

    @property
    def logprob(self) -> float:
        """The log-probability of all tokens together."""
        return logprobs.total(self.tokens)

    @property
    def token_count(self) -> int:
        """How many tokens the continuation has."""
        return len(self.tokens)

    @property
    def mean(self) -> float:
        """The log-probability per token."""
        return self.logprob / len(self.tokens)

    @property
    def per_byte(self) -> float:
        """The log-probability per byte of the continuation in UTF-8."""
        return self.logprob / _size(self.text)

    @property
    def greedy(self) -> bool | None:
        """Whether each token is the likeliest in its place; None if the server does not say."""
        doubtful = logprobs.not_plainly_likeliest(self.tokens)
        return all_of([is_greedy(token) for _, token in doubtful]) if doubtful else True

    def figure(self, metric: str) -> float:
        """Return the figure of a metric: sum, mean or per-byte."""
        return {"sum": self.logprob, "mean": self.mean, "per-byte": self.per_byte}[metric]

    def document(self, *, with_tokens: bool = True) -> dict[str, Json]:
        """Return the score as JSON; figures that the server did not return are absent."""
        greedy = self.greedy
        return {
            "text": self.text,
            "logprob": self.logprob,
            "token_count": self.token_count,
            **({} if greedy is None else {"greedy": greedy}),
            "boundary_merged": self.boundary_merged,
            **({"tokens": _documents(self.tokens)} if with_tokens else {}),
        }


@dataclass(frozen=True)
class TextScore:
    """How likely a text is by itself. Its first token has no log-probability unless the model puts one before it."""

    text: str
    tokens: tuple[Token, ...] = field(repr=False)
    method: str = ""
    model: str | None = None

    @cached_property
    def logprob(self) -> float:
        """The log-probability of all tokens that have one together, in nats."""
        return math.fsum(self._known)

    @property
    def token_count(self) -> int:
        """How many tokens the text has."""
        return len(self.tokens)

    @property
    def perplexity(self) -> float:
        """The perplexity per token, over the tokens that have a log-probability; infinite if too large for a float."""
        try:
            return math.exp(-self.logprob / len(self._known))
        except OverflowError:
            return math.inf

    @property
    def bits_per_byte(self) -> float:
        """The bits that the model needs for each byte of the text in UTF-8."""
        return -self.logprob / math.log(2) / _size(self.text)

    @property
    def _known(self) -> list[float]:
        return [token.logprob for token in self.tokens if token.logprob is not None]

    def document(self) -> dict[str, Json]:
        """Return the score as JSON; figures that the server did not return are absent."""
        return {
            "method": self.method,
            **({} if self.model is None else {"model": self.model}),
            "logprob": self.logprob,
            "token_count": self.token_count,
            **({"perplexity": self.perplexity} if math.isfinite(self.perplexity) else {}),
            "bits_per_byte": self.bits_per_byte,
            "tokens": _documents(self.tokens),
        }


@dataclass(slots=True)
class Scores:
    """The scores of continuations of one prompt, in the order in which they were given."""

    continuations: tuple[Score, ...]
    method: str = ""
    model: str | None = None

    def best(self, metric: str = "sum") -> Score:
        """Return the likeliest continuation by a metric: sum, mean or per-byte; the first of equal ones."""
        return max(self.continuations, key=lambda score: score.figure(metric))

    def document(self) -> dict[str, Json]:
        """Return the scores as JSON; figures that the server did not return are absent."""
        return {
            "method": self.method,
            **({} if self.model is None else {"model": self.model}),
            "continuations": [score.document() for score in self.continuations],
        }


def require_figures(tokens: Sequence[Token]) -> None:
    """Raise LogprobsError unless each of the tokens has its log-probability."""
    if not tokens:
        raise LogprobsError("the answer has no token for the text")
    for place, token in logprobs.not_plainly_likeliest(tokens):
        if token.logprob is None:
            raise LogprobsError(f"the server gives no log-probability for token {place + 1} of {len(tokens)}")


def are_undisputed(tokens: Sequence[Token]) -> bool:
    """Return whether each of the tokens has its log-probability, and the likeliest do not say otherwise of any.

    False also where all are zero, as where a server fills in what it does not know.
    """
    for _, token in logprobs.not_plainly_likeliest(tokens):
        if token.logprob is None or _agrees(token) is False:
            return False
    return any(logprobs.figures(tokens))


def require_agreement(scored: Sequence[Token], tokens: Sequence[Token]) -> None:
    """Raise LogprobsError where the likeliest tokens say otherwise of one that is scored, and so of most in the text.

    Some vocabularies have several tokens of one text, of which an object by text keeps only one: that is no error.
    """
    disputed = (place for place, token in logprobs.not_plainly_likeliest(scored) if _agrees(token) is False)
    place = next(disputed, None)
    if place is None:
        return
    verdicts = [_agrees(token) for token in tokens]
    if verdicts.count(False) > verdicts.count(True):
        raise LogprobsError(
            f"the server contradicts itself about the log-probability of token {place + 1} of {len(scored)}",
            hint="token_logprobs and top_logprobs differ. -vv shows the response.",
        )


def _agrees(token: Token) -> bool | None:
    """Return whether the likeliest tokens in its place bear out a token's figure; None where they cannot tell."""
    if token.logprob is None or not token.text or _UNKNOWN in token.text:  # pieces of characters all look alike
        return None
    if token.top and all(value + _ROUNDING < token.logprob for _, value in token.top):
        return False
    differences = [abs(value - token.logprob) for text, value in token.top if text == token.text]
    return min(differences) <= _ROUNDING if differences else None


def is_greedy(token: Token) -> bool | None:
    """Return whether a token is the likeliest in its place; None if the server does not say."""
    if token.rank is not None:
        return token.rank == 1
    if token.logprob is None or not token.top:
        return None
    is_best = all(value <= token.logprob for _, value in token.top)
    # Pieces of characters all look alike, and in an object by text only one of them is left.
    if _UNKNOWN in token.text and any(text == token.text for text, _ in token.top):
        return None if is_best else False
    return is_best


def all_of(answers: Sequence[bool | None]) -> bool | None:
    """Return whether all are true: one that is false decides, else one that is unknown."""
    if False in answers:
        return False
    return None if None in answers else True


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _documents(tokens: Sequence[Token]) -> list[dict[str, Json]]:
    return [_document(token) for token in tokens]


def _document(token: Token) -> dict[str, Json]:
    told = {"text": token.text, "id": token.id, "logprob": token.logprob, "rank": token.rank}
    return {name: value for name, value in told.items() if value is not None}
