"""What is wrong with an option: it is unknown, misplaced, or lacks its value."""

import difflib
import sys
from typing import Any

from completions_cli.commands import neighbours
from completions_cli.commands.descriptions import metavar, takes_value
from completions_cli.commands.suggestions import (
    PROGRAM,
    CommandLineError,
    as_prompt,
    commands,
    did_you_mean,
    listed,
    path_of,
    see_help,
)
from completions_cli.errors import UsageError
from completions_cli.quoting import may_be_secret, quoted


def about_option(context: Any, name: str) -> UsageError:
    """Explain an unknown option, one that lacks its value, or one that takes none."""
    path = path_of(context)
    option = next((param for param in context.command.params if name in getattr(param, "opts", ())), None)
    if option is not None and takes_value(option):
        return UsageError(f"{name} needs a value: {name} {metavar(option)}", hint=see_help(context))
    if option is not None or name in context.help_option_names:
        return UsageError(f"{name} takes no value", hint=f"Write {name} alone.")
    if context.parent is None:
        return _before_the_command(context, name, sys.argv[1:])
    message = f"{path} has no option {name if not may_be_secret(name) else quoted(name)}"
    return UsageError(message, hint=_advice(context, name))


def _before_the_command(context: Any, name: str, words: list[str]) -> UsageError:
    """Explain an option in front of the command: it belongs behind it."""
    if name in ("-V", "-v", "--verbose", "--ver"):
        return CommandLineError(f"{PROGRAM} has no option {name}", hint=f"The version: {PROGRAM} --version.")
    if near := difflib.get_close_matches(name, ["--version", "--help"], n=1, cutoff=0.8):
        return CommandLineError(f"{PROGRAM} has no option {name}", hint=f"Did you mean {near[0]}?")
    known = _advice_for(name, set())
    place = next((number for number, word in enumerate(words) if word in context.command.summaries), None)
    behind = [] if place is None else [PROGRAM, words[place], *words[:place], *words[place + 1 :]]
    if known is not None:
        return CommandLineError(f"{PROGRAM} has no option {name}", hint=known)
    return CommandLineError(
        f"options go after the command: {name} is before it", hint=did_you_mean(behind or as_prompt(words))
    )


def _advice(context: Any, name: str) -> str:
    """Return what to type instead of an option that the command does not have."""
    options = {spelling for param in context.command.params for spelling in getattr(param, "opts", ())}
    command = context.command.name
    if name in ("--stream", "--streaming"):
        is_stream = command == "stream"
        return "The command stream streams already." if is_stream else f"Use the command: {PROGRAM} stream PROMPT"
    advice = _advice_for(name, options)
    if advice is not None:
        return advice
    owners = _owners(context.find_root().command, name)
    if owners:
        return f"{name} is an option of {listed(owners)}."
    near = _nearest(name, options)
    if near is not None:
        return f"Did you mean {near}? {see_help(context)}"
    dash = " Put -- before a prompt that begins with -." if "--edit" in options else ""
    return see_help(context) + dash


def _advice_for(name: str, options: set[str]) -> str | None:
    known = neighbours.options()
    rows = known.get(name) or known.get(_plain(name)) or {}
    return next((text for needed, text in rows.items() if not needed or needed in options), None)


def _plain(name: str) -> str:
    return name.replace("_", "-").lower() if name.startswith("--") else name


def _nearest(name: str, options: set[str]) -> str | None:
    if not name.startswith("--"):
        return next((option for option in options if option == name.swapcase()), None)
    plain = _plain(name)
    if plain in options:
        return plain
    if len(starts := [option for option in options if option.startswith(plain)]) == 1:
        return starts[0]
    return next(iter(difflib.get_close_matches(plain, sorted(options), n=1, cutoff=0.75)), None)


def _owners(root: Any, name: str) -> list[str]:
    """Name the commands that have an option of this name."""
    return [
        path for path, command in commands(root) if any(name in getattr(param, "opts", ()) for param in command.params)
    ]
