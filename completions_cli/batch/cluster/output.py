"""OUTPUT of a cluster's run: a folder of parts, what they belong to, who writes them, and what is in them already.

The parts are the truth. Beside them lies a record of what each holds, so that going on needs not read them all;
a part that the record does not know, or knows of another size, is read.
"""

import json
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple
from pathlib import Path

from filelock import FileLock, Timeout

from completions_cli.batch import run_file
from completions_cli.batch.cluster import parts
from completions_cli.batch.cluster.parts import RUN, Entry, PartKind
from completions_cli.batch.cluster.storage import EPOCH, is_remote, open_folder
from completions_cli.batch.run_file import RunFile
from completions_cli.errors import OutputError, UsageError
from completions_cli.wall_clock import unix_time

_LOCK = "_lock"
_RECORD = "_parts"
_SAVE_SECONDS = 10.0
_LOCK_SECONDS = 60.0  # a driver that said nothing for so long is gone
_READERS = 16


class Output:
    """A folder that is ours to have written. Close it to let others have it."""

    def __init__(self, place: str, kind: PartKind, clock: Callable[[], float] = time.monotonic) -> None:
        self.place = place if is_remote(place) else str(Path(place).expanduser().absolute())
        self.kind = kind
        self.epoch = uuid.uuid4().hex.encode()
        self.entries: dict[int, Entry] = {}
        self._clock = clock
        self._folder = open_folder(self.place)
        self._unsaved: dict[int, Entry] = {}
        self._saved_at = self._clock()
        self._segments = 0
        self._lock: FileLock | None = None

    def __str__(self) -> str:
        return self.place

    def lock(self) -> None:
        """Refuse a folder that another run is writing to. Raises UsageError."""
        if is_remote(self.place):
            said = json.loads(self._folder.read(_LOCK) or b"{}")
            if abs(unix_time() - said.get("at", 0)) < _LOCK_SECONDS:
                raise self._taken()
            self._beat()
            return
        path = Path(self.place)
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file", hint="With --engine ray OUTPUT is a folder of part files.")
        if not path.parent.is_dir():
            raise OutputError(f"there is no folder {path.parent}", hint="Make it first.")
        try:
            path.mkdir(exist_ok=True)
            self._lock = FileLock(path / _LOCK)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise self._taken() from None
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}") from error

    def prepare(self, run: RunFile, *, overwrite: bool) -> None:
        """Begin, or go on with what was begun. Raises UsageError when that was something else."""
        names = self._folder.sizes()
        earlier = run_file.parse(self._folder.read(RUN) or b"")
        held = [name for name in names if parts.first_row(name) is not None]
        if earlier is not None and held and not overwrite:
            run.check(earlier, self)
            if any(parts.kind_of(name) != self.kind for name in held):
                raise UsageError(f"{self} was begun with other --parts", hint="--overwrite starts anew.")
        elif set(names) - {RUN, EPOCH, _LOCK} and not overwrite:
            raise UsageError(
                f"{self} holds files and is not the output of a batch on a cluster",
                hint="Choose another OUTPUT, or --overwrite to lose its parts.",
            )
        self._folder.put(EPOCH, self.epoch)  # from here on nobody else's workers write
        if overwrite:
            for name in held:
                self._folder.remove(name)
        self._folder.put(RUN, run.as_bytes())
        self._recover(run)

    def kept(self, *, keep_failed: bool) -> int:
        """Count the rows that are there and stay."""
        return sum(entry.rows if keep_failed else entry.ok for entry in self.entries.values())

    def record(self, part: int, entry: Entry) -> None:
        """Record a part that was written."""
        self.entries[part] = self._unsaved[part] = entry

    def refresh(self) -> None:
        """Save every few seconds, also while no part ends."""
        if self._clock() - self._saved_at > _SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        """Write down what is new, and that we are still here."""
        self._saved_at = self._clock()
        if is_remote(self.place):
            self._beat()
        if self._unsaved:
            self._write_segment(self._unsaved)
            self._unsaved = {}

    def close(self) -> None:
        """Let go of it."""
        if self._lock is not None:
            self._lock.release()
        elif is_remote(self.place):
            self._folder.remove(_LOCK)

    def _recover(self, run: RunFile) -> None:
        sizes = {
            first: size for name, size in self._folder.sizes().items() if (first := parts.first_row(name)) is not None
        }
        segments = sorted(self._folder.sizes(_RECORD))
        known = self._read_record(segments)
        self.entries = {part: known[part] for part, size in sizes.items() if part in known and known[part].size == size}
        unknown = [part for part in sizes if part not in self.entries]
        with ThreadPoolExecutor(_READERS) as pool:
            for part, entry in zip(unknown, pool.map(lambda part: self._count(part, run), unknown), strict=True):
                self.entries[part] = entry
        self._segments = int(segments[-1].partition(".")[0]) + 1 if segments else 0
        if segments or unknown:
            self._write_segment(self.entries)  # one record of all, in place of many
            for name in segments:
                self._folder.remove(f"{_RECORD}/{name}")

    def _count(self, part: int, run: RunFile) -> Entry:
        content = self._folder.read(parts.name(part, self.kind)) or b""
        lines = parts.decode(content, self.kind, run.output_format)
        return parts.entry(content, lines, run.output_format)

    def _read_record(self, segments: list[str]) -> dict[int, Entry]:
        known: dict[int, Entry] = {}
        for name in segments:
            fields = json.loads(self._folder.read(f"{_RECORD}/{name}") or b"{}")
            known |= {int(part): Entry(*values) for part, values in fields.items()}
        return known

    def _write_segment(self, entries: dict[int, Entry]) -> None:
        content = json.dumps({str(part): astuple(entry) for part, entry in entries.items()}).encode()
        self._folder.put(f"{_RECORD}/{self._segments:06}.json", content)
        self._segments += 1

    def _beat(self) -> None:
        self._folder.put(_LOCK, json.dumps({"at": unix_time()}).encode())

    def _taken(self) -> UsageError:
        return UsageError(
            f"another run is writing to {self}", hint="Wait for it (a minute, if it was killed), or choose another."
        )
