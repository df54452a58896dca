"""The values of single options of a batch, read from what was typed. All raise UsageError."""

import csv
import re
from typing import TypeVar

from completions_cli.batch.budget import ErrorLimit
from completions_cli.batch.cluster import bounds
from completions_cli.commands.prompt_source import read_text
from completions_cli.commands.typed_text import argument
from completions_cli.commands.values import one_of
from completions_cli.errors import UsageError
from completions_cli.quoting import quoted
from completions_cli.settings.numbers import OPTIONS

_Word = TypeVar("_Word", bound=str)


def template(text: str, *, escapes: bool) -> str:
    """Read --template: the text itself, or @FILE without the newline at its end."""
    if not text.startswith("@"):
        return argument(text, "--template", escapes=escapes)
    return read_text(text[1:]).removesuffix("\n").removesuffix("\r")


def names(text: str, option: str) -> frozenset[str]:
    """Read names with commas between: a record of CSV, for names that have commas in them."""
    try:
        names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error:  # a line break outside quotes
        names = []
    if not names or not all(names):
        raise UsageError(f"{option} is a list of names, not {quoted(text)}", hint=f"For example: {option} seed,stop.")
    return frozenset(names)


def delimiter(text: str | None) -> str | None:
    """Read --delimiter: one character, or a word for what is hard to type."""
    sign = {"\\t": "\t", "tab": "\t"}.get(text or "", text)
    if sign is not None and (len(sign) != 1 or sign in '"\r\n'):
        raise UsageError(
            f"--delimiter must be one character, not {quoted(sign)}", hint="For example: --delimiter ';' or tab."
        )
    return sign


def workers(text: str | None) -> bounds.Bounds:
    """Read --workers: MIN:MAX, or one number."""
    try:
        return bounds.parse(text) if text is not None else bounds.Bounds()
    except ValueError:
        raise UsageError(f"--workers {text!r} is not a number of workers", hint="For example: 2:8, :8 or 4.") from None


def in_flight(text: str) -> int | None:
    """Read -j; None is auto."""
    if text == "auto":
        return None
    try:
        return int(OPTIONS["--concurrency"].parse(text))
    except ValueError as error:
        raise UsageError(
            f"-j must be auto or {error}, not {quoted(text)}", hint="auto finds the best number."
        ) from error


def shard(text: str | None) -> tuple[int, int]:
    """Read --shard as (index, count); unsaid, everything is one shard."""
    if text is None:
        return 0, 1
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
    if not found or int(found[1]) >= int(found[2]):
        raise UsageError(
            f"--shard {quoted(text)} is not I/N with I from 0 to N-1", hint="The first of four shards is --shard 0/4."
        )
    return int(found[1]), int(found[2])


def error_limit(text: str | None) -> ErrorLimit | None:
    """Read --max-errors: a number of rows, or a share of them."""
    if text is None:
        return None
    share = re.fullmatch(r"(\d{1,3}(?:\.\d{1,9})?)%", text, re.ASCII)
    if share and float(share[1]) <= 100:  # noqa: PLR2004 - per cent
        return ErrorLimit(share=float(share[1]) / 100)
    limit = OPTIONS["--max-errors"]
    try:
        return ErrorLimit(count=int(limit.parse(text)))
    except ValueError as error:
        raise UsageError(
            f"--max-errors must be {limit.words}, or a percentage up to 100%; not {quoted(text)}",
            hint="For example: 10 or 5%.",
        ) from error


def word(name: str, text: str | None, words: tuple[_Word, ...]) -> _Word | None:
    """Read an option that is one of some words, or was not given."""
    return None if text is None else one_of(name, words)(text)
