"""Into which parts the rows of an input go."""

from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import accumulate

_LEAST_ROWS = 500  # in a part
_MOST_PARTS = 20_000
_FACTOR = 10


def part_rows(rows: Sequence[int], held: Collection[int] = ()) -> int:
    """Choose how many rows make a part: 500, more where parts would be too many. `rows` are those of each file.

    Parts that are `held` begin at multiples of it in their file: those of an input that has grown stay as they are.
    """
    size = _LEAST_ROWS
    while sum(rows) > size * _MOST_PARTS:
        size *= _FACTOR
    firsts = list(accumulate(rows, initial=0))[:-1]
    within = [first - firsts[bisect_right(firsts, first) - 1] for first in held]
    while size > _LEAST_ROWS and any(row % size for row in within):
        size //= _FACTOR
    return size
