"""What is wrong with JSON, in the user's words."""

from json import JSONDecodeError

_REASONS = (
    ("Expecting value", "a value is missing, or is text without double quotes"),
    ("Expecting property name", "a name in double quotes is missing"),
    ("Expecting ',' delimiter", "a comma or a closing bracket is missing"),
    ("Expecting ':' delimiter", "a colon is missing after a name"),
    ("Unterminated string", "text without its closing quote"),
    ("Invalid control character", "a line end or control character within text; write \\n"),
    ("Invalid \\uXXXX escape", "an escape \\u without four hexadecimal digits"),
    ("Invalid \\escape", "an unknown escape; write \\\\ for a backslash"),
    ("Extra data", "something follows the value"),
    ("Illegal trailing comma", "there is an extra comma at the end"),
)
_TOO_MANY_DIGITS = "Exceeds the limit"  # beginning of the interpreter's message


def described(error: ValueError) -> str:
    """Return what is wrong, and where if that is known."""
    if isinstance(error, JSONDecodeError):
        return f"{explained(error.msg)}, at character {error.pos + 1}"
    return "a number has too many digits" if str(error).startswith(_TOO_MANY_DIGITS) else str(error)


def explained(reason: str) -> str:
    """Return what is wrong, for a reason of the library's."""
    return next((words for beginning, words in _REASONS if reason.startswith(beginning)), "this is not JSON")
