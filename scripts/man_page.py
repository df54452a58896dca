"""Writes docs/man/completions.1 from what --help is made of; with --check, only says whether it is up to date."""

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from completions_cli.commands.examples import EXAMPLES
from completions_cli.errors import ExitCode
from completions_cli.main import COMMANDS, app
from completions_cli.settings.table import SETTINGS
from completions_cli.version import __version__

PAGE = Path(__file__).parent.parent / "docs" / "man" / "completions.1"
_COMMON = "Common"


def page() -> str:
    """Give the whole page, in man's own language."""
    return "\n".join([*_head(), *_commands(), *_exit_status(), *_environment(), *_files()]) + "\n"


def _head() -> Iterator[str]:
    yield f'.TH COMPLETIONS 1 "" "completions {__version__}" "User Commands"'
    yield from (".SH NAME", r"completions \- text completions from Azure AI Foundry, at the command line")
    yield from (".SH SYNOPSIS", r".B completions", r"\fICOMMAND\fR [\fIOPTIONS\fR] [\fIARGUMENTS\fR]")
    yield ".SH DESCRIPTION"
    for name, summary in COMMANDS.items():
        yield from (".TP", f".B {name}", _text(summary))


def _commands() -> Iterator[str]:
    shown: dict[str, tuple[str, list[str]]] = {}
    root: Any = typer.main.get_command(app).make_context("completions", ["config"])
    yield ".SH COMMANDS"
    for name in COMMANDS:
        yield from _command(root.command.resolve_command(root, [name])[1], name, root, shown)
    yield from (".SH COMMON OPTIONS", "Every command takes these.", *shown[_COMMON][1])


def _command(command: Any, name: str, parent: Any, shown: dict[str, tuple[str, list[str]]]) -> Iterator[str]:  # noqa: ANN401
    context = type(parent)(command, info_name=name.rpartition(" ")[2], parent=parent)
    if hasattr(command, "commands"):
        for verb, below in command.commands.items():
            yield from _command(below, f"{name} {verb}", context, shown)
        return
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    words = [f"\\fI{_text(argument.make_metavar(ctx=context))}\\fR" for argument in arguments]
    yield from (f".SS {name}", " ".join([rf"\fBcompletions {name}\fR", *words, r"[\fIOPTIONS\fR]"]))
    for paragraph in [*(command.help or "").split("\n\n"), _before_examples(command)]:
        if paragraph:
            yield from (".PP", _text(paragraph))
    yield from _panels(command, name, context, shown)
    yield from _examples(name)


def _before_examples(command: Any) -> str:  # noqa: ANN401
    return str(command.epilog or "").partition("[bold]")[0].strip()


def _panels(command: Any, name: str, context: Any, shown: dict[str, tuple[str, list[str]]]) -> Iterator[str]:  # noqa: ANN401
    """Give the options; a panel that an earlier command has too is only named."""
    panels: dict[str, list[str]] = {}
    for param in command.params:
        if param.param_type_name == "option":
            title = getattr(param, "rich_help_panel", None) or "Options"
            panels.setdefault(title, []).extend(_option(param, context))
    for title, lines in panels.items():
        earlier = shown.setdefault(title, (name, lines))
        if title == _COMMON:
            continue
        is_same = earlier[0] != name and earlier[1] == lines
        yield from (".PP", rf"\fI{_text(title)}\fR" + (rf": as of \fB{earlier[0]}\fR." if is_same else ""))
        yield from [] if is_same else lines


def _option(param: Any, context: Any) -> Iterator[str]:  # noqa: ANN401
    switch = getattr(param, "is_flag", False) or getattr(param, "count", False)
    value = "" if switch else rf" \fI{_text(param.make_metavar(ctx=context))}\fR"
    names = ", ".join(rf"\fB{_text(name)}\fR" for name in [*param.opts, *param.secondary_opts])
    yield from (".TP", names + value, _text((param.help or "") + _default(param)))


def _default(param: Any) -> str:  # noqa: ANN401
    default = param.default.value if isinstance(param.default, Enum) else param.default
    is_told = param.show_default and isinstance(default, str | int | float) and not isinstance(default, bool)
    return f" (default {default})" if is_told and default != "" else ""


def _examples(name: str) -> Iterator[str]:
    if name in EXAMPLES:
        yield from (".PP", r"\fIExamples\fR", ".PP", ".nf")
        for purpose, typed in EXAMPLES[name]:
            yield from (_text(f"# {purpose}"), _text(typed))
        yield ".fi"


def _exit_status() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for code in ExitCode:
        yield from (".TP", f".B {int(code)}", _text(code.meaning))


def _environment() -> Iterator[str]:
    yield from (".SH ENVIRONMENT", "Options win over these, these over a profile.")
    for name, setting in SETTINGS.items():
        if setting.variable:
            yield from (".TP", f".B {setting.variable}", _text(f"The setting {name}."))
    yield from (".TP", ".B COMPLETIONS_API_KEY", "The key.")
    yield from (".TP", ".B COMPLETIONS_API_KEY_FILE", "A file whose content is the key.")
    yield from (".TP", ".B COMPLETIONS_PROFILE", "The profile.")
    yield from (".TP", ".B COMPLETIONS_CONFIG", "The profile file.")


def _files() -> Iterator[str]:
    yield from (".SH FILES", "completions/completions.toml in the user's configuration folder holds the profiles;")
    yield _text("`completions config path` prints where that is. Keys are kept in the system's keyring.")


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
        sys.exit("docs/man/completions.1 is not what --help says: run .venv/bin/python scripts/man_page.py")


main()
