"""What was typed as one thing and may have been meant as another. It is taken as it is; a note names the option."""

import json
import os.path
from collections.abc import Iterator

from completions_cli.settings.table import FORMATS

_SCHEMES = ("http://", "https://")


def notes(prompt: str | None, output: str | None) -> Iterator[str]:
    """Yield a note for a prompt that is a file's name, a URL or a request, and for an output called as a format."""
    if prompt and (note := _note(prompt)):
        yield note
    if output in FORMATS:
        yield f"note: -o {output} names a file; -F {output} chooses the format"


def _note(typed: str) -> str | None:
    is_word = not any(map(str.isspace, typed))
    if is_word and (file := _file(typed)):
        import shlex  # which most calls do without

        return f"note: the prompt is the name of a file, not what is in it; -f {shlex.quote(file)} reads the file"
    if is_word and typed.lower().startswith(_SCHEMES):
        return "note: the prompt is a URL; --endpoint URL names the server to ask"
    if _is_request(typed):
        return "note: the prompt is a request in JSON, and is sent as text; --request sends it as the request"
    return None


def _file(typed: str) -> str | None:
    """Return the file whose name was typed, as for tools that then read it."""
    name = typed.removeprefix("@")
    looks_so = name != typed or "." in typed or "/" in typed
    return name if looks_so and os.path.isfile(name) else None  # noqa: PTH113 - Path raises for what is no path


def _is_request(typed: str) -> bool:
    if not typed.lstrip().startswith("{"):
        return False
    try:
        value = json.loads(typed)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and "prompt" in value
