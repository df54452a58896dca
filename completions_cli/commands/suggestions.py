"""What to type instead of a command line that makes no sense."""

import shlex
from collections.abc import Iterator
from typing import Any

from completions_cli.commands import neighbours
from completions_cli.errors import UsageError
from completions_cli.quoting import may_be_secret

_LONGEST_SUGGESTION = 200
A_PROMPT = "Once upon a time"
PROGRAM = "completions"


class CommandLineError(UsageError):
    """A command line that makes no sense; `usage` is shown above the error."""

    def __init__(self, message: str, *, hint: str, usage: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.usage = usage


def commands(root: Any) -> Iterator[tuple[str, Any]]:
    """Yield each command with its path, such as `config show`."""
    for name in root.summaries:
        try:
            command = root.load(name)
        except ImportError:  # an extra that is not installed
            continue
        below = getattr(command, "commands", {})
        yield from ((f"{name} {verb}", verb_command) for verb, verb_command in below.items())
        if not below:
            yield name, command


def command_paths(root: Any) -> Iterator[str]:
    """Yield the names of all commands, those below a group or a command with its name before them."""
    for path, command in commands(root):
        yield path
        yield from (f"{path} {verb}" for verb in getattr(command, "verbs", ()))


def as_prompt(words: list[str]) -> list[str]:
    """Return the command that takes these words for a prompt, and its options for options."""
    at = next((number for number, word in enumerate(words) if word.startswith("-") and len(word) > 1), len(words))
    if at == 0:  # options first: where their values end is anyone's guess
        return [PROGRAM, "complete", *words]
    return [PROGRAM, "complete", " ".join(words[:at]), *words[at:]]


def did_you_mean(words: list[str]) -> str:
    """Return the hint with the command to type; it repeats no secret."""
    if any(may_be_secret(word) for word in words):
        return neighbours.KEY
    return f"Did you mean: {shown(words)}"


def shown(words: list[str]) -> str:
    """Write a command as it would be typed; a long one is cut."""
    text = " ".join(
        f'"{word}"' if " " in word and not set(word) & set('"$`\\!') else shlex.quote(word) for word in words
    )
    return text if len(text) <= _LONGEST_SUGGESTION else f"{text[:_LONGEST_SUGGESTION]}…"


def listed(words: list[str]) -> str:
    """Return words as a list within a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def path_of(context: Any) -> str:
    """Return the words that call the command of a context."""
    return " ".join(str(context.command_path).split())


def see_help(context: Any) -> str:
    """Return the hint that names the help of the command."""
    return f"{path_of(context)} --help lists the options."
