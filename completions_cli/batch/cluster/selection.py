"""Into which parts the rows of an input go."""

_LEAST_ROWS = 500  # in a part
_MOST_PARTS = 20_000
_FACTOR = 10


def part_rows(rows: int) -> int:
    """Choose how many rows of the input make a part: 500, more where parts would be too many."""
    size = _LEAST_ROWS
    while rows > size * _MOST_PARTS:
        size *= _FACTOR
    return size
