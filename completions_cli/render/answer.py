"""The options of an answer's output, and what the renderer of each format does: chunks in, bytes out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from completions_cli.models import Chunk, Finished, Prompt
from completions_cli.settings.table import Format


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How an answer is shown. `echo` returns the prompt of a choice by its index, or is None.

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
    """Shows one answer: chunk by chunk, then its end, which is `abort` for an answer that breaks off."""

    def chunk(self, chunk: Chunk) -> None:
        """Show the content of a chunk."""

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
