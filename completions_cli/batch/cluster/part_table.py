"""What all parts hold together, kept up to date as parts are written."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from completions_cli.batch.cluster.parts import PartEntry
from completions_cli.batch.entry import UNKNOWN
from completions_cli.batch.recovery import Retry


class PartTable(Mapping[int, PartEntry]):
    """The entries of parts by their first rows, without examples, and their sums.

    A run may have 20,000 of them, so they are stored as short texts: numbers, and names as indices of a list.
    """

    def __init__(self) -> None:
        self._entries: dict[int, bytes] = {}
        self._names: list[str] = []
        self._numbers: dict[str, int] = {}
        self.rows = self.ok = self.worth_retrying = 0
        self._failed, self._models, self._reasons, self._ignored, self._profiles = (Counter[str]() for _ in range(5))
        self._examples: dict[str, tuple[int, tuple[int, str]]] = {}  # and the part that each is in

    def __getitem__(self, part: int) -> PartEntry:
        size, rows, ok, retryable, *counts = json.loads(self._entries[part])
        failed, models, reasons, ignored, profiles = map(self._named, counts)
        return PartEntry(size, rows, ok, failed, retryable, models, reasons, ignored, {}, profiles)

    def __iter__(self) -> Iterator[int]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, part: int, entry: PartEntry) -> None:
        """Record what a part holds now."""
        self.drop(part)
        for kind, example in entry.examples.items():
            self._examples.setdefault(kind, (part, example))
        counts = [self._numbered(found) for found in _counts(entry)]
        packed = json.dumps([entry.size, entry.rows, entry.ok, entry.retryable, *counts], separators=(",", ":"))
        self._entries[part] = packed.encode()
        self._add(entry, 1)

    def drop(self, part: int) -> None:
        """Forget a part."""
        if part in self._entries:
            self._add(self[part], -1)
            del self._entries[part]
            self._examples = {kind: found for kind, found in self._examples.items() if found[0] != part}

    def again(self, retry: Retry | None) -> int:
        """Count the rows that have a line and are sent again."""
        return {None: 0, "all": self.rows - self.ok, "retryable": self.worth_retrying}[retry]

    @property
    def examples(self) -> dict[str, tuple[int, str]]:
        """One failure of each kind: its row and its message."""
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
        """How many answers ignored each parameter."""
        return +self._ignored

    def _add(self, entry: PartEntry, sign: int) -> None:
        self.rows += sign * entry.rows
        self.ok += sign * entry.ok
        self.worth_retrying += sign * entry.retryable
        sums = (self._failed, self._models, self._reasons, self._ignored, self._profiles)
        for total, counts in zip(sums, _counts(entry), strict=True):
            for name, count in counts.items():
                total[name] += sign * count

    def _numbered(self, counts: dict[str, int]) -> list[int]:
        """Return the numbers of names, each followed by its count."""
        return [number for name, count in counts.items() for number in (self._number(name), count)]

    def _number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self._names)
            self._names.append(name)
        return self._numbers[name]

    def _named(self, numbers: list[int]) -> dict[str, int]:
        return {self._names[name]: count for name, count in zip(numbers[::2], numbers[1::2], strict=True)}


def _counts(entry: PartEntry) -> tuple[dict[str, int], ...]:
    return entry.failed, entry.models, entry.finish_reasons, entry.ignored, entry.profiles
