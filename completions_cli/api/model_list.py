"""What a service says it serves: the document of `GET …/models`, in the shapes that servers give it."""

from typing import NamedTuple

from completions_cli import limits
from completions_cli.api import error_map, wire
from completions_cli.api.json_body import BLANK
from completions_cli.errors import MalformedResponseError
from completions_cli.models import Json

_QUOTED = 200  # characters
_NAMES = ("id", "name", "model")  # of an entry, the first that it has
_HINT = "Check the endpoint; -vv shows the response."


class ModelList(NamedTuple):
    """The document as received, its entries, and the id of each."""

    document: Json
    entries: list[Json]
    ids: list[str]


def read(body: bytes) -> ModelList:
    """Read a list of models: `{"data": […]}`, `{"models": […]}` or a bare list.

    Raises the ServiceError that came instead, or MalformedResponseError.
    """
    text = body.strip(BLANK).decode("utf-8", "replace")
    try:
        document = wire.read(text)
    except ValueError:
        raise _misfit("the response is not complete JSON", text) from None
    if isinstance(document, dict) and document.get("error"):
        raise error_map.from_event(document, "")
    entries = _entries(document)
    if entries is None and isinstance(document, dict) and error_map.is_error_object(document):
        raise error_map.from_event(document, "")
    ids = [_id(entry) for entry in entries or ()]
    if entries is None or None in ids:
        raise _misfit("the response is not a list of models", text)
    return ModelList(document, entries, [name for name in ids if name is not None])


def within_bounds(part: bytes, size: int) -> bytes:
    """Return a further part of a body of so many bytes. Raises MalformedResponseError if that makes it too large."""
    if size + len(part) > limits.MODEL_LIST_BYTES:
        raise MalformedResponseError(f"the response is larger than {limits.MODEL_LIST_BYTES >> 20} MiB", hint=_HINT)
    return part


def _entries(document: Json) -> list[Json] | None:
    if isinstance(document, list):
        return document
    if not isinstance(document, dict):
        return None
    for name in ("data", "models"):
        if isinstance(document.get(name), list):
            return list(document[name])
    # Some say so that there are none.
    return [] if any(name in document and document[name] is None for name in ("data", "models")) else None


def _id(entry: Json) -> str | None:
    """Return the id of an entry, or None where it has none."""
    if isinstance(entry, dict):
        entry = next((entry[name] for name in _NAMES if entry.get(name)), None)
    return entry if isinstance(entry, str) and entry else None


def _misfit(message: str, text: str) -> MalformedResponseError:
    return MalformedResponseError(f"{message}: {text[:_QUOTED]!r}" if text else "the response is empty", hint=_HINT)
