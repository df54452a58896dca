"""Writes docs/man/completions.1 from what --help is made of and the README's tables.

With --check it only says whether the page is up to date.
"""

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import typer

from completions_cli.commands import descriptions
from completions_cli.commands.examples import EXAMPLES
from completions_cli.commands.lazy import load
from completions_cli.exit_codes import ExitCode
from completions_cli.main import COMMANDS, app
from completions_cli.version import __version__

README = Path(__file__).parent.parent / "README.md"
PAGE = README.parent / "docs" / "man" / "completions.1"
_COMMON = "Common"

# The command that first has a panel, and the lines of each of its options.
_Shown: TypeAlias = dict[str, tuple[str, list[tuple[str, ...]]]]


def page() -> str:
    """Give the whole page, in man's own language."""
    return "\n".join([*_head(), *_commands(), *_exit_status(), *_environment(), *_files(), *_end()]) + "\n"


def _head() -> Iterator[str]:
    yield f'.TH COMPLETIONS 1 "" "completions {__version__}" "User Commands"'
    yield from (".SH NAME", r"completions \- text completions on the command line")
    yield from (".SH SYNOPSIS", r".B completions", r"\fICOMMAND\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]")
    yield ".SH DESCRIPTION"
    for name, summary in COMMANDS.items():
        yield from (".TP", f".B {name}", _text(summary))


def _commands() -> Iterator[str]:
    shown: _Shown = {}
    root: Any = typer.main.get_command(app).make_context("completions", ["config"])
    yield ".SH COMMANDS"
    for name in COMMANDS:
        yield from _command(root.command.resolve_command(root, [name])[1], name, root, shown)
    yield from (".SH COMMON OPTIONS", "Every command accepts these options.", *itertools.chain(*shown[_COMMON][1]))


def _command(command: Any, name: str, parent: Any, shown: _Shown) -> Iterator[str]:
    context = type(parent)(command, info_name=name.rpartition(" ")[2], parent=parent)
    if hasattr(command, "commands"):
        for verb, below in command.commands.items():
            yield from _command(below, f"{name} {verb}", context, shown)
        return
    arguments = descriptions.arguments(command)
    words = [f"\\fI{_text(descriptions.metavar(argument))}\\fR" for argument in arguments]
    yield from (f".SS {name}", " ".join([rf"\fBcompletions {name}\fR", *words, r"[\fIOPTIONS\fR]"]))
    for paragraph in [*(command.help or "").split("\n\n"), command.epilog]:
        if paragraph:
            yield from (".PP", _text(paragraph))
    for argument in arguments:
        yield from (".TP", rf"\fI{_text(descriptions.metavar(argument))}\fR", _text(descriptions.meaning(argument)))
    yield from _panels(command, name, context, shown)
    yield from _examples(name)
    for verb in getattr(command, "verbs", ()):
        yield from _command(load(command.package, verb), f"{name} {verb}", context, shown)


def _panels(command: Any, name: str, context: Any, shown: _Shown) -> Iterator[str]:
    """Give the options; those that an earlier command has too are only named, the common ones not even that."""
    for title, options in descriptions.panels(command, context).items():
        lines = [tuple(_option(option)) for option in options]
        first, known = shown.setdefault(title, (name, lines))
        if title == _COMMON:
            lines = [line for line in lines if line not in known]
        is_same = first != name and known == lines
        if lines:
            yield from (".PP", rf"\fI{_text(title)}\fR" + (rf": see \fB{first}\fR." if is_same else ""))
        yield from () if is_same else itertools.chain(*lines)


def _option(option: Any) -> Iterator[str]:
    value = rf" \fI{_text(descriptions.metavar(option))}\fR" if descriptions.takes_value(option) else ""
    names = ", ".join(rf"\fB{_text(name)}\fR" for name in sorted(option.opts, key=lambda name: name.startswith("--")))
    yield from (".TP", names + value, _text(descriptions.meaning(option)))


def _examples(name: str) -> Iterator[str]:
    if name in EXAMPLES:
        yield from (".PP", r"\fIExamples\fR", ".PP", *_example_lines(name))


def _example_lines(name: str) -> Iterator[str]:
    yield ".nf"
    for purpose, typed in EXAMPLES[name]:
        yield from (_text(f"# {purpose}"), _text(typed))
    yield ".fi"


def _exit_status() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for code in ExitCode:
        yield from (".TP", f".B {int(code)}", _text(code.meaning))


def _environment() -> Iterator[str]:
    yield from (
        ".SH ENVIRONMENT",
        _text(
            "Options override a profile named with -p. That profile overrides COMPLETIONS_* variables, "
            "and these override the default profile."
        ),
    )
    yield from _table("Environment")


def _files() -> Iterator[str]:
    yield from (".SH FILES", "These are the paths on Linux. Other systems keep them in their own user folders.")
    yield from _table("Files")


def _table(section: str) -> Iterator[str]:
    """Give the rows of a table of the README, the code in it bold."""
    rows = README.read_text(encoding="utf-8").partition(f"## {section}\n")[2].partition("\n## ")[0]
    for name, meaning in re.findall(r"^\| (.+?) \| (.+) \|$", rows, re.MULTILINE)[1:]:
        yield from (".TP", _bold(name), _bold(meaning))


def _bold(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"\\fB\1\\fR", _text(text))


def _end() -> Iterator[str]:
    yield from (".SH EXAMPLES", *_example_lines(""))
    yield from (".SH SEE ALSO", r"\fBcurl\fR(1), \fBjq\fR(1)")


def _text(text: str) -> str:
    """Escape what would mean something to man."""
    escaped = " ".join(text.split()).replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped[:1] in (".", "'") else escaped


def main() -> None:
    """Write the page, or compare it."""
    if "--check" not in sys.argv[1:]:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != page():
        sys.exit(
            "docs/man/completions.1 is not what --help and the README say: run .venv/bin/python scripts/man_page.py"
        )


main()
