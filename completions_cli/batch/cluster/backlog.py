"""What is still to be given to workers: stretches that they read themselves, and blocks that readers read for them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from completions_cli.batch.cluster.stretches import Stretch

_MOST_TRIES = 5


@dataclass(slots=True)
class Item:
    """A part to be done: by its stretch, or by a block of it that was read already."""

    part: int
    stretch: Stretch
    block: Any = None
    tries: int = 0


class Backlog:
    """Hands out items and stretches. What is lost comes back."""

    def __init__(self, stretches: Iterator[Stretch]) -> None:
        self._stretches = stretches
        self._next: Stretch | None = next(stretches, None)
        self._ready: deque[Item] = deque()
        self._lost: dict[str, tuple[Stretch, set[int]]] = {}  # of files that are read from their start
        self._tries: dict[int, int] = {}

    @property
    def is_empty(self) -> bool:
        """True when nothing is left but what is under way."""
        return self._next is None and not self._ready and not self._lost

    def item(self) -> Item | None:
        """Return an item that a worker can be given right now."""
        if self._ready:
            return self._ready.popleft()
        if self._next is not None and self._next.file.has_places:
            stretch = self._pop()
            return Item(min(stretch.parts), stretch)
        return None

    def stretch(self) -> Stretch | None:
        """Return a stretch that needs a reader."""
        if self._next is not None and not self._next.file.has_places:
            return self._pop()
        if self._lost:
            stretch, parts = self._lost.pop(next(iter(self._lost)))
            return replace(stretch, parts=frozenset(parts))
        return None

    def ready(self, item: Item) -> None:
        """Put a block that was read."""
        self._ready.append(item)

    def has_room(self, most: int) -> bool:
        """Return whether fewer than `most` blocks wait."""
        return len(self._ready) < most

    def give_back(self, item: Item) -> bool:
        """Put back an item that was lost; false when that has happened too often."""
        item.tries += 1
        self._tries[item.part] = self._tries.get(item.part, 0) + 1
        self.put_back(item)
        return self._tries[item.part] < _MOST_TRIES

    def put_back(self, item: Item) -> None:
        """Put back an item that a worker has not finished."""
        if item.stretch.file.has_places or (item.block is not None and item.tries <= 1):
            self._ready.appendleft(item)  # the block may have outlived the worker
        else:
            self.reread(item.stretch, {item.part})

    def reread(self, stretch: Stretch, parts: set[int]) -> None:
        """Have parts of a file read once more."""
        if parts:
            self._lost.setdefault(stretch.file.url, (stretch, set()))[1].update(parts)

    def _pop(self) -> Stretch:
        found, self._next = self._next, next(self._stretches, None)
        assert found is not None  # noqa: S101 - both callers looked
        return found
