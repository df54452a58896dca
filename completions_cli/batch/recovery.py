"""What OUTPUT holds when a run begins, however the last run ended and whatever rewrote the file since.

Nothing that is not understood is removed: a whole line that is none of a batch stops the run before anything is
touched. What goes is what a crash leaves (a last line without its end, blocks of zeros after a power cut) and lines
of a row that has another line which counts.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from completions_cli import limits
from completions_cli.batch import output_lines
from completions_cli.batch.entry import UNKNOWN, Entry
from completions_cli.batch.journal import Journal
from completions_cli.batch.line_index import LineIndex, Place
from completions_cli.batch.output_lines import EntryReader
from completions_cli.batch.row_set import RowSet
from completions_cli.errors import OutputError
from completions_cli.models import Json

Retry = Literal["all", "retryable"]  # failures to ask again
_MOST_KINDS = 64
_OTHER = "other"
_NOTHING = frozenset[int]()


def asks_again(entry: Entry, retry: Retry | None) -> bool:
    """Return whether a row that ended so is sent again."""
    return entry.failure is not None and (retry == "all" or (retry == "retryable" and entry.is_retryable))


def tally(counts: Counter[str], name: Json, times: int = 1) -> None:
    """Count a name that a server gave, cut; of more than some hundred, which no reader wants, the rest is `other`."""
    if type(name) is str and name in counts:
        counts[name] += times
        return
    known = name[: limits.NAME_CHARACTERS] if name and type(name) is str else UNKNOWN
    counts[known if known in counts or len(counts) < limits.NAMES else _OTHER] += times


def _together(counts: Counter[str], more: Counter[str]) -> Counter[str]:
    together = counts.copy()
    for name, times in more.items():
        tally(together, name, times)
    return together


@dataclass(slots=True)
class Recovered:
    """The rows in an output, and damage that was found in it.

    `examples` has one failure of each kind: its row and its message. `torn` counts bytes of an end that is not whole,
    `damaged` lines with zeros in them, `padded` whole lines with zeros beside them, `repeated` lines of a row that has
    another line.
    """

    done: RowSet = field(default_factory=RowSet)
    answered: RowSet = field(default_factory=RowSet)
    retryable: RowSet = field(default_factory=RowSet)
    failures: dict[str, RowSet] = field(default_factory=dict)
    models: Counter[str] = field(default_factory=Counter)
    profiles: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[int, str]] = field(default_factory=dict)
    torn: int = 0
    damaged: int = 0
    padded: int = 0
    repeated: int = 0

    @property
    def ok(self) -> int:
        """How many rows are answered."""
        return len(self.answered)

    @property
    def failed(self) -> Counter[str]:
        """How many rows failed, by kind."""
        return Counter({kind: len(rows) for kind, rows in self.failures.items() if rows})

    @property
    def worth_retrying(self) -> int:
        """How many rows failed in a way that may pass."""
        return len(self.retryable)

    @property
    def known_models(self) -> list[str]:
        """The models that answers name."""
        return [model for model in self.models if model != UNKNOWN]

    def record(self, entry: Entry) -> None:
        """Record a line. An answer counts before any failure, a later failure before an earlier one."""
        self.repeated += not self.done.add(entry.row)
        if entry.row in self.answered:
            return
        if self.failures:
            self.forget_failure(entry.row)
        if entry.failure is None:
            self.answered.add(entry.row)
            tally(self.models, entry.model)
            if entry.profile is not None:
                tally(self.profiles, entry.profile)
            tally(self.finish_reasons, entry.finish_reason)
            if entry.ignored:
                self.ignored.update(entry.ignored)
            return
        self._fail(entry, entry.failure)

    def _fail(self, entry: Entry, failure: str) -> None:
        is_known = failure in self.failures or len(self.failures) < _MOST_KINDS
        kind = failure if is_known else _OTHER
        self.failures.setdefault(kind, RowSet()).add(entry.row)
        self.examples.setdefault(kind, (entry.row, entry.message or ""))
        if entry.is_retryable:
            self.retryable.add(entry.row)

    def with_answers(
        self, models: Counter[str], finish_reasons: Counter[str], ignored: Counter[str], profiles: Counter[str]
    ) -> "Recovered":
        """Return a copy that counts these answers, too. Its sets do not hold their rows."""
        return replace(
            self,
            models=_together(self.models, models),
            profiles=_together(self.profiles, profiles),
            finish_reasons=_together(self.finish_reasons, finish_reasons),
            ignored=self.ignored + ignored,
        )

    def forget_failure(self, row: int) -> str | None:
        """Forget that a row failed and return the kind of its failure, or None when it had none."""
        self.retryable.discard(row)
        kind = next((kind for kind, rows in self.failures.items() if rows.discard(row)), None)
        if kind is not None and self.examples.get(kind, (None,))[0] == row:
            del self.examples[kind]
        return kind

    def settled(self, retry: Retry | None) -> Callable[[int], bool]:
        """Return the test for rows that are not asked again: those that are done, but for failures to `retry`."""
        if not self.done:
            return _NOTHING.__contains__
        if retry is None:
            return self.done.__contains__
        if retry == "all":
            return self.answered.__contains__
        return lambda row: row in self.done and row not in self.retryable

    def again(self, retry: Retry | None) -> int:
        """Count the finished rows that are sent again."""
        return {None: 0, "all": len(self.done) - len(self.answered), "retryable": len(self.retryable)}[retry]

    def notes(self, output: Path) -> list[str]:
        """Return notes for the user about the repair of an output."""
        found = []
        if self.torn:
            found.append(f"the last line of {output} was incomplete: its {self.torn} bytes were removed")
        if self.damaged:
            found.append(f"lines removed from {output} because a power cut had filled them with zeros: {self.damaged}")
        if self.padded:
            found.append(
                f"zeros of a power cut removed from lines of {output} that were whole beside them: {self.padded}"
            )
        if self.repeated:
            found.append(f"lines removed from {output} because another line has the same row: {self.repeated}")
        return found


@dataclass(frozen=True, slots=True)
class Scan:
    """The result of reading an output: the offset up to which it is whole, and the repairs that it needs."""

    found: Recovered
    stop: int
    has_end: bool

    @property
    def needs_rewriting(self) -> bool:
        """Return whether more than the end must be mended."""
        return bool(self.found.damaged or self.found.padded or self.found.repeated)


def recover(journal: Journal, reader: EntryReader, *, row_total: int | None = None) -> Recovered:
    """Read an output and repair it: afterwards it holds whole lines, one per row.

    Raises UsageError, with nothing touched, as `output_lines.read` does; OutputError when it cannot be mended.
    """
    seen = scan(journal.path, reader, row_total=row_total)
    if seen.needs_rewriting:
        rewrite(journal, reader)
        return seen.found
    if seen.found.torn:
        journal.truncate(seen.stop)
    if not seen.has_end:
        journal.append(b"\n")
        journal.sync()
    return seen.found


def scan(path: Path, reader: EntryReader, *, row_total: int | None = None) -> Scan:
    """Read an output without changing it.

    Raises UsageError as `output_lines.read` does, OutputError when it cannot be read.
    """
    try:
        return _scan(path, reader, row_total)
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}", hint="Check its permissions.") from error


def _scan(path: Path, reader: EntryReader, row_total: int | None) -> Scan:
    found = Recovered()
    stop = damaged = 0
    has_end = True
    for line in output_lines.read(path, reader, row_total=row_total):
        if line.is_damage:
            damaged += 1
            continue
        if line.entry is not None:
            found.record(line.entry)
        found.padded += line.has_zeros
        found.damaged += damaged
        stop, has_end, damaged = line.stop, line.has_end, 0
    found.torn = path.stat().st_size - stop
    return Scan(found, stop, has_end)


def rewrite(journal: Journal, reader: EntryReader) -> None:
    """Replace an output by a copy with one line a row, in the order in which they stand. Raises OutputError."""
    path = journal.path
    with LineIndex(path.parent) as index:
        index.add(place for place, _ in placed(path, reader))
        copy = journal.copy()
        try:
            for place, content in placed(path, reader):
                if index.counts(place):
                    copy.write(content + b"\n")
        except BaseException:
            copy.discard()
            raise
        copy.commit()


def placed(path: Path, reader: EntryReader, number: int = 0) -> Iterator[tuple[Place, bytes]]:
    """Yield place and content of each line of a row. `number` is that of the file."""
    for line in output_lines.read(path, reader):
        if line.entry is not None:
            yield Place(line.entry.row, line.entry.failure is not None, number, line.offset), line.content
