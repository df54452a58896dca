"""What the runs that share a pace say to each other over loopback connections.

A message is a line of JSON, a list whose first item names it.

- Each side first proves that it knows the leader's token, which is never sent itself. The member sends `greet` (its
  nonce), the leader answers `proof` (its nonce, proof), and the member's proof is in its hello.
- A member sends `hello` (proof, limits, the numbers of its requests in flight, what it knows of an earlier leader's
  pace), `ask` (number, tokens, most), `drop` (numbers), `end` (number, kind, tokens used, wait asked for, rate
  headers), `pause` (seconds), `narrow` (requests, or null) and `alive`.
- It receives `welcome` or `differs` (the limits there are), `turn` (number, limit, whether tokens count) and `state`
  (limit, whether tokens count, seconds of pause, learned rate).
"""

import asyncio
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable
from typing import Any

LONGEST_LINE = 1 << 20  # bytes
_LARGEST = 1e300
_HEX = re.compile(r"[0-9a-f]{1,64}", re.ASCII)

Shape = Callable[[Any], bool]


class MessageError(Exception):
    """The other side sent something that is not a message, or not an expected one."""


def nonce() -> str:
    """Return a word that was never used before."""
    return secrets.token_hex(16)


def proof(token: str, role: str, *nonces: str) -> str:
    """Return the proof, for one connection, that a `leader` or `member` knows the token."""
    return hmac.new(token.encode(), json.dumps([role, *nonces]).encode(), hashlib.sha256).hexdigest()


def line(*message: object) -> bytes:
    """Return a message as it is sent."""
    return json.dumps(message).encode() + b"\n"


async def receive(reader: asyncio.StreamReader, *names: str) -> tuple[str, list[Any]]:
    """Return the name of the next message and the rest of it, which has its shape.

    Raises MessageError for anything but a message of one of these names, and EOFError at the end.
    """
    try:
        said = await reader.readline()
        if not said.endswith(b"\n"):
            raise EOFError
        return _parsed(said, names)
    except (ValueError, TypeError, IndexError, KeyError, RecursionError) as error:
        raise MessageError from error


def _parsed(said: bytes, names: tuple[str, ...]) -> tuple[str, list[Any]]:
    name, *rest = json.loads(said)
    if name not in names or not _SHAPES[name](rest):
        raise ValueError
    return name, rest


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST < value < _LARGEST


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_hex(value: object) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _is_headers(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_text, value.values()))


def _optional(shape: Shape) -> Shape:
    return lambda value: value is None or shape(value)


def _items(*shapes: Shape) -> Shape:
    return lambda value: (
        isinstance(value, list)
        and len(value) == len(shapes)
        and all(shape(item) for shape, item in zip(shapes, value, strict=True))
    )


def _is_counts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_count, value))


_MAYBE_NUMBER = _optional(_is_number)
_LIMITS = _items(_optional(_is_count), _MAYBE_NUMBER, _MAYBE_NUMBER)
_MEMORY = _items(_is_number, _MAYBE_NUMBER)
_SHAPES = {
    "greet": _items(_is_hex),
    "proof": _items(_is_hex, _is_hex),
    "hello": _items(_is_hex, _LIMITS, _is_counts, _optional(_MEMORY)),
    "ask": _items(_is_count, _is_number, _is_number),
    "drop": _items(_is_counts),
    "end": _items(_is_count, _is_text, _MAYBE_NUMBER, _MAYBE_NUMBER, _is_flag, _is_headers),
    "pause": _items(_is_number),
    "narrow": _items(_optional(_is_count)),
    "alive": _items(),
    "welcome": _items(),
    "differs": _items(_is_text),
    "turn": _items(_is_count, _is_count, _is_flag),
    "state": _items(_is_count, _is_flag, _is_number, _MAYBE_NUMBER),
}
