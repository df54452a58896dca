"""What is wrong with TOML, in the user's words: the library speaks of namespaces and statements."""

import ast
import re
import sys

_NO_NEED = "No setting needs that."
_TEXT = 'Put text in quotes, as in endpoint = "https://NAME.example".'
_LINE = "Write one key and its value per line, as in timeout = 300."
_QUOTES = 'Close it with a quote, or put text with quotes in it between """ and """.'
_BACKSLASH = "Write \\\\ for a backslash, or use single quotes."

# The library's reasons, by how they begin; what is wrong; what to do.
_REASONS = (
    ("Invalid value", "Invalid value: neither text in quotes nor a number, array or table", _TEXT),
    ("Expected '=' after", "a key without = and a value", _LINE),
    ("Invalid statement", "neither a table nor a key with a value", _LINE),
    ("Expected newline or end", "something follows the value", _LINE),
    ("Invalid initial character", "a key is missing, or begins with a character that is not allowed", _LINE),
    ("Expected ']]' at", "Expected ']]' to close the brackets of a table", "Write [profiles.NAME]."),
    ("Expected ']' at", "Expected ']' to close the bracket of a table", "Write [profiles.NAME]."),
    ("Unterminated string", "text without its closing quote", _QUOTES),
    ("Unescaped '\\'", "an unknown escape in text", _BACKSLASH),
    ("Escaped character", "an escape that is not a character", _BACKSLASH),
    ("Invalid hex value", "an escape without its hexadecimal digits", _BACKSLASH),
    ("Illegal character '\\n'", "text without its closing quote", _QUOTES),
    ("Illegal character", "a line end or control character within text", _QUOTES),
    ("Found invalid character", "a control character", "Delete it."),
    ("Unclosed array", "an array without its closing ]", 'For example: key_command = ["pass", "show", "team"].'),
    ("Unclosed inline table", "a table in braces without its closing }", "Write it as [profiles.NAME.params] instead."),
    ("Invalid date or datetime", "a date that does not exist", _TEXT),
    ("Cannot overwrite a value", "a key that appears twice", "Delete one of them."),
    ("Duplicate inline table key", "a key that appears twice", "Delete one of them."),
)
_POSITION = re.compile(r"(?P<reason>.*) \(at line (?P<line>\d+), column (?P<column>\d+)\)", re.DOTALL)
_AT_END = " (at end of document)"
_TWICE = re.compile(r"Cannot (?:declare|redefine namespace|mutate immutable namespace) (?P<key>\(.*\))(?: twice)?")


def located(error: ValueError, text: str) -> tuple[str, str, str]:
    """Return where a text is no TOML, as LINE:COLUMN, what is wrong there and what to do."""
    import tomllib

    reason = str(error)
    found = _POSITION.fullmatch(reason)
    if not isinstance(error, tomllib.TOMLDecodeError):  # Python turns no more digits than so many into a number
        digits = re.search(rf"\d(?:_?\d){{{sys.get_int_max_str_digits()},}}", text)
        return _place(text[: digits.start()] if digits else text), "a number with too many digits", _NO_NEED
    if found:
        return f"{found['line']}:{found['column']}", *explained(found["reason"])
    return _place(text), *explained(reason.removesuffix(_AT_END))


def _place(before: str) -> str:
    """Return line and column of what follows a text."""
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def explained(reason: str) -> tuple[str, str]:
    """Return what is wrong and what to do, for a reason of the library's."""
    twice = _TWICE.fullmatch(reason)
    if twice:
        name = ".".join(map(str, ast.literal_eval(twice["key"])))
        return f"[{name}] appears twice", "Put the keys of both under one of them."
    if quote := re.fullmatch(r"""Expected (["']+)""", reason):
        return f"Expected {quote[1]} to close the text", _QUOTES
    for beginning, message, hint in _REASONS:
        if reason.startswith(beginning):
            return message, hint
    return "this is not TOML", _LINE
