"""What is asked of the output of an answer, and what each of its formats does: chunks in, bytes out, nothing else."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from completions_cli.models import Chunk, Finished, Prompt
from completions_cli.settings.table import Format


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How an answer is to look. `echo` is the prompt of each choice by index, or None.

    `tokens` shows the log-probability of each token of a text, in colours or on a line; None shows none.
    """

    format: Format = "text"
    streaming: bool = False
    final_newline: bool = True
    separator: str = "\n"
    echo: Callable[[int], str] | None = None
    choices: int = 1
    tokens: Literal["colored", "lines"] | None = None


class Renderer(Protocol):
    """Shows one answer: chunk by chunk, then its end. An answer that breaks off has `abort` for its end."""

    def chunk(self, chunk: Chunk) -> None:
        """Show what this chunk brings."""

    def finish(self, finished: Finished) -> None:
        """Show the end of a whole answer."""

    def abort(self) -> None:
        """Leave what was shown in good order."""


def echo_of(prompt: Prompt | None, samples: int) -> Callable[[int], str]:
    """Make the function that gives the prompt of a choice, when each prompt was asked `samples` times."""
    prompts = prompt if isinstance(prompt, list) and not isinstance(prompt[0], int) else [prompt]

    def echo(index: int) -> str:
        position = index // samples if len(prompts) > 1 else 0
        item = prompts[position] if 0 <= position < len(prompts) else None
        if item is None:
            return ""
        return item if isinstance(item, str) else json.dumps(item)

    return echo
