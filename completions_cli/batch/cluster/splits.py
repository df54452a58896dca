"""Splits of an input, which workers and readers read block by block."""

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
class Split:
    """Bytes `start` to `stop` of a file, None for all.

    `first` is the number of its first row, `parts` has the first rows of the parts to do, and `blocks` tell whether
    the file is as it was when it was counted.
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
        """Return the part that a row goes into."""
        return row - (row - self.first) % self.part_rows


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one part."""

    part: int
    rows: list[Row] = field(repr=False)


def blocks(split: Split) -> Iterator[Block]:
    """Yield a block for each part to do."""
    found = itertools.groupby(_rows(split), key=lambda row: split.part_of(row.number))
    for part, group in found:
        yield Block(part, list(group))


def block(split: Split) -> Block:
    """Return the block of a split that has one part. Raises UsageError if its rows are gone."""
    found = next(blocks(split), None)
    if found is None:
        raise UsageError(f"{split.file.url} has changed since it was counted", hint="Do not change it during a run.")
    return found


def _rows(split: Split) -> Iterator[Row]:
    first = split.first

    def wanted(number: int) -> bool:
        row = first + number
        return row in split.selection and split.part_of(row) in split.parts

    with split.file.opened() as raw, compression.damage_named(split.file.url):
        content = split.file.unpacked(_bytes(split, raw))
        for row in split.file.reading(split.recipe).rows(content, wanted, is_first=split.start == 0):
            row.number += first
            yield row


def _bytes(split: Split, raw: BinaryIO) -> BinaryIO:
    """Return the bytes of a split. Reading them raises UsageError if they are not those that were counted."""
    verified: io.RawIOBase = Verified(raw, split.blocks, split.file.url)
    if split.stop is not None:
        verified = Window(verified, split.start, split.stop)
    return cast("BinaryIO", io.BufferedReader(verified, _RANDOM if split.file.kind in kinds.SEEKING else _BUFFER))
