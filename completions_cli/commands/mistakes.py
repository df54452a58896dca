"""What is wrong with a command line, in the user's words. No sentence of the parser reaches a user.

All of it is loaded when something is wrong, and only then.
"""

import difflib
import itertools
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from completions_cli.api.parameters import PARAMETERS
from completions_cli.commands import neighbours, pasted
from completions_cli.commands.descriptions import arguments, metavar, takes_value
from completions_cli.errors import UsageError
from completions_cli.quoting import may_be_secret, quoted

_LONGEST_SUGGESTION = 200
_A_PROMPT = "Once upon a time"
_PROGRAM = "completions"
_SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")
_API_WORDS = ("completions", "create", "completions.create")  # as in OpenAI's "api completions.create"
_LONGEST_CALL = 2  # words of a command that lacks its group, as "doctor" does; longer ones may be prompts


class CommandLineError(UsageError):
    """A command line that makes no sense; `usage` is shown above the error."""

    def __init__(self, message: str, *, hint: str, usage: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.usage = usage


def explained(error: Any, context: Any = None) -> UsageError:
    """Put an error of the parser into the user's words; `context` is that of the command that was parsed."""
    context = getattr(error, "ctx", None) or context
    if context is None:
        return UsageError("the command line cannot be understood", hint=f"{_PROGRAM} --help lists the commands.")
    param, name = getattr(error, "param", None), getattr(error, "option_name", None)
    if name is not None:
        return _about_option(context, str(name))
    if param is not None and type(error).__name__ == "MissingParameter":
        return _missing(context, param)
    if param is not None:
        return _wrong_value(context, param)
    return UsageError(f"{_path(context)}: the arguments cannot be understood", hint=_see_help(context))


def no_command(context: Any) -> UsageError:
    """Return the error for a command line without a command."""
    return CommandLineError(
        "no command was given",
        hint=f'For example: {_PROGRAM} complete "{_A_PROMPT}" (without a prompt it reads stdin)',
        usage=context.get_help(),
    )


def unknown_command(context: Any, known: Iterable[str], words: list[str]) -> UsageError:
    """Return which command was probably meant: one that is spelt so, one of another tool's name, or a prompt's."""
    word, path, names = words[0], _path(context), list(known)
    usage = f"Usage: {path} [OPTIONS] COMMAND ..."
    message = f"there is no command {quoted(word)}"
    if may_be_secret(word):
        return CommandLineError(message, hint=neighbours.KEY, usage=usage)
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.7)
    if near and word not in neighbours.commands():
        whole = _did_you_mean([*path.split(), near[0], *words[1:]]).removeprefix("Did you mean: ")
        return CommandLineError(message, hint=f"Did you mean {near[0]}? Run: {whole}", usage=usage)
    if context.parent is not None:
        return CommandLineError(message, hint=f"{path} has {_listed(names)}.", usage=usage)
    if "://" in word:
        hint = f"An endpoint is named with --endpoint: {_PROGRAM} complete --endpoint URL PROMPT"
        return CommandLineError("there is no command that is a URL", hint=hint, usage=usage)
    hint = pasted.long_dash(context, words) or _did_you_mean(_meant(context.command, words))
    return CommandLineError(message, hint=hint, usage=usage)


def _meant(root: Any, words: list[str]) -> list[str]:
    """Return what to type for words that name no command: one below a group, one that is ours, or a prompt's."""
    word, *rest = words
    ours = neighbours.commands().get(word.lower())
    if word == "help" and rest and rest[0] in root.summaries:
        return [_PROGRAM, *rest, "--help"]
    below = next((path for path in _paths(root) if path.split()[1:] == [word]), None)
    if below is not None and (rest or ours is None) and (len(words) <= _LONGEST_CALL or rest[0].startswith("-")):
        return [_PROGRAM, *below.split(), *rest]
    if ours is None or word[0].isupper():
        return _as_prompt(words)
    if ours == "complete":
        if rest and rest[0] in _SHELLS:
            return [_PROGRAM, "--show-completion"]
        return _as_prompt(list(itertools.dropwhile(_API_WORDS.__contains__, rest)) or [_A_PROMPT])
    return [_PROGRAM, *ours.split()]


def too_many(command: Any, context: Any) -> UsageError:
    """Return the error for arguments that are left over."""
    path, extra = _path(context), list(context.args)
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
    takes = f"takes {_listed(names)} and no more" if names else "takes no arguments"
    hint = _see_help(context) if names else f"Run: {path}"
    if path.endswith("config init"):
        hint = f"Name the profile with -p: {path} -p {shlex.quote(extra[0])}"
    return UsageError(f"{path} {takes}: {quoted(extra[0])} is one too many", hint=hint)


def _unquoted(path: str, first: str, extra: list[str]) -> UsageError:
    if len(extra) == 1 and any(map(str.isspace, first)) and _is_file(extra[0]):
        command = f"{path} -f {shlex.quote(extra[0])} --prepend {shlex.quote(first)}"
        return UsageError(f"a file is read with -f, and {quoted(extra[0])} is one", hint=f"Did you mean: {command}")
    if any(may_be_secret(word) for word in extra):
        return UsageError(
            "the prompt is several words without quotes", hint=f'Put the prompt in quotes: {path} "{_A_PROMPT}"'
        )
    whole = " ".join([first, *extra])
    if whole[0] in pasted.CURLY_QUOTES:
        straight = _shown([*path.split(), whole.strip(pasted.CURLY_QUOTES)])
        return UsageError("curly quotes are letters to a shell", hint=f"Type straight ones: {straight}")
    return UsageError(
        "the prompt is several words without quotes",
        hint=f"Put the prompt in quotes: {_shown([*path.split(), whole])}",
    )


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _about_option(context: Any, name: str) -> UsageError:
    """Explain an unknown option, one that lacks its value, or one that takes none."""
    path = _path(context)
    option = next((param for param in context.command.params if name in getattr(param, "opts", ())), None)
    if option is not None and takes_value(option):
        return UsageError(f"{name} needs a value: {name} {metavar(option)}", hint=_see_help(context))
    if option is not None or name in context.help_option_names:
        return UsageError(f"{name} takes no value", hint=f"Write {name} alone.")
    if context.parent is None:
        return _before_the_command(context, name, sys.argv[1:])
    message = f"{path} has no option {name if not may_be_secret(name) else quoted(name)}"
    return UsageError(message, hint=_advice(context, name))


