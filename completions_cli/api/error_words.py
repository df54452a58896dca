"""Which of the texts in an error's JSON says what went wrong, told by shape: where it stands, and how it reads.

There is no list of dialects. A name only says how near a text is to being the message; a text that nobody has named
is taken when it reads like one.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeGuard

from completions_cli.api import error_places
from completions_cli.api.error_names import ERRORS, NAMED, plain
from completions_cli.models import Json

_DEEPEST = 8
_MOST_LEAVES = 400
_MAX_SHOWN = 300  # characters of JSON in which nothing reads like a message

_UNNAMED = len(NAMED)
# What is about an error and no message: identifiers, places to look things up, echoes of the request.
_NEVER = re.compile(
    r"(type|code|id|ids|uuid|trace\w*|stack\w*|traceback|timestamp|time|date|created|path|url|uri|href|links?|docs?|"
    r"documentation\w*|moreinfo|helplink|request|object|severity|level|host|server|ray|loc|domain)$"
)
_LISTS = re.compile(r"^(errors|validationerrors|fields|fielderrors|modelstate)$")
_SAYS = re.compile(r"(message|messages|msg|detail)$")
_FAILED = frozenset({"error", "fail", "failed", "failure"})
_FINE = frozenset({"true", "ok", "success", "0", "200"})
_FIELD_NAMES = re.compile(r"^(param|parameter|field|target|property)(name)?$")
_CODE_NAMES = re.compile(r"^(code|errorcode|errcode|errno|errornumber|exceptionname|faultcode)$|(error|exception)code$")
_WAIT_NAMES = re.compile(r"^retry(after|delay|in)(ms|seconds)?$")
_IDENTIFIER = re.compile(r"[A-Za-z][\w.:-]*")
_NOTHING = frozenset({"", "none", "null", "undefined", "nil", "n/a", "false"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """A text or number of the JSON, and the names on the way to it, in small letters without signs."""

    path: tuple[str, ...]
    name: str  # the last of them, as it is written
    value: str | int | float
    is_list: bool = False

    @property
    def own(self) -> str:
        """The name it stands under."""
        return self.path[-1] if self.path else ""

    @property
    def is_in_error(self) -> bool:
        """Whether it is a part of something called an error."""
        return any(map(ERRORS.search, self.path[:-1]))


@dataclass(frozen=True, slots=True)
class Words:
    """What an error's JSON says. `codes` are all names of kinds in it; `located` says what is wrong at `loc`."""

    message: str
    code: str | None
    param: str | None
    loc: tuple[str, ...]
    codes: tuple[str, ...]
    located: str = ""


def find(value: Json) -> Words:
    """Find the words in an error's JSON."""
    loc, located, container = error_places.find(value) or ((), "", None)
    leaves = list(_leaves(value))
    mine = [leaf for leaf in leaves if container is None or leaf.path[: len(container)] != container]
    best = _message(mine)
    message = _said(best) if best else ""
    if located and (best is None or _tier(best) > 1):
        message, located = located, ""
    # A summary such as "The given data was invalid." hides which field it was.
    about = next((leaf for leaf in (best, *_nearest(mine)) if leaf and _field(leaf)), None)
    if about and about is not best and not located:
        located = _said(about)
    code = _code(mine, best)
    return Words(
        message=message or _beginning(value),
        code=code,
        param=next((scalar(leaf.value) for leaf in _nearest(mine) if _FIELD_NAMES.match(leaf.own)), None)
        or (_field(about) if about else None),
        loc=loc,
        codes=tuple(
            str(leaf.value) for leaf in leaves if leaf.own in ("type", "reason") or _CODE_NAMES.search(leaf.own)
        ),
        located=located,
    )


def is_failure(value: dict[str, Json]) -> bool:
    """Return whether an object's own names say that something failed: an error, a flag, or else a message."""
    named = {plain(name): item for name, item in value.items()}
    texts = {name for name, item in named.items() if item is True or (item and not isinstance(item, int | float))}
    if any(map(ERRORS.search, texts)) or named.get("success") is False or named.get("ok") is False:
        return True
    states = {str(named.get(name)).lower() for name in ("success", "ok", "status", "code")}
    if states & _FAILED:
        return True
    return not states & _FINE and any(map(_SAYS.search, texts))


def scalar(value: Json) -> str | None:
    """Return a name or number as text; None for one that says nothing, as "None" and "null" do."""
    if isinstance(value, bool) or not isinstance(value, str | int) or str(value).strip().lower() in _NOTHING:
        return None
    return str(value)[:200]


def status_names(value: Json) -> Iterator[Json]:
    """Yield what may tell a status: numbers and kinds, the most telling names first."""
    leaves = list(_leaves(value))
    for names in (("status", "statuscode", "httpstatus", "httpcode", "code", "errorcode"), ("type", "error", "reason")):
        yield from (leaf.value for leaf in _nearest(leaves) if leaf.own in names)


