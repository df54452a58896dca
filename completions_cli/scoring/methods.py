"""The ways to ask a server for the log-probabilities of a text, one request a text, and what an answer then tells."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from completions_cli.api import logprobs
from completions_cli.api.logprobs import Token
from completions_cli.models import CompletionRequest, Json
from completions_cli.scoring import alignment
from completions_cli.scoring.alignment import Laid

Name: TypeAlias = Literal["echo", "prompt_logprobs", "forced_decoding"]

# What asks for text rather than for figures: it is not sent.
_OF_GENERATION = frozenset({"n", "best_of", "echo", "logprobs", "prompt_logprobs", "stream_options", "suffix"})


@dataclass(frozen=True, slots=True)
class Method:
    """One way to ask. `max_tokens` are generated beside, and left out."""

    name: Name
    max_tokens: int
    extra: Mapping[str, Json]

    @property
    def words(self) -> str:
        """What people are told of it."""
        fields = ", ".join(f"{name} {_shown(value)}" for name, value in self.extra.items())
        return f"{self.name} ({fields}, max_tokens {self.max_tokens})"

    def request(self, base: CompletionRequest, text: str) -> CompletionRequest:
        """Build the request for the figures of a text; of `base` it takes the model and its own parameters."""
        own = {name: value for name, value in base.extra.items() if name not in _OF_GENERATION}
        return replace(
            base, prompt=text, parameters={"max_tokens": self.max_tokens}, extra={**own, **self.extra}, stream=False
        )

    def read(self, answer: Mapping[str, Json], text: str) -> "Reading | None":
        """Return the tokens of a text in an answer; None where it does not give them."""
        choices = answer.get("choices")
        choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None
        if not isinstance(choice, dict):
            return None
        if self.name == "prompt_logprobs":
            tokens = logprobs.of_prompt(choice)
            laid = alignment.lay(tokens, text) if tokens else None
            return Reading(laid, is_proven=True) if laid else None
        tokens = logprobs.read(choice)
        laid = alignment.lay(tokens, text, self.max_tokens) if tokens else None
        return Reading(laid, is_proven=_is_echo(tokens or [], answer)) if laid else None


@dataclass(frozen=True, slots=True)
class Reading:
    """The tokens of a text. Unless `is_proven`, they may be generated ones that happen to be the same."""

    laid: Laid
    is_proven: bool


ECHO = Method("echo", 0, {"echo": True, "logprobs": 1})
ECHO_AND_ONE = Method("echo", 1, {"echo": True, "logprobs": 1})
PROMPT_LOGPROBS = Method("prompt_logprobs", 1, {"prompt_logprobs": 0})
METHODS = (ECHO, ECHO_AND_ONE, PROMPT_LOGPROBS)


def is_llama_cpp(answer: Mapping[str, Json]) -> bool:
    """Return whether an answer bears the mark of llama.cpp's server."""
    return isinstance(answer.get("timings"), dict)


def _is_echo(tokens: list[Token], answer: Mapping[str, Json]) -> bool:
    """Return whether more tokens are shown than the server says it generated: those are the prompt's."""
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    prompt, generated = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(generated) is not int:
        return False
    return 0 <= generated < len(tokens) <= prompt + generated + 1  # BOS may be shown but not counted


def _shown(value: Json) -> str:
    return "true" if value is True else str(value)
