"""Into which parts the rows of an input go."""

from collections.abc import Collection

_LEAST_ROWS = 500  # in a part
_MOST_PARTS = 20_000
_FACTOR = 10


def part_rows(rows: int, held: Collection[int] = ()) -> int:
    """Choose how many rows of the input make a part: 500, more where parts would be too many.

    Parts that are `held` begin at multiples of it: those of an input that has grown stay as they are.
    """
    size = _LEAST_ROWS
    while rows > size * _MOST_PARTS:
        size *= _FACTOR
    while size > _LEAST_ROWS and any(first % size for first in held):
        size //= _FACTOR
    return size
