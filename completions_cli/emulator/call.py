"""What one request asks for, once a behaviour has accepted it, and what an engine gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Prompt = str | tuple[int, ...]
Document = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One accepted request: defaults filled in, types certain.

    `samples` (`n`), `best_of`, `echo` and `logprobs` are what the model underneath understands of passed-through
    parameters; `extras` are all of them.
    """

    prompts: tuple[Prompt, ...]
    model: str
    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stream: bool = False
    samples: int = 1
    best_of: int = 1
    logprobs: int | None = None
    echo: bool = False
    include_usage: bool = False
    extras: Mapping[str, object] = field(default_factory=dict)

    @property
    def texts(self) -> int:
        """How many texts to write for each prompt."""
        return max(self.samples, self.best_of)


@dataclass(frozen=True, slots=True)
class Generation:
    """One finished choice: its text, how many tokens were generated for it, and why it ended.

    `discarded` are the tokens of texts that `best_of` asked for and that were not the best.
    """

    index: int
    text: str
    tokens: int
    finish_reason: str
    logprobs: Document | None = None
    discarded: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """One step of a choice while it is being generated; the last one carries the finish reason.

    `step` counts the tokens of its choice from 0, `tokens` is how many tokens it stands for.
    """

    index: int
    step: int
    text: str
    tokens: int
    finish_reason: str | None = None
    logprobs: Document | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one exchange; the API reference's CompletionUsage."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def document(self) -> Document:
        """Return the reference's CompletionUsage object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }
