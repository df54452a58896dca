"""Detects the delimiter of a table from its first line."""

import csv
import re
from collections.abc import Collection

_KNOWN = (",", ";", "\t")
_STATED = re.compile(r"sep=(.)\s*", re.IGNORECASE)


def found(line: str, wanted: Collection[str]) -> str | None:
    """Return the delimiter under which a header has all the columns wanted; None when there is none."""
    return next((sign for sign in _KNOWN if set(wanted) <= set(cells(line, sign))), None)


def guessed(line: str, wanted: Collection[str]) -> str:
    """Return the delimiter of a header: the one that gives the columns wanted, else the most columns."""
    return found(line, wanted) or max(_KNOWN, key=lambda sign: len(cells(line, sign)))


def unusual(header: Collection[str], wanted: Collection[str]) -> str | None:
    """Return another sign that would part a header of one column so that it has all the columns wanted."""
    line = next(iter(header)) if len(header) == 1 else ""
    signs = dict.fromkeys(sign for sign in line if not sign.isalnum() and sign not in "_-\"'")
    return next((sign for sign in signs if set(wanted) <= set(cells(line, sign))), None)


def stated(line: str) -> str | None:
    """Return the delimiter in a first line such as `sep=;`, which spreadsheets write; None for any other line."""
    match = _STATED.fullmatch(line)
    return match[1] if match else None


def cells(line: str, delimiter: str) -> list[str]:
    """Split a header."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []
