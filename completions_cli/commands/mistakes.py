"""What is wrong with a command line, in the user's words. No sentence of the parser reaches a user.

All of it is loaded when something is wrong, and only then.
"""

import difflib
import itertools
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from completions_cli.api.parameters import PARAMETERS
from completions_cli.commands import neighbours, pasted
from completions_cli.commands.descriptions import arguments, metavar
from completions_cli.commands.option_mistakes import about_option
from completions_cli.commands.suggestions import (
    A_PROMPT,
    PROGRAM,
    CommandLineError,
    as_prompt,
    command_paths,
    did_you_mean,
    listed,
    path_of,
    see_help,
    shown,
)
from completions_cli.errors import UsageError
from completions_cli.quoting import may_be_secret, quoted

_SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_API_WORDS = ("completions", "create", "completions.create")  # as in OpenAI's "api completions.create"
_LONGEST_CALL = 2  # words of a command that lacks its group, as "doctor" does; longer ones may be prompts


def explained(error: Any, context: Any = None) -> UsageError:
    """Put an error of the parser into the user's words; `context` is that of the command that was parsed."""
    context = getattr(error, "ctx", None) or context
    if context is None:
        return UsageError("the command line cannot be understood", hint=f"{PROGRAM} --help lists the commands.")
    param, name = getattr(error, "param", None), getattr(error, "option_name", None)
    if name is not None:
        return about_option(context, str(name))
    if param is not None and type(error).__name__ == "MissingParameter":
        return _missing(context, param)
    if param is not None:
        return _wrong_value(context, param)
    return UsageError(f"{path_of(context)}: the arguments cannot be understood", hint=see_help(context))


def no_command(context: Any) -> UsageError:
    """Return the error for a command line without a command."""
    return CommandLineError(
        "no command was given",
        hint=f'For example: {PROGRAM} complete "{A_PROMPT}" (without a prompt it reads stdin)',
        usage=context.get_help(),
    )


def unknown_command(context: Any, known: Iterable[str], words: list[str]) -> UsageError:
    """Return which command was probably meant: one that is spelt so, one of another tool's name, or a prompt's."""
    word, path, names = words[0], path_of(context), list(known)
    usage = f"Usage: {path} [OPTIONS] COMMAND ..."
    message = f"there is no command {quoted(word)}"
    if may_be_secret(word):
        return CommandLineError(message, hint=neighbours.KEY, usage=usage)
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.7)
    if near and word not in neighbours.commands():
        whole = did_you_mean([*path.split(), near[0], *words[1:]]).removeprefix("Did you mean: ")
        return CommandLineError(message, hint=f"Did you mean {near[0]}? Run: {whole}", usage=usage)
    if context.parent is not None:
        return CommandLineError(message, hint=f"{path} has {listed(names)}.", usage=usage)
    if "://" in word:
        hint = f"An endpoint is named with --endpoint: {PROGRAM} complete --endpoint URL PROMPT"
        return CommandLineError("there is no command that is a URL", hint=hint, usage=usage)
    hint = pasted.long_dash(context, words) or did_you_mean(_meant(context.command, words))
    return CommandLineError(message, hint=hint, usage=usage)


def _meant(root: Any, words: list[str]) -> list[str]:
    """Return what to type for words that name no command: one below a group, one that is ours, or a prompt's."""
    word, *rest = words
    ours = neighbours.commands().get(word.lower())
    if word == "help" and rest and rest[0] in root.summaries:
        return [PROGRAM, *rest, "--help"]
    below = next((path for path in command_paths(root) if path.split()[1:] == [word]), None)
    if below is not None and (rest or ours is None) and (len(words) <= _LONGEST_CALL or rest[0].startswith("-")):
        return [PROGRAM, *below.split(), *rest]
    if ours is None or word[0].isupper():
        return as_prompt(words)
    if ours == "complete":
        if rest and rest[0] in _SHELLS:
            return [PROGRAM, "--show-completion"]
        return as_prompt(list(itertools.dropwhile(_API_WORDS.__contains__, rest)) or [A_PROMPT])
    return [PROGRAM, *ours.split()]


