"""The ways to ask a server for the log-probabilities of texts, and how to read its answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from completions_cli.api import choices as api_choices
from completions_cli.api import logprobs
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
        """The method in words, for notes and -v."""
        fields = ", ".join(f"{name} {_shown(value)}" for name, value in self.extra.items())
        return f"{self.name} ({fields}, max_tokens {self.max_tokens})"

    def request(self, base: CompletionRequest, texts: Sequence[str]) -> CompletionRequest:
        """Build the request for the figures of texts; of `base` it takes the model and its own parameters."""
        prompt = texts[0] if len(texts) == 1 else list(texts)
        extra = self.extra
        if base.extra:
            extra = {name: value for name, value in base.extra.items() if name not in _OF_GENERATION} | {**extra}
        return CompletionRequest(prompt, {"max_tokens": self.max_tokens}, extra, base.model)

    def read(self, answer: Mapping[str, Json], texts: Sequence[str]) -> "Reading | None":
        """Return the tokens of each text in an answer; None where it does not give those of all."""
        laid: list[Laid] = []
        shown, known, is_blank = 0, 0, False
        is_of_prompt = self.is_of_prompt
        for choice, text in zip(_choices(answer, len(texts)), texts, strict=False):
            tokens = logprobs.of_prompt(choice) if is_of_prompt else logprobs.read(choice)
            found = alignment.lay(tokens, text, 0 if is_of_prompt else self.max_tokens) if tokens else None
            if tokens is None or found is None:
                return None
            laid.append(found)
            shown += len(tokens)
            known += next(logprobs.figures(tokens)) is not None
            is_blank = is_blank or not any(logprobs.figures(found.tokens))
        if not laid:
            return None
        is_of_prompt = is_of_prompt or _is_echo(answer, shown, range(-known, len(texts) - known + 1))
        return Reading(laid, is_of_prompt and not is_blank, is_blank)

    @property
    def is_of_prompt(self) -> bool:
        """Whether the figures are in a field of their own, which has none of generated tokens."""
        return self.name == "prompt_logprobs"


class Reading(NamedTuple):
    """The tokens of each text. Unless `is_proven`, they may be generated ones that happen to be the same.

    It `is_blank` where all figures of a text are zero or null, as where a server fills in what it does not know.
    """

    laid: list[Laid]
    is_proven: bool
    is_blank: bool


ECHO = Method("echo", 0, {"echo": True, "logprobs": 1})
ECHO_AND_ONE = Method("echo", 1, {"echo": True, "logprobs": 1})
PROMPT_LOGPROBS = Method("prompt_logprobs", 1, {"prompt_logprobs": 0})
METHODS = (ECHO, ECHO_AND_ONE, PROMPT_LOGPROBS)


def is_llama_cpp(answer: Mapping[str, Json]) -> bool:
    """Return whether an answer bears the mark of llama.cpp's server."""
    return isinstance(answer.get("timings"), dict)


def _choices(answer: Mapping[str, Json], expected: int) -> list[dict[str, Json]]:
    """Return the choices of an answer in the order of their prompts; none where that is not clear."""
    listed = answer.get("choices")
    choices = [choice for choice in listed if isinstance(choice, dict)] if isinstance(listed, list) else []
    if len(choices) == expected == 1:
        return choices
    if api_choices.misfit(choices, expected) is not None:
        return []
    return sorted(choices, key=lambda choice: int(choice["index"]))


def _is_echo(answer: Mapping[str, Json], shown: int, more: range) -> bool:
    """Return whether an answer shows all tokens that the server counts, and they are not only generated ones.

    It may show so many `more`: a token for the beginning of a text may be shown but not counted, or, if the first that
    is shown has a figure, counted but not shown.
    """
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    prompt, generated = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if type(prompt) is not int or type(generated) is not int:
        return False
    return 0 <= generated < shown and shown - prompt - generated in more


def _shown(value: Json) -> str:
    return "true" if value is True else str(value)
