"""What users type as text: bytes that are UTF-8, escapes where they are wanted, JSON."""

import json
import os
import re

from completions_cli.errors import UsageError
from completions_cli.models import Json

_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([nrt0\\\"'])|(.?))", re.DOTALL)
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "0": "\0", "\\": "\\", '"': '"', "'": "'"}


def argument(text: str, name: str, *, escapes: bool) -> str:
    """Return text of the command line: checked to be UTF-8, escapes decoded if wanted. Raises UsageError."""
    text = checked(text, name)
    if not escapes:
        return text
    try:
        return unescape(text)
    except UsageError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from error


def checked(text: str, name: str) -> str:
    """Read an argument's bytes as UTF-8 whatever the locale, of which Python made the text. Raises UsageError."""
    try:
        return os.fsencode(text).decode()
    except UnicodeEncodeError:  # no argument of this locale: a default, which is text
        return text
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8: byte {error.start}", hint="Convert it with iconv.") from error


def decoded(content: bytes, name: str) -> str:
    """Read the bytes of a file or a pipe as UTF-8. Raises UsageError that names the first that is none."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}", hint="Convert it with iconv."
        ) from error


def unescape(text: str) -> str:
    r"""Decode \n, \t, \r, \0, \\, \xHH and \uXXXX. Raises UsageError for any other escape."""
    decoded = _ESCAPE.sub(_one_escape, text)
    # Two \u escapes may be the halves of one character.
    joined = decoded.encode("utf-16-le", "surrogatepass")
    try:
        return joined.decode("utf-16-le")
    except UnicodeDecodeError as error:
        raise UsageError(
            r"an escape \uXXXX is half of a surrogate pair", hint="Write both halves, or the character itself."
        ) from error


def _one_escape(found: re.Match[str]) -> str:
    byte, unit, simple, unknown = found.groups()
    if byte or unit:
        return chr(int(byte or unit, 16))
    if simple:
        return _SIMPLE[simple]
    raise UsageError(
        f"unknown escape \\{unknown}", hint=r"Known: \n \t \r \0 \\ \xHH \uXXXX. Write \\ for a backslash."
    )


_FILE_NAME = re.compile(r"[\w./~-]+\.\w{1,8}")


def parse_json(text: str, where: str, *, is_typed: bool) -> Json:
    """Parse JSON that the user typed, or wrote to a file. Raises UsageError, for NaN and Infinity too."""

    def refuse(constant: str) -> Json:
        raise UsageError(f"{where}: {constant} is not JSON", hint="JSON has no NaN and no Infinity.")

    try:
        # Windows' tools begin files with a byte order mark.
        return json.loads(text.removeprefix("\ufeff"), parse_constant=refuse)
    except json.JSONDecodeError as error:
        from completions_cli.api import json_errors

        raise UsageError(
            f"{where}: not valid JSON at line {error.lineno}, column {error.colno}: {json_errors.explained(error.msg)}",
            hint=_as_typed(text, where) if is_typed else f"Correct it in {where}.",
        ) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: JSON too large or nested too deeply", hint="Is it the right file?") from error


def _as_typed(text: str, where: str) -> str:
    if _FILE_NAME.fullmatch(text):
        return f"A file is named with @: {where} @{text}"
    return "Put the JSON in single quotes, so that the shell leaves it alone."
