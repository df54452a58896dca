"""Where in a request an error's JSON says that something is wrong."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from completions_cli.api.error_names import ERRORS, NAMED, plain
from completions_cli.models import Json

_PLACE_NAMES = re.compile(r"^(loc|location|field|path|pointer|param|parameter|property|target|instancepath)$")
_LISTS_OF_PLACES = re.compile(r"(params|parameters|fields|properties|arguments)$")


class Place(NamedTuple):
    """A place such as body.max_tokens, what is said of it, and the names on the way to where that stands."""

    loc: tuple[str, ...]
    said: str
    container: tuple[str, ...]


def find(value: Json) -> Place | None:
    """Find an item that says where: in a list of errors as FastAPI and others write it, or the reference's `detail`."""
    for holder, path in _objects(value):
        for key, inner in holder.items():
            is_detail = plain(key) in ("detail", "details")
            item = inner[0] if isinstance(inner, list) and inner else inner if is_detail else None
            if not isinstance(item, dict):
                continue
            place, reason = _place(item, key), _reason(item)
            if place is None and not (reason and is_detail):
                continue
            loc = tuple(str(part) for part in (place if isinstance(place, list) else [place]) if part is not None)
            where = ".".join(part for part in loc if part != "body") or ".".join(loc)
            said = f"{where}: {reason}" if where and reason else where or reason
            return Place(loc, said, (*path, plain(key)))
    return None


def _place(item: dict[str, Json], key: str) -> Json:
    """Return what an item of a list called `key` says of where it is; of parameters, their names do."""
    names = [name for name in item if _PLACE_NAMES.match(plain(name))]
    if not names and _LISTS_OF_PLACES.search(plain(key)):
        names = ["name"]
    return next((item[name] for name in names if item.get(name)), None)


def _reason(item: dict[str, Json]) -> str:
    """Return what is wrong at a place: in words, else what was given there."""
    for names in NAMED[:2]:
        for key, text in item.items():
            if names.search(plain(key)) and isinstance(text, str) and text.strip():
                return text
    given = item.get("value", item.get("input"))
    return "" if given is None or isinstance(given, dict | list) else f"given {given}"


def _objects(value: Json) -> Iterator[tuple[dict[str, Json], tuple[str, ...]]]:
    """Yield the outermost objects: the error itself, and what it is wrapped in."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, dict):
        return
    yield value, ()
    for key, inner in value.items():
        if isinstance(inner, dict) and (ERRORS.search(plain(key)) or plain(key) == "message"):
            yield inner, (plain(key),)
