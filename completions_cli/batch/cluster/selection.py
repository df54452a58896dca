"""Which rows of an input a run is about, and into which parts they go."""

from dataclasses import dataclass

_LEAST_ROWS = 500  # in a part
_MOST_PARTS = 20_000
_FACTOR = 10


@dataclass(frozen=True, slots=True)
class Selection:
    """Every `count`-th row from row `index` on, `limit` of them at most."""

    index: int = 0
    count: int = 1
    limit: int | None = None

    @property
    def end(self) -> float:
        """The first row number beyond."""
        return float("inf") if self.limit is None else self.limit * self.count + self.index

    def __contains__(self, number: int) -> bool:
        return number % self.count == self.index and number < self.end

    def among(self, first: int, stop: int) -> int:
        """Count the selected rows from `first` up to, not including, `stop`."""
        stop = int(min(stop, self.end))
        return max(0, self._below(stop) - self._below(first))

    def _below(self, number: int) -> int:
        return max(0, -(-(number - self.index) // self.count))


def part_rows(rows: int) -> int:
    """Choose how many rows of the input make a part: 500, more where parts would be too many."""
    size = _LEAST_ROWS
    while rows > size * _MOST_PARTS:
        size *= _FACTOR
    return size
