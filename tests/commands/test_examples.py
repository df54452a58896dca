"""The examples of the help: shown whole in a terminal of 80 columns, and made of options that there are."""

import shlex
from typing import Any

import pytest

from completions_cli.commands.examples import EXAMPLES
from completions_cli.main import app
from tests.command import Cli

_SHELL = {"|", ">", "&&"}


def typed(example: str) -> list[str]:
    """Pick our command and its arguments out of a line of shell."""
    words = shlex.split(example)
    words = words[words.index("completions") + 1 :]
    return words[: next((position for position, word in enumerate(words) if word in _SHELL), None)]


def parse(words: list[str]) -> str:
    """Parse the arguments as the command does, down to the command that would run; give its name."""
    import typer

    context: Any = typer.main.get_command(app).make_context("completions", list(words))
    while hasattr(context.command, "resolve_command"):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return str(context.command_path.removeprefix("completions "))


@pytest.mark.parametrize(
    ("command", "example"), [(name, line) for name, pairs in EXAMPLES.items() for _, line in pairs]
)
def test_an_example_is_a_command_of_the_help_it_stands_in(command: str, example: str) -> None:
    assert parse(typed(example)) == command


@pytest.mark.parametrize("command", ["complete", "config key set", "emulator"])
def test_examples_are_shown_whole_in_80_columns(command: str, cli: Cli) -> None:
    shown = [line.strip() for line in cli.run(*command.split(), "--help", env={"COLUMNS": "80"}).text.splitlines()]
    for purpose, example in EXAMPLES[command]:
        position = shown.index(f"# {purpose}")
        assert shown[position + 1] == example


def test_no_example_is_wider_than_a_terminal() -> None:
    lines = [line for pairs in EXAMPLES.values() for pair in pairs for line in pair]
    assert max(map(len, lines)) <= 78, "80 less the margins"
