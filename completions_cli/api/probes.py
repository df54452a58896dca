"""Requests for one token each that show which parameters a server keeps, ignores or refuses. No I/O.

Servers ignore what they do not know without a word. Each probe asks for something that shows in the answer, and is
judged by that answer and by the plain one, which was asked for nothing of the kind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from completions_cli.api import logprobs, parameters
from completions_cli.models import CompletionRequest, Json, Prompt

State: TypeAlias = Literal["kept", "ignored", "unclear"]

PROMPT = "The colours of the rainbow are red, orange,"
_SUFFIX = " and all of these words have to be counted." * 8
_FEWEST_TOKENS = 16  # no tokenizer makes fewer of that suffix
_NUMBER = 734152  # that no model would continue the prompt with
_IDS = [3, 5, 7, 11, 13]
_SCHEMA = {"type": "integer", "enum": [_NUMBER]}
_OPEN_PROMPT = "A list of random words:\n"  # which has a thousand likely continuations


class Answer(NamedTuple):
    """The choices of an answer as they were received, and its tokens as the server counted them."""

    choices: Sequence[Mapping[str, Json]]
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    @property
    def text(self) -> str:
        """The text of the first choice."""
        text = self.choices[0].get("text") if self.choices else None
        return text if isinstance(text, str) else ""


class Verdict(NamedTuple):
    """What became of a parameter, and how that shows."""

    state: State
    reason: str


@dataclass(frozen=True, slots=True)
class Probe:
    """A question to a server: what it is asked, and how its answers, one for each turn, are judged.

    `changes` are the parameters beside those of the plain request, and may depend on its answer.
    """

    name: str
    changes: Callable[[Answer], Mapping[str, Json]]
    judge: Callable[[Answer, Sequence[Answer]], Verdict]
    prompt: Prompt = PROMPT
    turns: int = 1

    def request(self, plain: Answer, model: str | None) -> CompletionRequest:
        """Build the request for one turn."""
        asked = parameters.split({"max_tokens": 1, "temperature": 0, **self.changes(plain)})
        return CompletionRequest(self.prompt, asked.parameters, asked.extra, model)


def plain(model: str | None) -> CompletionRequest:
    """Build the request that the others are compared with."""
    return CompletionRequest(PROMPT, {"max_tokens": 1, "temperature": 0}, model=model)


def length(answer: Answer) -> Verdict:
    """Judge from the plain answer whether `max_tokens` was kept."""
    if answer.completion_tokens is None:
        return Verdict("unclear", "the server counts no tokens")
    state: State = "kept" if answer.completion_tokens <= 1 else "ignored"
    return Verdict(state, f"{answer.completion_tokens} of 1 tokens")


def _choices(wanted: int) -> Callable[[Answer, Sequence[Answer]], Verdict]:
    def judge(_: Answer, answers: Sequence[Answer]) -> Verdict:
        came = len(answers[0].choices)
        return Verdict("kept" if came == wanted else "ignored", f"{came} of {wanted} choices")

    return judge


def _echo(_: Answer, answers: Sequence[Answer]) -> Verdict:
    if PROMPT in answers[0].text:
        return Verdict("kept", "the text begins with the prompt")
    return Verdict("ignored", "the prompt is not in the text")


def _logprobs(_: Answer, answers: Sequence[Answer]) -> Verdict:
    tokens = _tokens(answers[0])
    return Verdict("kept" if tokens else "ignored", "figures for the new token" if tokens else "no figures came")


def _prompt_logprobs(_: Answer, answers: Sequence[Answer]) -> Verdict:
    known = [token for token in _tokens(answers[0]) if token.logprob is not None]
    if PROMPT in answers[0].text and len(known) > 1:
        return Verdict("kept", f"figures for {len(known)} tokens")
    return Verdict("ignored", "no figures for the prompt's tokens")


def _suffix(without: Answer, answers: Sequence[Answer]) -> Verdict:
    before, after = without.prompt_tokens, answers[0].prompt_tokens
    if before is None or after is None:
        return Verdict("unclear", "the server counts no tokens")
    if after >= before + _FEWEST_TOKENS:
        return Verdict("kept", f"{after - before} more prompt tokens")
    return Verdict("ignored", "it adds no tokens to the prompt")


def _stop_at(answer: Answer) -> Mapping[str, Json]:
    return {"stop": answer.text.strip() or answer.text or "red"}


def _stop(without: Answer, answers: Sequence[Answer]) -> Verdict:
    sequence = _stop_at(without)["stop"]
    if sequence in answers[0].text:
        return Verdict("ignored", f"the text continues after {sequence!r}")
    if sequence in without.text and not answers[0].text.strip():
        return Verdict("kept", f"the text ends before {sequence!r}")
    return Verdict("unclear", "the text is different this time")


def _seed(_: Answer, answers: Sequence[Answer]) -> Verdict:
    first, second = (answer.text for answer in answers)
    if first == second:
        return Verdict("kept", "the same token twice")
    return Verdict("ignored", "two different tokens for one seed")


def _schema(_: Answer, answers: Sequence[Answer]) -> Verdict:
    text = answers[0].text.strip()
    if text and str(_NUMBER).startswith(text):
        return Verdict("kept", "the text begins as the schema says")
    if text:
        return Verdict("ignored", "the schema does not allow the text")
    return Verdict("unclear", "the first token is white space")


def _ids(_: Answer, answers: Sequence[Answer]) -> Verdict:
    counted = answers[0].prompt_tokens
    if counted is None:
        return Verdict("unclear", "accepted, but the server counts no tokens")
    # A model may put a token of its own in front.
    state: State = "kept" if len(_IDS) <= counted <= len(_IDS) + 1 else "ignored"
    return Verdict(state, f"{counted} prompt tokens for {len(_IDS)} ids")


def _tokens(answer: Answer) -> Sequence[logprobs.Token]:
    return (logprobs.read(answer.choices[0]) or ()) if answer.choices else ()


def _always(**changes: Json) -> Callable[[Answer], Mapping[str, Json]]:
    return lambda _: changes


PROBES = (
    Probe("n", _always(n=2), _choices(2)),
    Probe("echo", _always(echo=True), _echo),
    Probe("logprobs", _always(logprobs=1), _logprobs),
    Probe("echo and logprobs", _always(echo=True, logprobs=1), _prompt_logprobs),
    Probe("suffix", _always(suffix=_SUFFIX), _suffix),
    Probe("stop", _stop_at, _stop),
    Probe("seed", _always(seed=7, temperature=1), _seed, _OPEN_PROMPT, turns=2),
    Probe(
        "response_format",
        _always(response_format={"type": "json_schema", "json_schema": {"name": "number", "schema": _SCHEMA}}),
        _schema,
    ),
    Probe("several prompts", _always(), _choices(2), [PROMPT, "One, two,"]),
    Probe("token ids", _always(), _ids, _IDS),
)
REQUESTS = 1 + sum(probe.turns for probe in PROBES)
