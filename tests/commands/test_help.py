"""The help: plain lines that fit a terminal, and examples made of options that there are."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

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
    context: Any = typer.main.get_command(app).make_context("completions", list(words))
    while hasattr(context.command, "resolve_command"):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    return str(context.command_path.removeprefix("completions "))


def pages() -> Iterator[tuple[str, str, bool]]:
    """Give every command's name and its help in 80 columns, and whether it is a group."""
    yield from _pages(typer.main.get_command(app).make_context("completions", ["-"], resilient_parsing=True), [])


def _pages(context: Any, words: list[str]) -> Iterator[tuple[str, str, bool]]:
    command = context.command
    is_group = hasattr(command, "list_commands")
    yield " ".join(words), context.get_help(), is_group
    for name in command.list_commands(context) if is_group else ():
        below = command.resolve_command(context, [name])[1]
        yield from _pages(type(context)(below, info_name=name, parent=context), [*words, name])
    for name in getattr(command, "verbs", ()):
        yield from _pages(
            command.make_context(words[-1], [name], context.parent, resilient_parsing=True), [*words, name]
        )


@pytest.fixture(scope="module")
def every_page() -> list[tuple[str, str, bool]]:
    return list(pages())


def test_every_command_has_examples_and_no_other_has(every_page: list[tuple[str, str, bool]]) -> None:
    assert {name for name, _, is_group in every_page if not is_group} | {""} == set(EXAMPLES)
    assert len(every_page) > 20


def test_help_is_plain_lines_that_fit_and_have_one_style(every_page: list[tuple[str, str, bool]]) -> None:
    for name, page, _ in every_page:
        assert page.isascii(), "code pages of Windows know no more"
        assert "\x1b" not in page
        assert max(map(len, page.splitlines())) <= 80, name
        assert "[default" not in page
        assert "<str>" not in page
        assert page.splitlines()[0].startswith(f"Usage: {f'completions {name}'.strip()} [OPTIONS]")


def test_every_option_stands_in_the_help_with_its_value(cli: Cli) -> None:
    shown = cli.run("complete", "--help", env={"COLUMNS": "80"}).text
    assert "  -M, --max-tokens N              Maximum tokens to generate. (default 256)\n" in shown
    assert "\n      --seed N " in shown
    assert "\nConnection:\n      --endpoint URL " in shown


def test_headings_are_bold_where_there_are_colours(cli: Cli) -> None:
    assert b"\x1b[1mCommands\x1b[0m:" in cli.run("--help", env={"FORCE_COLOR": "1"}).stdout
    assert b"\x1b" not in cli.run("--help").stdout


@pytest.mark.parametrize("group", ["config", "config key", "local"])
def test_a_group_alone_shows_its_help(group: str, cli: Cli) -> None:
    bare, asked = cli.run(*group.split()), cli.run(*group.split(), "--help")
    assert (bare.code, bare.stderr) == (0, "")
    assert bare.stdout == asked.stdout


@pytest.mark.parametrize(
    ("command", "example"), [(name, line) for name, pairs in EXAMPLES.items() if name for _, line in pairs]
)
def test_an_example_is_a_command_of_the_help_it_stands_in(command: str, example: str) -> None:
    assert parse(typed(example)) == command


@pytest.mark.parametrize("example", [line for _, line in EXAMPLES[""]])
def test_an_example_of_the_top_is_a_command(example: str) -> None:
    if "--help" not in example:
        assert parse(typed(example)) in EXAMPLES


@pytest.mark.parametrize("command", ["", "complete", "config key set", "emulator"])
def test_examples_are_shown_whole_in_80_columns(command: str, cli: Cli) -> None:
    shown = [line.strip() for line in cli.run(*command.split(), "--help", env={"COLUMNS": "80"}).text.splitlines()]
    for purpose, example in EXAMPLES[command]:
        position = shown.index(f"# {purpose}")
        assert shown[position + 1] == example


def test_no_example_is_wider_than_a_terminal() -> None:
    lines = [line for pairs in EXAMPLES.values() for pair in pairs for line in pair]
    assert max(map(len, lines)) <= 78, "80 less the margins"


@pytest.mark.parametrize(
    ("command", "hidden"),
    [
        ("batch export", "-p --config -v"),
        ("batch merge", "-p --config -v"),
        ("batch status", "-p --config -v"),
        ("local status", "-p --config -v"),
        ("emulator", "-p --config"),
        ("config list", "-p -v"),
        ("config path", "-p -v"),
        ("config set", "-v"),
        ("config key status", "-v"),
    ],
)
def test_help_leaves_out_common_options_that_mean_nothing(command: str, hidden: str, cli: Cli) -> None:
    text = cli.run(*command.split(), "--help").text
    shown = set(re.findall(r"(?<![\w-])--?[a-z]+", text[text.index("\nCommon:") :].partition("\nExamples:")[0]))
    assert {"-p", "--config", "-v"} - set(hidden.split()) == {"-p", "--config", "-v"} & shown


def test_hidden_options_are_accepted_all_the_same(cli: Cli) -> None:
    assert cli.run("config", "path", "-p", "x", "-v").code == 0
    assert cli.run("local", "status", "-p", "x", "--config", "/nowhere", "-v").code == 0