def too_many(command: Any, context: Any) -> UsageError:
    """Return the error for arguments that are left over."""
    path, extra = path_of(context), list(context.args)
    typed = [str(value) for value in (context.params.get(param.name) for param in arguments(command)) if value]
    if long_dash := pasted.long_dash(context, [*typed, *extra]):
        return UsageError(f"{path}: an option begins with a long dash", hint=long_dash)
    own = [param for param in arguments(command) if context.params.get(param.name) is not None]
    if own and own[0].name == "prompt":
        if context.params.get("output") in PARAMETERS:
            return UsageError("-o names a file, not a parameter", hint="Parameters are options: -t 0.7, -M 100.")
        return _unquoted(path, str(context.params["prompt"]), extra)
    if "config key" in path or any(may_be_secret(word) for word in extra):
        return UsageError(f"{path} takes no key as an argument", hint=_on_keys(path))
    names = [_label(param, context) for param in arguments(command)]
    takes = f"takes {listed(names)} and no more" if names else "takes no arguments"
    hint = see_help(context) if names else f"Run: {path}"
    if path.endswith("config init"):
        hint = f"Name the profile with -p: {path} -p {shlex.quote(extra[0])}"
    return UsageError(f"{path} {takes}: {quoted(extra[0])} is one too many", hint=hint)


def _unquoted(path: str, first: str, extra: list[str]) -> UsageError:
    if len(extra) == 1 and any(map(str.isspace, first)) and _is_file(extra[0]):
        command = f"{path} -f {shlex.quote(extra[0])} --prepend {shlex.quote(first)}"
        return UsageError(f"a file is read with -f, and {quoted(extra[0])} is one", hint=f"Did you mean: {command}")
    if any(may_be_secret(word) for word in extra):
        return UsageError(
            "the prompt is several words without quotes", hint=f'Put the prompt in quotes: {path} "{A_PROMPT}"'
        )
    whole = " ".join([first, *extra])
    if whole[0] in pasted.CURLY_QUOTES:
        straight = shown([*path.split(), whole.strip(pasted.CURLY_QUOTES)])
        return UsageError("curly quotes are letters to a shell", hint=f"Type straight ones: {straight}")
    return UsageError(
        "the prompt is several words without quotes",
        hint=f"Put the prompt in quotes: {shown([*path.split(), whole])}",
    )


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _missing(context: Any, param: Any) -> UsageError:
    from completions_cli.commands.examples import EXAMPLES

    path = path_of(context)
    typed = [word for word in sys.argv[1:] if "=" in word and not word.startswith("-")]
    if path.endswith("config set") and typed and not may_be_secret(typed[-1]):
        key, _, value = typed[-1].partition("=")
        return UsageError("KEY and VALUE are two words", hint=f"Run: {path} {shlex.quote(key)} {shlex.quote(value)}")
    example = next(iter(EXAMPLES.get(path.removeprefix(f"{PROGRAM} "), ())), None)
    hint = f"For example: {example[1]}" if example else see_help(context)
    return UsageError(f"{path} needs {_label(param, context)}", hint=hint)


def _wrong_value(context: Any, param: Any) -> UsageError:
    """Explain a value of the wrong kind, by the option's own words for what it takes."""
    name = _label(param, context)
    return UsageError(f"{name} is not what was expected: {param.help or 'see the help'}", hint=see_help(context))


def _label(param: Any, context: Any) -> str:
    """Name an option by its long name, and an argument as the help does."""
    if param.param_type_name == "argument":
        return str(metavar(param)).strip("[]").removesuffix("...")
    return str(max(param.opts, key=len))


def _on_keys(path: str) -> str:
    if "config key set" in path:
        return "Type the key when asked for it, or pipe it in with --stdin. Others can read the command line."
    return neighbours.KEY
