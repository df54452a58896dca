"""Work that no worker has yet: splits that workers read themselves, and blocks that readers have read."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from completions_cli.batch.cluster.splits import Split

_MOST_TRIES = 5


@dataclass(slots=True)
class Item:
    """A part to do: its split, and its block if a reader has read it."""

    part: int
    split: Split
    block: Any = None
    tries: int = 0


class Backlog:
    """The items and splits that wait. Those of lost workers and readers are put back."""

    def __init__(self, splits: Iterator[Split]) -> None:
        self._splits = splits
        self._next: Split | None = next(splits, None)
        self._ready: deque[Item] = deque()
        self._lost: dict[str, tuple[Split, set[int]]] = {}  # of files that are read from their start
        self._tries: dict[int, int] = {}

    @property
    def is_empty(self) -> bool:
        """True when nothing waits; items may be in progress."""
        return self._next is None and not self._ready and not self._lost

    def item(self) -> Item | None:
        """Return an item for a worker, None if none is ready."""
        if self._ready:
            return self._ready.popleft()
        if self._next is not None and self._next.file.has_places:
            split = self._pop()
            return Item(min(split.parts), split)
        return None

    def split(self) -> Split | None:
        """Return a split that needs a reader, None if there is none."""
        if self._next is not None and not self._next.file.has_places:
            return self._pop()
        if self._lost:
            split, parts = self._lost.pop(next(iter(self._lost)))
            return replace(split, parts=frozenset(parts))
        return None

    def ready(self, item: Item) -> None:
        """Add a block that was read."""
        self._ready.append(item)

    def has_room(self, most: int) -> bool:
        """Return whether fewer than `most` blocks wait."""
        return len(self._ready) < most

    def give_back(self, item: Item) -> bool:
        """Put back an item that was lost; false if its part was lost too often."""
        item.tries += 1
        self._tries[item.part] = self._tries.get(item.part, 0) + 1
        self.put_back(item)
        return self._tries[item.part] < _MOST_TRIES

    def put_back(self, item: Item) -> None:
        """Put back an item that a worker has not finished."""
        if item.split.file.has_places or (item.block is not None and item.tries <= 1):
            self._ready.appendleft(item)  # the block may have outlived the worker
        else:
            self.reread(item.split, {item.part})

    def reread(self, split: Split, parts: set[int]) -> None:
        """Have parts of a file read once more."""
        if parts:
            self._lost.setdefault(split.file.url, (split, set()))[1].update(parts)

    def _pop(self) -> Split:
        found, self._next = self._next, next(self._splits, None)
        assert found is not None  # noqa: S101 - both callers looked
        return found
