"""The rows of an input, read in blocks from anywhere."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from completions_cli.batch.cluster.inputs import InputFile
from completions_cli.batch.cluster.windows import Window
from completions_cli.batch.inputs import compression, kinds
from completions_cli.batch.inputs.verified import Blocks, Verified
from completions_cli.batch.recipe import PLAIN, Recipe
from completions_cli.batch.rows import Row
from completions_cli.batch.selection import Selection
from completions_cli.errors import UsageError

_BUFFER = 1 << 20
_RANDOM = 1 << 16  # where reading jumps


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one reader reads: bytes `start` to `stop` of a file, None for all.

    `first` is the number of the first row it sees, `parts` the first rows of those parts that are to be done, `blocks`
    what tells whether the file is as it was when it was counted.
    """

    file: InputFile
    first: int
    part_rows: int
    parts: frozenset[int]
    selection: Selection
    recipe: Recipe = PLAIN
    start: int = 0
    stop: int | None = None
    blocks: Blocks = field(default_factory=Blocks, repr=False, compare=False)

    def part_of(self, row: int) -> int:
        """Name the part that a row goes into."""
        return row - (row - self.first) % self.part_rows


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one part."""

    part: int
    rows: list[Row] = field(repr=False)


def blocks(stretch: Stretch) -> Iterator[Block]:
    """Read a stretch: the rows that are wanted, those of one part together."""
    found = itertools.groupby(_rows(stretch), key=lambda row: stretch.part_of(row.number))
    for part, group in found:
        yield Block(part, list(group))


def block(stretch: Stretch) -> Block:
    """Read a stretch of one part. Raises UsageError when its rows are gone."""
    found = next(blocks(stretch), None)
    if found is None:
        raise UsageError(f"{stretch.file.url} has changed since it was counted", hint="Do not change it during a run.")
    return found


def _rows(stretch: Stretch) -> Iterator[Row]:
    first = stretch.first

    def wanted(number: int) -> bool:
        row = first + number
        return row in stretch.selection and stretch.part_of(row) in stretch.parts

    with stretch.file.opened() as raw, compression.damage_named(stretch.file.url):
        content = stretch.file.unpacked(_bytes(stretch, raw))
        for row in stretch.file.reading(stretch.recipe).rows(content, wanted, is_first=stretch.start == 0):
            row.number += first
            yield row


def _bytes(stretch: Stretch, raw: BinaryIO) -> BinaryIO:
    """Return the bytes of a stretch, which are those that were counted, or reading them raises UsageError."""
    verified: io.RawIOBase = Verified(raw, stretch.blocks, stretch.file.url)
    if stretch.stop is not None:
        verified = Window(verified, stretch.start, stretch.stop)
    return cast("BinaryIO", io.BufferedReader(verified, _RANDOM if stretch.file.kind in kinds.SEEKING else _BUFFER))
