"""What came instead of a completion, as an error that shows how it begins."""

import re

from completions_cli.api import error_map, markup
from completions_cli.errors import MalformedResponseError
from completions_cli.models import Json

# The names of fields, with which lines of a stream begin.
_FIELD = re.compile("^(data|event|id|retry):", re.MULTILINE)
QUOTED = 200  # characters of what came, in an error
# Bytes that no text has, or that are no UTF-8, among the first.
_NO_TEXT = re.compile("[\x00-\x08\x0e-\x1f\ufffd]")
_MAGIC = 16
_NO_WORDS = "It is not text: the server, or a proxy in front of it, may have compressed it without being asked."
_A_PAGE = (
    "It is a web page: is there a proxy or a sign-in page in between, or is it another server? Check the endpoint."
)
OTHER_ROUTE = "It belongs to another route of the server. Completions are below /v1, so end the endpoint in /v1."
NOT_A_COMPLETION = (
    "Is this a completions endpoint? On many servers it ends in /v1. Add -vv to see what the server sent."
)


def no_events(text: str) -> MalformedResponseError | None:
    """Return the error for a body without events: lines that no blank line parts, or prose; None for comments alone."""
    if _FIELD.search(text):
        return not_a_completion("the stream contains no complete event", text)
    if any(line.strip() and not line.startswith(":") for line in text.splitlines()):
        return not_a_completion("the response is not JSON", text)
    return None


def not_json(text: str, error: ValueError) -> MalformedResponseError:
    """Return the error for a body that is no JSON, or only the beginning of some."""
    if not text.startswith("{") or "Extra data" in str(error):
        return not_a_completion("the response is not JSON", text)
    from completions_cli.api import json_errors  # most answers need no explanation

    return MalformedResponseError(
        f"the response is not complete JSON: {json_errors.described(error)}: {text[:QUOTED]!r}",
        hint="It was probably cut off in transit; try again. Add -vv to see the response.",
    )


def not_a_completion(message: str, text: str) -> MalformedResponseError:
    """Return the error for JSON, or other text, that is no completion."""
    hint = _A_PAGE if markup.is_markup(text) else NOT_A_COMPLETION
    if _NO_TEXT.search(text[:_MAGIC]):
        hint = _NO_WORDS
    return MalformedResponseError(f"{message}: {text[:QUOTED]!r}", hint=hint)


def refuse_chat(choice: dict[str, Json], source: str) -> None:
    """Raise for the answer of a chat route, whose words would be missed in silence."""
    if "text" not in choice and ("message" in choice or "delta" in choice):
        raise not_a_completion("the response is a chat completion", source)


def raise_what_came_instead(value: dict[str, Json], source: str) -> None:
    """Raise the error in an object without choices, or say whose it is: an annotation is no reason for either."""
    if error_map.is_error_object(value):
        raise error_map.from_event(value, "")
    if "choices" not in value and isinstance(value.get("content"), str):
        # llama.cpp's own /completions takes the same request and answers in another form.
        raise MalformedResponseError(
            f"the response contains no choices: {source[:QUOTED]!r}",
            hint=OTHER_ROUTE,
        )


def raise_error_beside_choices(value: dict[str, Json]) -> None:
    """Raise the error that came in the same object as the last of the text, or in one of its choices."""
    if value.get("error"):
        raise error_map.from_event(value, "")
    choices = value.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and choice.get("error"):
            raise error_map.from_event({"error": choice["error"]}, "")
