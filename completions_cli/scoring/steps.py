"""Scoring as a dialogue: requests are yielded, answers are sent in, and what the server refused is thrown in.

So callers that wait, callers that are awaited and batches drive the same steps.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias, TypeVar

from completions_cli.api.logprobs import Token
from completions_cli.errors import LogprobsError, MisfitError, RejectedError, UnscorableError
from completions_cli.models import CompletionRequest, Json
from completions_cli.scoring import alignment, forced, plain_echo
from completions_cli.scoring.alignment import Laid
from completions_cli.scoring.forced import Forced
from completions_cli.scoring.methods import ECHO, METHODS, Method, is_llama_cpp
from completions_cli.scoring.scores import Score, Scores, TextScore, require_agreement, require_figures

_Result = TypeVar("_Result")
Steps: TypeAlias = Generator[CompletionRequest, Mapping[str, Json], _Result]

_Figures: TypeAlias = tuple[str | None, Laid]  # and the model that gave them

# Nothing goes on with it, and nobody generates it: a server that shows its tokens shows a prompt.
_PROBE = "Zq7 wyvern 40961, plinth: oboe 8 (kumquat) fjord 53."
_LACKS = "the server gives no log-probabilities of text that it did not generate"
_NO_TOKENS = "the answer does not contain the tokens of the text"
_NO_PROMPT = "Give a prompt; the model's token for the start of a text is one."
_MERGED = "The prompt and the continuation begin with one and the same token: give a longer prompt."
_FIRST = "the server gives no log-probability for the first token, because nothing precedes it"
_HINT = "vLLM, SGLang and llama.cpp's server return them; -v shows the requests."


class Part(NamedTuple):
    """The score of one continuation, the method, and the model that the answer names."""

    score: Score
    method: str
    model: str | None


@dataclass(slots=True)
class Scorer:
    """What is known about how one endpoint scores. One for all calls to it: the method is found out once.

    `on_method` is called with words for the method when it is found. Of a server that is known to be llama.cpp's it is
    known from the start.
    """

    on_method: Callable[[str], None] = lambda _: None
    method: Method | Forced | None = None
    is_llama_cpp: bool = False
    is_echo_sure: bool = False

    def score(self, base: CompletionRequest, prompt: str, texts: Sequence[str]) -> Steps[Scores | TextScore]:
        """Score continuations of a prompt, or without any the prompt itself."""
        if texts:
            return (yield from self.continuations(base, prompt, texts))
        return (yield from self.text(base, prompt))

    def text(self, base: CompletionRequest, text: str) -> Steps[TextScore]:
        """Score a text by itself. Raises LogprobsError, or UnscorableError where the server cannot do it at all."""
        model, laid = yield from self._laid(base, text, "")
        tokens = laid.tokens
        if not tokens[0].text and tokens[0].logprob is None:  # it stands for the beginning of the text
            tokens = tokens[1:]
        if [token.logprob for token in tokens] in ([], [None]):
            raise LogprobsError(_FIRST, hint="Score a longer text, or the text as a continuation of a prompt.")
        self._require(tokens[1:] if tokens[0].logprob is None else tokens, laid)
        return TextScore(text, tuple(tokens), self._name, model)

    def continuations(self, base: CompletionRequest, prompt: str, texts: Sequence[str]) -> Steps[Scores]:
        """Score continuations of a prompt likewise."""
        scores: list[Score] = []
        model = None
        for text in texts:
            ((score, _, model),) = yield from self._one(base, prompt, text)
            scores.append(score)
        return Scores(tuple(scores), self._name, model)

    def some(self, base: CompletionRequest, pairs: Sequence[tuple[str, str]], *, together: bool) -> Steps[list[Part]]:
        """Score the first of pairs of a prompt and a continuation; all `together` where the method takes an array.

        Raises likewise, also where only one of them cannot be scored.
        """
        if together and len(pairs) > 1 and isinstance(self.method, Method):
            return self._together(self.method, base, pairs)
        return self._one(base, *pairs[0])

    def _together(self, method: Method, base: CompletionRequest, pairs: Sequence[tuple[str, str]]) -> Steps[list[Part]]:
        figures = yield from self._laid_together(method, base, [prompt + text for prompt, text in pairs])
        return [
            Part(self._score(*pair, laid), self._name, model)
            for pair, (model, laid) in zip(pairs, figures, strict=True)
        ]

    def _one(self, base: CompletionRequest, prompt: str, text: str) -> Steps[list[Part]]:
        """Score a continuation of a prompt."""
        if self.method is not ECHO:
            model, laid = yield from self._laid(base, prompt + text, prompt)
            return [Part(self._score(prompt, text, laid), self._name, model)]
        answer = yield ECHO.request(base, [prompt + text])
        score = plain_echo.score(answer, prompt, text)
        if score is None:
            (laid,) = yield from self._required(ECHO, base, answer, [prompt + text])
            score = self._score(prompt, text, laid)
        return [Part(score, ECHO.name, _model(answer))]

    @property
    def _name(self) -> str:
        return self.method.name if self.method is not None else ""

    def _laid(self, base: CompletionRequest, text: str, prompt: str) -> Steps[_Figures]:
        """Ask for the tokens of a text; where the method is not known yet, find one by asking in all ways."""
        method = self.method
        if isinstance(method, Forced):
            return (yield from forced.figures(method, base, text, prompt))
        if method is not None:
            return (yield from self._laid_together(method, base, [text]))[0]
        return (yield from self._search(base, text, prompt))

    def _laid_together(self, method: Method, base: CompletionRequest, texts: Sequence[str]) -> Steps[list[_Figures]]:
        answer = yield method.request(base, texts)
        return [(_model(answer), each) for each in (yield from self._required(method, base, answer, texts))]

    def _required(
        self, method: Method, base: CompletionRequest, answer: Mapping[str, Json], texts: Sequence[str]
    ) -> Steps[list[Laid]]:
        """Read an answer that must hold the tokens. Raises LogprobsError."""
        laid = yield from self._read(method, base, answer, texts)
        if laid is None:
            raise LogprobsError(_NO_TOKENS, hint=_HINT)
        return laid

    def _search(self, base: CompletionRequest, text: str, prompt: str) -> Steps[_Figures]:
        if self.is_llama_cpp:
            return (yield from self._force(base, text, prompt))
        findings: dict[str, list[str]] = {}  # what was wrong, and with which methods
        refusals: list[RejectedError] = []
        for method in METHODS:
            try:
                answer = yield method.request(base, [text])
            except RejectedError as error:
                refusals.append(error)
                findings.setdefault(error.message, []).append(method.words)
                continue
            except MisfitError as error:
                findings.setdefault(error.message, []).append(method.words)
                continue
            laid = yield from self._read(method, base, answer, [text])
            if laid is not None:
                self._found(method)
                return _model(answer), laid[0]
            if is_llama_cpp(answer):
                return (yield from self._force(base, text, prompt))
            findings.setdefault(_NO_TOKENS, []).append(method.words)
        if len(refusals) == len(METHODS):
            yield from _blame(base, text, refusals[0])
        tried = "; ".join(f"{', '.join(methods)}: {problem}" for problem, methods in findings.items())
        raise UnscorableError(f"{_LACKS}. {tried}", hint=_HINT)

    def _force(self, base: CompletionRequest, text: str, prompt: str) -> Steps[_Figures]:
        method = yield from forced.prepared(base)
        self._found(method)
        return (yield from forced.figures(method, base, text, prompt))

    def _read(
        self, method: Method, base: CompletionRequest, answer: Mapping[str, Json], texts: Sequence[str]
    ) -> Steps[list[Laid] | None]:
        """Read an answer; unless it is certain that the tokens are the prompt's, see what becomes of another text."""
        reading = method.read(answer, texts)
        if reading is None or reading.is_proven or self.is_echo_sure:
            return reading.laid if reading else None
        probe = yield method.request(base, [_PROBE])
        probed = method.read(probe, [_PROBE])
        self.is_echo_sure = probed is not None and not probed.is_blank
        return reading.laid if self.is_echo_sure else None

    def _score(self, prompt: str, text: str, laid: Laid) -> Score:
        """Return the score of a continuation from the tokens of the whole text. Raises LogprobsError."""
        found = alignment.cut(laid, prompt)
        if len(found.tokens) == len(laid.tokens) and laid.tokens[0].logprob is None:
            raise LogprobsError(_FIRST, hint=_MERGED if prompt else _NO_PROMPT)
        self._require(found.tokens, laid)
        return Score(text, found.tokens, found.is_merged)

    def _require(self, scored: Sequence[Token], laid: Laid) -> None:
        require_figures(scored)
        if isinstance(self.method, Method):  # forced tokens are known by their ids
            require_agreement(scored, laid.tokens)

    def _found(self, method: Method | Forced) -> None:
        self.method = method
        self.on_method(method.words)


def _blame(base: CompletionRequest, text: str, refusal: RejectedError) -> Steps[None]:
    """Raise the refusal if it is not about log-probabilities: the same text is refused without them, too."""
    plain = METHODS[-1].request(base, [text])
    try:
        yield CompletionRequest(text, plain.parameters, base.extra, base.model)
    except RejectedError:
        raise refusal from None
    except MisfitError:
        return


def _model(answer: Mapping[str, Json]) -> str | None:
    model = answer.get("model")
    return model if isinstance(model, str) else None
