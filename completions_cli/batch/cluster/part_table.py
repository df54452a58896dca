"""What stands in all parts together, kept up to date as parts are written."""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from completions_cli.batch.cluster.parts import PartEntry
from completions_cli.batch.entry import UNKNOWN
from completions_cli.batch.recovery import Retry

_NOTHING: dict[str, int] = {}
_NO_EXAMPLES: dict[str, tuple[int, str]] = {}


class PartTable(Mapping[int, PartEntry]):
    """The entries of parts by their first rows, and their sums."""

    def __init__(self) -> None:
        self._entries: dict[int, PartEntry] = {}
        self.rows = self.ok = self.worth_retrying = 0
        self._failed, self._models, self._reasons, self._ignored, self._profiles = (Counter[str]() for _ in range(5))
        self._examples: dict[str, tuple[int, tuple[int, str]]] = {}  # and the part that each is in

    def __getitem__(self, part: int) -> PartEntry:
        return self._entries[part]

    def __iter__(self) -> Iterator[int]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, part: int, entry: PartEntry) -> None:
        """Record what a part holds now."""
        self.drop(part)
        for kind, example in entry.examples.items():
            self._examples.setdefault(kind, (part, example))
        self._entries[part] = entry = _compact(entry)
        self._add(entry, 1)

    def drop(self, part: int) -> None:
        """Forget a part."""
        if (entry := self._entries.pop(part, None)) is not None:
            self._add(entry, -1)
            self._examples = {kind: found for kind, found in self._examples.items() if found[0] != part}

    def again(self, retry: Retry | None) -> int:
        """Count the rows that are sent again though they are there."""
        return {None: 0, "all": self.rows - self.ok, "retryable": self.worth_retrying}[retry]

    @property
    def examples(self) -> dict[str, tuple[int, str]]:
        """One failure of a kind: its row and its message."""
        return {kind: example for kind, (_, example) in self._examples.items()}

    @property
    def failed(self) -> Counter[str]:
        """How many rows failed, by kind."""
        return +self._failed

    @property
    def models(self) -> Counter[str]:
        """How many rows each model answered."""
        return +self._models

    @property
    def profiles(self) -> Counter[str]:
        """How many rows each profile answered."""
        return +self._profiles

    @property
    def known_models(self) -> list[str]:
        """The models that answers name."""
        return [model for model in self.models if model != UNKNOWN]

    @property
    def finish_reasons(self) -> Counter[str]:
        """How many answers ended for each reason."""
        return +self._reasons

    @property
    def ignored(self) -> Counter[str]:
        """In how many answers the server ignored a parameter, by its name."""
        return +self._ignored

    def _add(self, entry: PartEntry, sign: int) -> None:
        self.rows += sign * entry.rows
        self.ok += sign * entry.ok
        self.worth_retrying += sign * entry.retryable
        sums = (self._failed, self._models, self._reasons, self._ignored, self._profiles)
        added = (entry.failed, entry.models, entry.finish_reasons, entry.ignored, entry.profiles)
        for total, counts in zip(sums, added, strict=True):
            for name, count in counts.items():
                total[name] += sign * count


def _compact(entry: PartEntry) -> PartEntry:
    """Leave out examples, and share what entries have in common: a run may have 20,000 of them."""
    return replace(
        entry,
        failed=_shared(entry.failed),
        models=_shared(entry.models),
        finish_reasons=_shared(entry.finish_reasons),
        ignored=_shared(entry.ignored),
        profiles=_shared(entry.profiles),
        examples=_NO_EXAMPLES,
    )


def _shared(counts: dict[str, int]) -> dict[str, int]:
    return {sys.intern(name): count for name, count in counts.items()} if counts else _NOTHING