def waits(value: Json) -> Iterator[tuple[str, str | int | float]]:
    """Yield what fields such as `retry_after` say, by their names in small letters without signs."""
    return ((leaf.own, leaf.value) for leaf in _leaves(value) if _WAIT_NAMES.match(leaf.own))


def is_phrase(text: str) -> bool:
    """Return whether a text only names a status, as "Bad Request" and "internal_server_error" do."""
    from http import HTTPStatus

    plain = " ".join(re.findall("[a-z]+", text.lower()))
    return plain in {" ".join(re.findall("[a-z]+", status.phrase.lower())) for status in HTTPStatus} | {"error", "fail"}


def _leaves(value: Json) -> Iterator[Leaf]:
    """Yield all texts and numbers, those of an object in its order; a list of texts is one."""
    stack: list[tuple[Json, tuple[str, ...], str]] = [(value, (), "")]
    for _ in range(_MOST_LEAVES):
        if not stack:
            return
        item, way, called = stack.pop()
        if isinstance(item, dict) and len(way) < _DEEPEST:
            stack += [(inner, (*way, plain(key)), key) for key, inner in reversed(item.items())]
        elif _are_texts(item):
            yield Leaf(way, called, "; ".join(item), is_list=True)
        elif isinstance(item, list):
            stack += [(inner, way, called) for inner in reversed(item[:20])]
        elif isinstance(item, str | int | float) and not isinstance(item, bool):
            yield Leaf(way, called, item)


def _are_texts(value: Json) -> TypeGuard[list[str]]:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _nearest(leaves: list[Leaf]) -> list[Leaf]:
    """Order leaves: those of the error itself first, then by how deep they are."""
    return sorted(leaves, key=lambda leaf: (not leaf.is_in_error, len(leaf.path)))


def _message(leaves: list[Leaf]) -> Leaf | None:
    ranked = [leaf for leaf in _nearest(leaves) if _rank(leaf) is not None]
    return min(ranked, key=lambda leaf: (_tier(leaf), _rank(leaf) or 0), default=None)


def _rank(leaf: Leaf) -> int | None:
    """Return how near a leaf's name is to that of a message, 0 being one; None when the leaf cannot be one."""
    if not isinstance(leaf.value, str) or not any(map(str.isalnum, leaf.value)) or scalar(leaf.value) is None:
        return None
    if _field(leaf) is not None:
        return 2
    if _NEVER.search(leaf.own):
        return None
    found = next((rank for rank, names in enumerate(NAMED) if names.search(leaf.own)), _UNNAMED)
    if leaf.path and found == _UNNAMED and (_FIELD_NAMES.match(leaf.own) or not _is_sentence(leaf.value)):
        return None
    return found


def _tier(leaf: Leaf) -> int:
    """Return how much a leaf reads like the message, 0 being most."""
    text, rank = str(leaf.value), _rank(leaf) or 0
    if is_phrase(text):
        return 4
    if rank >= 3:  # noqa: PLR2004 - a title, or a name that is not known
        return 2 if _is_sentence(text) else 3
    return 0 if _is_sentence(text) else 1


def _is_sentence(text: str) -> bool:
    """Return whether a text is of several words, or in a script that does without spaces."""
    return len(text.split()) > 1 or (not text.isascii() and len(text) > 3)  # noqa: PLR2004 - a short name


def _field(leaf: Leaf) -> str | None:
    """Return the parameter that a text is about, where errors stand under its name.

    As in {"errors": {"prompt": ["is too long"]}}, or without the "errors" around it.
    """
    is_listed = leaf.path[-2:-1] and _LISTS.match(leaf.path[-2])
    if not is_listed and not (leaf.is_list and len(leaf.path) == 1):
        return None
    is_named = any(names.search(leaf.own) for names in NAMED) or _NEVER.search(leaf.own) or _FIELD_NAMES.match(leaf.own)
    return None if is_named or not isinstance(leaf.value, str) or not _is_sentence(leaf.value) else leaf.name


def _said(leaf: Leaf) -> str:
    field = _field(leaf)
    return f"{field}: {leaf.value}" if field else str(leaf.value)


def _code(leaves: list[Leaf], message: Leaf | None) -> str | None:
    """Return the server's word for the kind of error."""
    near = _nearest(leaves)
    for leaf in near:
        if _CODE_NAMES.search(leaf.own) and (code := scalar(leaf.value)):
            return code
    for leaf in near:
        if leaf.name == "__type" and isinstance(leaf.value, str):
            return scalar(leaf.value.rpartition("#")[2])
    for leaf in near:
        text = leaf.value
        if leaf.own not in ("error", "name") or leaf is message or not isinstance(text, str):
            continue
        if _IDENTIFIER.fullmatch(text) and not is_phrase(text):
            return scalar(text)
    return None


def _beginning(value: Json) -> str:
    """Return JSON in which nothing reads like a message as it begins, unless nothing is in it."""
    leaves = [leaf.value for leaf in _leaves(value) if leaf.value != ""]
    if not leaves or (len(leaves) == 1 and isinstance(leaves[0], str)):
        return str(leaves[0]) if leaves else ""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except RecursionError:
        return ""
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "…"
