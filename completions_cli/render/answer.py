"""The answer on its way to stdout: text, json or jsonl. Chunks in, bytes out, nothing else."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from completions_cli.api import wire
from completions_cli.api.assemble import Assembler
from completions_cli.atomic import Destination
from completions_cli.errors import MalformedResponseError, UsageError
from completions_cli.models import Chunk, Finished, Json, Prompt
from completions_cli.streams import visible, visible_json


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """How an answer is to look. `echo` is the prompt of each choice by index, or None.

    `tokens` shows the log-probability of each token of a text, in colours or on a line; None shows none.
    """

    format: str = "text"
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


def renderer(options: AnswerOptions, destination: Destination) -> Renderer:
    """Pick the renderer of a format."""
    if options.format == "json":
        return _Json(destination)
    if options.format == "jsonl":
        return _ChunkLines(destination) if options.streaming else _ChoiceLines(destination)
    if options.tokens is None:
        return _Text(options, destination)
    from completions_cli.render import tokens

    color = options.tokens == "colored"
    if options.echo is not None and not color:
        options = replace(options, echo=tokens.on_lines(options.echo))
    return tokens.Tokens(_Text(options, destination, is_safe=color), color=color)


class _Text:
    """Text as received. One choice at a time is shown as it comes, the others wait for their turn.

    Unless it `is_safe`, nothing in it drives a terminal.
    """

    def __init__(self, options: AnswerOptions, destination: Destination, *, is_safe: bool = False) -> None:
        self._options = options
        self._destination = destination
        self._show: Callable[[str], str] = visible if destination.is_terminal and not is_safe else str
        self._current: int | None = None
        self._waiting: dict[int, list[str]] = {}
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._last = ""  # character of the choice being shown

    def chunk(self, chunk: Chunk) -> None:
        for index, text, reason in chunk.deltas:
            if index == self._current and reason is None:  # as nearly all are
                self._write(self._show(text))
            else:
                self._take(index, text, reason)

    def _take(self, index: int, text: str, reason: str | None) -> None:
        """Add the first piece of a choice, its last, or one of a choice whose turn has not come."""
        if self._current is None and index == 0:
            self._begin(0)
        if index == self._current:
            self._write(self._show(text))
        elif index not in self._begun:
            self._waiting.setdefault(index, []).append(text)
        if reason is not None:
            self._finished.add(index)
        while self._current in self._finished and self._current is not None and self._current + 1 in self._waiting:
            self._begin(self._current + 1)

    def finish(self, finished: Finished) -> None:
        self._flush()
        if self._options.final_newline and not self._last.endswith("\n"):
            self._write("\n")

    def abort(self) -> None:
        self._flush()
        # A prompt of the shell belongs on a line of its own; a pipe gets what came and no more.
        if self._destination.is_terminal:
            self._write(self._line_end())

    def _line_end(self) -> str:
        return "\n" if self._last and not self._last.endswith("\n") else ""

    def _rule(self, index: int) -> str:
        return _rule(index) if self._destination.can_draw else f"choice {index}:\n"

    def _flush(self) -> None:
        for index in sorted(self._waiting):
            self._begin(index)

    def _begin(self, index: int) -> None:
        if self._destination.is_terminal:
            if self._options.choices > 1 or self._begun:
                self._write(self._line_end() + self._rule(index))
        elif self._begun:
            self._write(self._options.separator)
        self._begun.add(index)
        self._current = index
        self._last = ""
        if self._options.echo is not None:
            self._write(self._show(self._options.echo(index)))
        for text in self._waiting.pop(index, ()):
            self._write(self._show(text))

    def _write(self, text: str) -> None:
        if text:
            self._destination.write(text.encode("utf-8", "replace"))
            self._last = text[-1]


class _Json:
    """The response object, one document: the whole answer, or what came of it."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._assembler = Assembler()

    def chunk(self, chunk: Chunk) -> None:
        self._assembler.add(chunk)

    def finish(self, finished: Finished) -> None:
        self._write(self._assembler.response(finished.usage))

    def abort(self) -> None:
        partial = self._assembler.so_far()
        if partial is not None:
            self._write(partial)

    def _write(self, response: Json) -> None:
        write_json(self._destination, response, 2 if self._destination.is_terminal else None)


class _ChoiceLines(_Json):
    """One object per choice, a line each."""

    def _write(self, response: Json) -> None:
        for choice in response["choices"]:
            write_json(self._destination, choice)


class _ChunkLines:
    """Each chunk of a stream as it arrives, a line each."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def chunk(self, chunk: Chunk) -> None:
        write_json(self._destination, chunk.raw)

    def finish(self, finished: Finished) -> None:
        """Every line is already out."""

    def abort(self) -> None:
        """Every line is already whole."""


def write_json(destination: Destination, value: object, indent: int | None = None) -> None:
    """Write what a server sent, as JSON. Raises MalformedResponseError where it cannot be shown as such."""
    try:
        text = wire.dumps(value, indent=indent)
    except UsageError as error:
        raise MalformedResponseError(f"the response cannot be shown as JSON: {error.message}") from error
    destination.write((visible_json(text) if destination.is_terminal else text).encode() + b"\n")


def _rule(index: int) -> str:
    width = min(shutil.get_terminal_size().columns, 80)
    label = f"── choice {index} "
    return label + "─" * max(0, width - len(label)) + "\n"


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
