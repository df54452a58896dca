"""How many workers a run has."""

from typing import NamedTuple

MOST_WORKERS = 10_000


class Bounds(NamedTuple):
    """The least and the largest number of workers. By default, each machine has one."""

    least: int = 1
    most: int = MOST_WORKERS


def parse(text: str) -> Bounds:
    """Read MIN:MAX, where either may be left out, or a single number for both. Raises ValueError."""
    least, colon, most = text.partition(":")
    found = Bounds(_number(least or "1"), _number(most or str(MOST_WORKERS)) if colon else _number(least))
    if not 1 <= found.least <= found.most <= MOST_WORKERS:
        raise ValueError(text)
    return found


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < len(str(MOST_WORKERS)) + 1):
        raise ValueError(text)
    return int(text)
