"""OUTPUT of a run on a cluster: a folder of parts, the run that they belong to, and what they hold already.

The parts are the truth. A record beside them says what each holds, so that a resumed run need not read them all. A
part that is not in the record, has another size there, or was written after it, is read.
"""

import io
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from pathlib import Path

from completions_cli.batch import run_file
from completions_cli.batch.cluster import parts
from completions_cli.batch.cluster.fencing import DRIVER, Writer
from completions_cli.batch.cluster.folder_lock import LOCK, LOCK_FILE, Heartbeat, LocalLock, heartbeat, lock_remote
from completions_cli.batch.cluster.part_log import PartLog
from completions_cli.batch.cluster.part_table import PartTable
from completions_cli.batch.cluster.parts import PartEntry, PartKind
from completions_cli.batch.cluster.planning import Partition
from completions_cli.batch.cluster.salvage import salvage
from completions_cli.batch.cluster.storage import File, RemoteFolder, is_remote, local_path, open_folder
from completions_cli.batch.cluster.writers import writer, writers
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.recovery import Retry, asks_again
from completions_cli.batch.run_file import RunFile
from completions_cli.errors import UsageError
from completions_cli.models import Json

_RECORD = "_parts"
_SAVE_SECONDS = 10.0
_READERS = 16


class Output:
    """The folder of a run, which locks it. Close it to let others use it."""

    def __init__(self, place: str, kind: PartKind, clock: Callable[[], float] = time.monotonic) -> None:
        self.place = place if is_remote(place) else str(local_path(place))
        self.kind = kind
        self.epoch = uuid.uuid4().hex
        self.entries = PartTable()
        self.notes: list[str] = []  # what the user should know about the folder
        self._clock = clock
        self._folder = open_folder(self.place)
        self.writers = writers(self.place, self.epoch, self._salvage)
        self._run: RunFile | None = None
        self._heartbeat = Heartbeat(self._beat)
        self._unsaved: dict[int, PartEntry] = {}
        self._saved_at = self._clock()
        self._segments = 0
        self._lock: LocalLock | None = None

    def __str__(self) -> str:
        return self.place

    def lock(self) -> None:
        """Refuse a folder that another run is writing to. Raises UsageError, OutputError."""
        if is_remote(self.place):
            lock_remote(RemoteFolder(self.place))
            self._heartbeat.start()
        else:
            self._lock = LocalLock(Path(self.place))
            self.notes += [self._lock.note] if self._lock.note else []

    def begun(self) -> RunFile | None:
        """Return the description of the run that began the folder, None if there is none."""
        return run_file.parse(self._folder.read(run_file.IN_FOLDER) or b"")

    def held(self) -> list[int]:
        """Return the first rows of the existing parts."""
        return sorted(self._parts())

    def settled(self, part: int, retry: Retry | None) -> set[int]:
        """Return the rows of a part that are not asked again. Raises UsageError, OutputError."""
        begun, name = self.begun(), parts.name(part, self.kind)
        output_format = begun.output_format if begun is not None else "native"
        lines = parts.decode(self._folder.read(name) or b"", self.kind, output_format, f"{self}/{name}")
        entries = parts.read_all(lines, output_format, f"{self}/{name}")
        return {entry.row for entry in entries if not asks_again(entry, retry)}

    @property
    def earlier(self) -> Mapping[str, Json]:
        """Return what the earlier runs used."""
        return self._run.all_runs if self._run is not None else {}

    def prepare(self, run: RunFile, plan: Partition, *, overwrite: bool, adopt: bool = False) -> None:
        """Begin, or resume an earlier run; with `adopt` also one without a description. The input may have grown.

        Raises UsageError if it was another run, OutputError.
        """
        names = self._folder.files()
        earlier = self.begun()
        held = [name for name in names if parts.first_row(name) is not None]
        if held and not overwrite and (earlier is not None or adopt):
            self._check(held, plan)
            if earlier is not None:
                known = earlier.known_files
                has_grown = run.check(earlier, self, has_grown=lambda _: plan.has_grown_since(known))
                self.notes += [run.growth(earlier)] if has_grown else []
                self.notes += run.notes(earlier, self)
                run = replace(run, all_runs=earlier.all_runs)
        elif set(names) - {run_file.IN_FOLDER, LOCK, LOCK_FILE} and not overwrite:
            raise self._unknown(held)
        self._run = run
        self.writers.open(discard=overwrite)  # from here on no worker of an earlier run writes
        if overwrite:
            for name in held:
                self._folder.remove(name)
        self._recover(plan)
        self._folder.put(run_file.IN_FOLDER, run.as_bytes())

    def _check(self, held: list[str], plan: Partition) -> None:
        """Refuse parts that cannot be of this run. Raises UsageError."""
        if any(parts.kind_of(name) != self.kind for name in held):
            raise UsageError(f"{self} was started with different --parts", hint="--overwrite starts over.")
        for name in held:
            if not plan.rows_of(parts.first_row(name) or 0):
                raise UsageError(
                    f"{name} in {self} belongs to another input: no part of this one begins at that row",
                    hint="Choose another OUTPUT, or move the file away.",
                )

    def _unknown(self, held: list[str]) -> UsageError:
        if not held:
            return UsageError(
                f"{self} contains files and is not the output of a batch on a cluster",
                hint="Choose another OUTPUT, or --overwrite to discard its parts.",
            )
        return UsageError(
            f"{self} contains parts, and there is no {run_file.IN_FOLDER} that says which batch they belong to",
            hint="Choose another OUTPUT. If they belong to this batch, --adopt resumes it; --overwrite discards them.",
        )

    def verify(self, plan: Partition) -> None:
        """Compare the folder with the record: read parts that differ, and forget those that are gone."""
        files = self._parts()
        for part in [
            part for part, entry in self.entries.items() if part not in files or files[part].size != entry.size
        ]:
            self.entries.drop(part)
        self._read(plan, (part for part in files if part not in self.entries))

    def open_parts(self, plan: Partition, retry: Retry | None) -> set[int]:
        """Return the parts that lack rows, or hold failures that are to be asked again."""
        found = plan.open_parts(self.entries, retry)
        last = plan.last_part() if plan.selection.limit is not None else None
        if last is not None and last[0] in self.entries:
            # It may hold rows beyond the limit, from earlier runs.
            part, wanted = last
            if sum(row in plan.selection for row in self.settled(part, None)) < wanted:
                found.add(part)
        return found

    def kept(self, retry: Retry | None) -> int:
        """Count the rows that are not asked again."""
        return self.entries.rows - self.entries.again(retry)

    def record(self, part: int, entry: PartEntry) -> None:
        """Record a part that was written."""
        self.entries.put(part, entry)
        self._unsaved[part] = self.entries[part]

    def refresh(self, all_runs: Callable[[], Mapping[str, Json]]) -> None:
        """Save if the last time was some seconds ago."""
        if self._clock() - self._saved_at > _SAVE_SECONDS:
            self.save(all_runs())

    def save(self, all_runs: Mapping[str, Json] | None = None) -> None:
        """Save what is new, and what all runs used."""
        self._saved_at = self._clock()
        if self._unsaved:
            self._write_segment(self._unsaved)
            self._unsaved = {}
        if self._run is not None and all_runs is not None:
            self._folder.put(run_file.IN_FOLDER, replace(self._run, all_runs=all_runs).as_bytes())

    def close(self) -> None:
        """Unlock it: no worker of this run writes any more."""
        self._heartbeat.stop()
        if self._run is not None:
            self.writers.close()
        if self._lock is not None:
            self._lock.release()
        elif is_remote(self.place):
            self._folder.remove(LOCK)

    def _salvage(self, writer: Writer, folder: Path) -> None:
        salvage(writer, folder, self._format)

    def _recover(self, plan: Partition) -> None:
        files = self._parts()
        segments = self._folder.files(_RECORD)
        self.entries = PartTable()
        for name in sorted(segments):
            for part, entry in self._segment(name):
                if part in files and files[part].size == entry.size and files[part].is_older_than(segments[name]):
                    self.entries.put(part, entry)
        unknown = [part for part in files if part not in self.entries]
        self._read(plan, unknown)
        self._segments = int(max(segments).partition(".")[0]) + 1 if segments else 0
        if segments or unknown:
            self._write_segment(self.entries)  # one record instead of many
            for name in segments:
                self._folder.remove(f"{_RECORD}/{name}")

    def _parts(self) -> dict[int, File]:
        found = self._folder.files().items()
        return {first: file for name, file in found if (first := parts.first_row(name)) is not None}

    def _read(self, plan: Partition, unknown: Iterable[int]) -> None:
        unknown = list(unknown)
        with ThreadPoolExecutor(_READERS) as pool:
            seen = list(pool.map(lambda part: self._look(plan, part), unknown))  # all, before any is changed
            left = pool.map(lambda part, entry: self._without_repeats(plan, part, entry), unknown, seen)
            for part, entry in zip(unknown, left, strict=True):
                self.entries.put(part, entry)

    def _without_repeats(self, plan: Partition, part: int, entry: PartEntry) -> PartEntry:
        if entry.has_repeats:
            lines = entry.ok + sum(entry.failed.values())
            log = PartLog(writer(self.place, self.epoch, DRIVER), part, self.kind, self._format)
            log.is_dirty = True  # it keeps one line a row
            log.commit()
            name, removed = parts.name(part, self.kind), lines - entry.rows
            self.notes.append(f"lines removed from {name} because another line has the same row: {removed}")
            entry = self._look(plan, part)
        return entry

    def _look(self, plan: Partition, part: int) -> PartEntry:
        name = parts.name(part, self.kind)
        content = self._folder.read(name) or b""
        lines = parts.decode(content, self.kind, self._format, f"{self}/{name}")
        return parts.entry(content, lines, self._format, f"{self}/{name}", plan.rows_of(part))

    @property
    def _format(self) -> OutputFormat:
        return self._run.output_format if self._run is not None else "native"

    def _segment(self, name: str) -> Iterator[tuple[int, PartEntry]]:
        """Yield the entries of parts by their first rows, of which each line has one."""
        for line in io.BytesIO(self._folder.read(f"{_RECORD}/{name}") or b""):
            part, values = json.loads(line)
            if (entry := PartEntry.of(values)) is not None:
                yield part, entry

    def _write_segment(self, entries: Mapping[int, PartEntry]) -> None:
        content = io.BytesIO()
        for part, entry in entries.items():
            content.write(json.dumps([part, astuple(entry)]).encode() + b"\n")
        self._folder.put(f"{_RECORD}/{self._segments:06}.jsonl", content.getvalue())
        self._segments += 1

    def _beat(self) -> None:
        self._folder.put(LOCK, heartbeat())
