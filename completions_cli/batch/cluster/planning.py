"""From files to parts: which rows go into each part, and what must still be read for it."""

from bisect import bisect_right
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from completions_cli.batch.cluster.inputs import STRIDE, Contents, InputFile
from completions_cli.batch.cluster.parts import PartEntry
from completions_cli.batch.cluster.splits import Split
from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.batch.recipe import Recipe
from completions_cli.batch.recovery import Retry
from completions_cli.batch.selection import Selection

_LEAST_ROWS = 500  # in a part
_MOST_PARTS = 20_000
_FACTOR = 10


def part_rows(rows: Sequence[int], held: Collection[int] = ()) -> int:
    """Choose the number of rows in a part: 500, or more if there were too many parts. `rows` are those of each file.

    Existing parts (`held`) begin at multiples of it in their file: those of an input that has grown stay as they are.
    """
    size = _LEAST_ROWS
    while sum(rows) > size * _MOST_PARTS:
        size *= _FACTOR
    firsts = list(accumulate(rows, initial=0))[:-1]
    within = [first - firsts[bisect_right(firsts, first) - 1] for first in held]
    while size > _LEAST_ROWS and any(row % size for row in within):
        size //= _FACTOR
    return size


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows of an input, cut into parts of `part_rows`; no part has rows of two files."""

    files: list[InputFile]
    contents: list[Contents]
    selection: Selection
    part_rows: int

    @property
    def identities(self) -> tuple[Identity, ...]:
        """The identity of each file."""
        found = zip(self.files, self.contents, strict=True)
        return tuple(Identity(file.name, contents.size, contents.sha256) for file, contents in found)

    def has_grown_since(self, earlier: Sequence[Identity]) -> bool:
        """Return whether these are the earlier files with more files after them, or more lines in the last."""
        *whole, last = earlier
        now = self.identities
        if len(now) < len(earlier) or not all(was.is_same(is_) for was, is_ in zip(whole, now, strict=False)):
            return False
        at = len(whole)
        return self.contents[at].has_grown or last.is_same(now[at])

    def parts(self) -> Iterator[tuple[int, int]]:
        """Yield the first row of each part, and the number of its rows."""
        for first, contents in zip(self._firsts(), self.contents, strict=True):
            for part in range(first, first + contents.rows, self.part_rows):
                wanted = self.selection.among(part, min(part + self.part_rows, first + contents.rows))
                if wanted:
                    yield part, wanted

    def rows_of(self, part: int) -> range:
        """Return the rows of a part; none if no part begins there."""
        firsts = self._firsts()
        at = bisect_right(firsts, part) - 1
        stop = firsts[at] + self.contents[at].rows
        is_one = part < stop and (part - firsts[at]) % self.part_rows == 0
        return range(part, min(part + self.part_rows, stop)) if is_one else range(0)

    def open_parts(self, done: Mapping[int, PartEntry], retry: Retry | None) -> set[int]:
        """Return the parts that lack rows, or hold failures that are to be asked again."""
        return {part for part, wanted in self.parts() if _is_open(done.get(part), wanted, retry)}

    def last_part(self) -> tuple[int, int] | None:
        """Return the first row of the last part, in which --limit may end, and the number of its rows."""
        return next(reversed([*self.parts()]), None)

    def splits(self, parts: Container[int], recipe: Recipe) -> Iterator[Split]:
        """Yield the splits to read for some parts."""
        for file, first, contents in zip(self.files, self._firsts(), self.contents, strict=True):
            own = [part for part in range(first, first + contents.rows, self.part_rows) if part in parts]
            if not file.has_places:
                if own:
                    every = frozenset(own)
                    yield Split(file, first, self.part_rows, every, self.selection, recipe, blocks=contents.blocks)
                continue
            for part in own:
                extent = self._extent(contents, part - first)
                blocks, one = contents.blocks.around(*extent), frozenset([part])
                yield Split(file, part, self.part_rows, one, self.selection, recipe, *extent, blocks)

    def _extent(self, contents: Contents, row: int) -> tuple[int, int]:
        """Return the byte offsets at which a part begins and ends."""
        end = row + self.part_rows
        places = contents.places
        return places[row // STRIDE], places[end // STRIDE] if end // STRIDE < len(places) else contents.size

    def _firsts(self) -> list[int]:
        return list(accumulate((contents.rows for contents in self.contents), initial=0))[:-1]


def _is_open(entry: PartEntry | None, wanted: int, retry: Retry | None) -> bool:
    return entry is None or entry.rows < wanted or entry.again(retry) > 0
