"""Which rows of an input a run is about."""

from collections.abc import Callable
from dataclasses import dataclass


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

    def without(self, settled: Callable[[int], bool]) -> Callable[[int], bool]:
        """Return the test for selected rows that are not settled."""
        index, count, end = self.index, self.count, self.end
        return lambda number: number % count == index and number < end and not settled(number)

    def among(self, first: int, stop: int) -> int:
        """Count the selected rows from `first` up to, not including, `stop`."""
        stop = int(min(stop, self.end))
        return max(0, self._below(stop) - self._below(first))

    def _below(self, number: int) -> int:
        return max(0, -(-(number - self.index) // self.count))
