"""Option values that typer's own types do not cover: parsed, or refused with a word on what was expected."""

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import typer

from completions_cli.errors import UsageError
from completions_cli.models import Json
from completions_cli.quoting import quoted
from completions_cli.settings.numbers import OPTIONS, Number, NumberError

_Word = TypeVar("_Word", bound=str)
_RESERVED = {
    "prompt": "Give the prompt as PROMPT, -f or stdin.",
    "stream": "Use the command `stream` to stream.",
    "model": "Use -m/--model.",
}

# What a shell takes literally: it puts a completed word into the command line as it is.
_PLAIN = re.compile(r"\w[\w.:/@+-]*").fullmatch


def number(option: str, kind: Number | None = None) -> Callable[[Any], Json]:
    """Return the parser of an option that is a number: of the table, if no `kind` is given.

    What it reads goes on the wire as it was typed: 0 stays 0, not 0.0.
    """
    chosen = OPTIONS[option] if kind is None else kind

    def parse(text: str | float) -> Json:
        if not isinstance(text, str):  # the default
            return text
        try:
            return chosen.parse(text)
        except NumberError as error:
            hint = error.hint or f"Correct {option}, or leave it out."
            if text[:1] == "=":
                hint = f"Leave out the =, or write {option}{text}"
            if text[:1] == "-" and text[1:2].isalpha():
                hint = f"Its value is missing: {text} is the next option."
            raise UsageError(f"{option} must be {error}, not {quoted(text)}", hint=hint) from error

    return parse


def one_of(option: str, known: Iterable[_Word], hint: str | None = None) -> Callable[[str], _Word]:
    """Return the parser of an option that takes one of some words; the hint names the nearest, unless it is given."""
    words = {str(word): word for word in known}

    def parse(text: str) -> _Word:
        if text in words:
            return words[text]
        import difflib

        *others, last = words
        near = difflib.get_close_matches(text, words, n=1, cutoff=0.5)
        advice = f"Did you mean {near[0]!r}?" if near else f"Correct {option}, or leave it out."
        message = f"{option} must be {', '.join(others)} or {last}, not {quoted(text)}"
        raise UsageError(message, hint=hint or advice)

    return parse


def extras(items: Iterable[str], documented: Iterable[str], read_text: Callable[[str], str]) -> dict[str, Json]:
    """Parse `-x` items into extra parameters, dots nesting. `read_text` reads a file for `@FILE`.

    Raises UsageError, also for a parameter that has an option of its own.
    """
    found: dict[str, Json] = {}
    for item in items:
        path, value = _extra(item, read_text)
        if path[0] in documented:
            option = _RESERVED.get(path[0], f"Use --{path[0].replace('_', '-')}.")
            raise UsageError(f"{path[0]} is not an extra parameter", hint=option)
        table = found
        for name in path[:-1]:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise UsageError(
                    f"-x {'.'.join(path)}: {name} already has a value that is not an object",
                    hint=f"Give {name} once, or only with dots.",
                )
        table[path[-1]] = value
    return found


def _extra(item: str, read_text: Callable[[str], str]) -> tuple[list[str], Json]:
    name, equals, text = item.partition("=")
    is_json = name.endswith(":")
    path = name.removesuffix(":").split(".")
    if not equals or not all(path):
        raise UsageError(
            f"-x {item!r} is not an extra parameter",
            hint="Write k=text, k:=json, k=@FILE or k:=@FILE; a.b:=1 nests.",
        )
    where, is_typed = f"-x {name.removesuffix(':')}", not text.startswith("@")
    if not is_typed:
        where, text = text[1:], read_text(text[1:])
    if not is_json:
        return path, text
    from completions_cli.commands.typed_text import parse_json

    return path, parse_json(text, where, is_typed=is_typed)


def complete_profile(incomplete: str) -> list[str]:
    """List the profiles whose names start so, for the shell's tab completion.

    Shells put what they are offered on the command line, some of them unquoted: a name that means more to a shell than
    its letters is for its owner to type.
    """
    import os

    from completions_cli.errors import CompletionsError
    from completions_cli.settings import profile_check, profile_file

    try:
        path, _ = profile_file.default_path(os.environ)
        names = [*profile_file.read(path, must_exist=False).profiles, profile_check.BUILT_IN]
    except CompletionsError:
        names = [profile_check.BUILT_IN]
    return sorted({name for name in names if name.startswith(incomplete) and _PLAIN(name)})


def complete_model(ctx: typer.Context, incomplete: str) -> list[str]:
    """List the models whose names start so, as `completions models` saw them within the last day; asks no server."""
    from completions_cli.errors import CompletionsError
    from completions_cli.settings import model_cache, profile_file
    from completions_cli.settings.layers import Flags
    from completions_cli.settings.resolve import resolve

    typed = ctx.params
    given = {name: typed[name] for name in ("endpoint", "api_version") if typed.get(name)}
    try:
        file = profile_file.find(typed.get("config"), ctx.obj.environ, may_wait=False)
        endpoint = resolve(
            Flags(profile=next(iter(typed.get("profiles") or ()), None), settings=given), ctx.obj.environ, file
        ).endpoint
    except CompletionsError:
        return []
    if endpoint is None:
        return []
    return [name for name in model_cache.read(endpoint.listing.url) if name.startswith(incomplete) and _PLAIN(name)]