def _before_the_command(context: Any, name: str, words: list[str]) -> UsageError:
    """Explain an option in front of the command: it belongs behind it."""
    if name in ("-V", "-v", "--verbose", "--ver"):
        return CommandLineError(f"{_PROGRAM} has no option {name}", hint=f"The version: {_PROGRAM} --version.")
    if near := difflib.get_close_matches(name, ["--version", "--help"], n=1, cutoff=0.8):
        return CommandLineError(f"{_PROGRAM} has no option {name}", hint=f"Did you mean {near[0]}?")
    known = _advice_for(name, set())
    place = next((number for number, word in enumerate(words) if word in context.command.summaries), None)
    behind = [] if place is None else [_PROGRAM, words[place], *words[:place], *words[place + 1 :]]
    if known is not None:
        return CommandLineError(f"{_PROGRAM} has no option {name}", hint=known)
    return CommandLineError(
        f"options go after the command: {name} is before it", hint=_did_you_mean(behind or _as_prompt(words))
    )


def _advice(context: Any, name: str) -> str:
    """Return what to type instead of an option that the command does not have."""
    options = {spelling for param in context.command.params for spelling in getattr(param, "opts", ())}
    command = context.command.name
    if name in ("--stream", "--streaming"):
        is_stream = command == "stream"
        return "The command stream streams already." if is_stream else f"Use the command: {_PROGRAM} stream PROMPT"
    advice = _advice_for(name, options)
    if advice is not None:
        return advice
    owners = _owners(context.find_root().command, name)
    if owners:
        return f"{name} is an option of {_listed(owners)}."
    near = _nearest(name, options)
    if near is not None:
        return f"Did you mean {near}? {_see_help(context)}"
    dash = " Put -- before a prompt that begins with -." if "--edit" in options else ""
    return _see_help(context) + dash


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
        path for path, command in _commands(root) if any(name in getattr(param, "opts", ()) for param in command.params)
    ]


def _commands(root: Any) -> Iterator[tuple[str, Any]]:
    for name in root.summaries:
        try:
            command = root.load(name)
        except ImportError:  # an extra that is not installed
            continue
        below = getattr(command, "commands", {})
        yield from ((f"{name} {verb}", verb_command) for verb, verb_command in below.items())
        if not below:
            yield name, command


def _paths(root: Any) -> Iterator[str]:
    """Yield the names of all commands, those below a group or a command with its name before them."""
    for path, command in _commands(root):
        yield path
        yield from (f"{path} {verb}" for verb in getattr(command, "verbs", ()))


def _missing(context: Any, param: Any) -> UsageError:
    from completions_cli.commands.examples import EXAMPLES

    path = _path(context)
    typed = [word for word in sys.argv[1:] if "=" in word and not word.startswith("-")]
    if path.endswith("config set") and typed and not may_be_secret(typed[-1]):
        key, _, value = typed[-1].partition("=")
        return UsageError("KEY and VALUE are two words", hint=f"Run: {path} {shlex.quote(key)} {shlex.quote(value)}")
    example = next(iter(EXAMPLES.get(path.removeprefix(f"{_PROGRAM} "), ())), None)
    hint = f"For example: {example[1]}" if example else _see_help(context)
    return UsageError(f"{path} needs {_label(param, context)}", hint=hint)


def _wrong_value(context: Any, param: Any) -> UsageError:
    """Explain a value of the wrong kind, by the option's own words for what it takes."""
    name = _label(param, context)
    return UsageError(f"{name} is not what was expected: {param.help or 'see the help'}", hint=_see_help(context))


def _label(param: Any, context: Any) -> str:
    """Name an option by its long name, and an argument as the help does."""
    if param.param_type_name == "argument":
        return str(metavar(param)).strip("[]").removesuffix("...")
    return str(max(param.opts, key=len))


def _as_prompt(words: list[str]) -> list[str]:
    """Return the command that takes these words for a prompt, and its options for options."""
    at = next((number for number, word in enumerate(words) if word.startswith("-") and len(word) > 1), len(words))
    if at == 0:  # options first: where their values end is anyone's guess
        return [_PROGRAM, "complete", *words]
    return [_PROGRAM, "complete", " ".join(words[:at]), *words[at:]]


def _did_you_mean(words: list[str]) -> str:
    if any(may_be_secret(word) for word in words):
        return neighbours.KEY
    return f"Did you mean: {_shown(words)}"


def _shown(words: list[str]) -> str:
    """Write a command as it would be typed; a long one is cut."""
    text = " ".join(
        f'"{word}"' if " " in word and not set(word) & set('"$`\\!') else shlex.quote(word) for word in words
    )
    return text if len(text) <= _LONGEST_SUGGESTION else f"{text[:_LONGEST_SUGGESTION]}…"


def _on_keys(path: str) -> str:
    if "config key set" in path:
        return "Type the key when asked for it, or pipe it in with --stdin. Others can read the command line."
    return neighbours.KEY


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _path(context: Any) -> str:
    return " ".join(str(context.command_path).split())


def _see_help(context: Any) -> str:
    return f"{_path(context)} --help lists the options."
