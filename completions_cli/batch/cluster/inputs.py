"""The input of a cluster's run: files by path, glob or folder, counted once, then read in blocks from anywhere."""

import hashlib
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from completions_cli.batch.cluster.parts import Kind
from completions_cli.batch.cluster.storage import filesystem
from completions_cli.batch.inputs import compression, kinds, parquet
from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.batch.inputs.reading import Reading
from completions_cli.batch.recipe import PLAIN, Recipe
from completions_cli.batch.rows import Row
from completions_cli.batch.selection import Selection
from completions_cli.batch.survey import Survey
from completions_cli.errors import UsageError

STRIDE = 500  # rows between the offsets that are remembered
_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file by its URL, as every machine can open it."""

    url: str
    kind: Kind
    compressed: bool = False
    delimiter: str | None = None

    @property
    def has_places(self) -> bool:
        """Return whether reading may begin in its middle."""
        return self.kind in ("jsonl", "txt") and not self.compressed


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. `places` are the offsets of every STRIDE-th line, for kinds that can be read from there."""

    size: int
    sha256: str
    rows: int
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stretch:
    """What one reader reads: bytes `start` to `stop` of a file, None for all.

    `first` is the number of the first row it sees, `parts` the first rows of those parts that are to be done.
    """

    file: InputFile
    first: int
    part_rows: int
    parts: frozenset[int]
    selection: Selection
    recipe: Recipe = PLAIN
    start: int = 0
    stop: int | None = None

    def part_of(self, row: int) -> int:
        """Name the part that a row goes into."""
        return row - (row - self.first) % self.part_rows


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one part."""

    part: int
    rows: list[Row] = field(repr=False)


def find(place: str, kind: Kind | None, delimiter: str | None = None) -> list[InputFile]:
    """Find the files of INPUT, in the order of their names. Raises UsageError when there are none."""
    files, path = filesystem(place)
    try:
        if (sign := re.search(r"[*?\[]", path)) is not None:
            root = path[: sign.start()].rpartition("/")[0] + "/"
            names = sorted(str(name) for name in files.glob(path) if not files.isdir(name))
            names = [name for name in names if not _is_hidden(name.removeprefix(root))]
        elif files.isdir(path):
            root = path.rstrip("/") + "/"
            names = sorted(str(name) for name in files.find(path))
            names = [name for name in names if _kind(name) and not _is_hidden(name.removeprefix(root))]
        else:
            names = [path] if files.exists(path) else []
    except Exception as error:  # each driver has errors of its own
        raise UsageError(f"{place} cannot be read: {error}", hint="Check the path, and access to it.") from error
    if not names:
        raise UsageError(
            f"{place}: there is no such input",
            hint="A file, a folder or a glob of .jsonl, .json, .txt, .csv, .tsv, .parquet.",
        )
    return [_file(str(files.unstrip_protocol(name)), kind, delimiter) for name in names]


def count(file: InputFile) -> Contents:
    """Read a file once: its digest, its rows, and the places to read it from. Raises UsageError."""
    with _opened(file) as raw:
        _check_packing(file, raw)
        digest = _Digest(raw)
        stream = io.BufferedReader(digest, _BUFFER)
        number, places = _records(file, raw, stream)
        while stream.read(_BUFFER):
            pass
        return Contents(digest.size, digest.sha256.hexdigest(), number, tuple(places))


def _check_packing(file: InputFile, raw: BinaryIO) -> None:
    """Refuse a compressed file whose name does not say so: whether it can be read from its middle hangs on that."""
    packing = compression.of(raw.read(compression.HEAD_BYTES))
    raw.seek(0)
    if packing is not None and not file.compressed:
        suffix = ".gz" if packing == "gzip" else ".zst"
        raise UsageError(
            f"{file.url} is compressed with {packing}", hint=f"On a cluster its name must end in {suffix}."
        )


def _is_hidden(path: str) -> bool:
    """Return whether a name on the way begins as those of work files do: Spark's `_temporary/`, our own `_run.json`."""
    return any(name.startswith(("_", ".")) for name in path.split("/"))


def identity(name: str, contents: list[Contents]) -> Identity:
    """Sum up the files of an input; one file is what it is."""
    if len(contents) == 1:
        return Identity(name, contents[0].size, contents[0].sha256)
    digests = "".join(f"{item.sha256}\n" for item in contents)
    return Identity(name, sum(item.size for item in contents), hashlib.sha256(digests.encode()).hexdigest())


def survey(file: InputFile, recipe: Recipe) -> Survey:
    """Look at the first records of a file. Raises UsageError when it is no input, or lacks what the recipe names."""
    with _opened(file) as raw, compression.damage_named(file.url):
        head = _unpacked(file, raw).read(kinds.HEAD_BYTES)
        stated = None if file.kind == kinds.by_name(file.url) else file.kind
        found = kinds.settle(file.url, stated, head, recipe)
        if found != file.kind:
            raise UsageError(f"{file.url} is {found}, not {file.kind}", hint=f"--input-format {found}")
        raw.seek(0)
        return _reading(file, recipe).survey(_unpacked(file, raw))


def blocks(stretch: Stretch) -> Iterator[Block]:
    """Read a stretch: the rows that are wanted, those of one part together."""
    found = itertools.groupby(_rows(stretch), key=lambda row: stretch.part_of(row.number))
    for part, group in found:
        yield Block(part, list(group))


def block(stretch: Stretch) -> Block:
    """Read a stretch of one part. Raises UsageError when its rows are gone."""
    found = next(blocks(stretch), None)
    if found is None:
        raise UsageError(
            f"{stretch.file.url} has changed since it was counted", hint="Leave it alone while a run lasts."
        )
    return found


def _rows(stretch: Stretch) -> Iterator[Row]:
    first = stretch.first

    def wanted(number: int) -> bool:
        row = first + number
        return row in stretch.selection and stretch.part_of(row) in stretch.parts

    with _opened(stretch.file) as raw:
        stop = stretch.stop
        stream = raw if stop is None else cast("BinaryIO", io.BufferedReader(_Slice(raw, stretch.start, stop), _BUFFER))
        reading = _reading(stretch.file, stretch.recipe)
        with compression.damage_named(stretch.file.url):
            for row in reading.rows(_unpacked(stretch.file, stream), wanted, is_first=stretch.start == 0):
                row.number += first
                yield row


def _records(file: InputFile, raw: BinaryIO, stream: "io.BufferedReader[_Digest]") -> tuple[int, list[int]]:
    """Count records, and note where each STRIDE-th begins."""
    if file.kind == "parquet":
        rows_there = parquet.check(parquet.opened(raw, file.url), PLAIN, file.url)
        raw.seek(0)
        return rows_there, []
    places = [0]
    number = 0

    def pass_by(row: int) -> bool:
        nonlocal number
        number = row + 1
        if number % STRIDE == 0 and file.has_places:
            places.append(stream.tell())
        return False

    content = _unpacked(file, cast("BinaryIO", stream))
    with compression.damage_named(file.url):
        if file.kind not in ("jsonl", "txt"):
            return _reading(file, PLAIN).count(content), []
        for _ in _reading(file, PLAIN).rows(content, pass_by):
            pass
    return number, places if file.has_places else []


def _reading(file: InputFile, recipe: Recipe) -> Reading:
    return Reading(file.url, file.kind, recipe, file.delimiter or ("\t" if file.kind == "tsv" else None))


def _unpacked(file: InputFile, stream: BinaryIO) -> BinaryIO:
    packing: compression.Compression = "zstd" if file.url.lower().endswith(".zst") else "gzip"
    return compression.opened(stream, packing if file.compressed else None, file.url)


def _opened(file: InputFile) -> BinaryIO:
    files, path = filesystem(file.url)
    try:
        if file.url.startswith("file://"):
            return open(path, "rb")  # noqa: PTH123 - the caller closes it; the path is the driver's
        return cast("BinaryIO", io.BufferedReader(files.open(path, "rb"), _BUFFER))
    except Exception as error:
        raise UsageError(f"{file.url} cannot be read: {error}", hint="Check the path, and access to it.") from error


def _file(url: str, kind: Kind | None, delimiter: str | None) -> InputFile:
    found = kind or _kind(url)
    if found is None:
        raise UsageError(
            f"{url}: what kind of input is it?",
            hint="Known by their names: .jsonl, .json, .txt, .csv, .tsv, .parquet; else say --input-format.",
        )
    return InputFile(url, found, found != "parquet" and url.lower().endswith(kinds.COMPRESSED), delimiter)


def _kind(name: str) -> Kind | None:
    return kinds.by_name(name)


class _Digest(io.RawIOBase):
    """A stream that is hashed as it is read, from its start to its end."""

    def __init__(self, inner: BinaryIO) -> None:
        self._inner = inner
        self.sha256 = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        if (offset, whence) == (0, 0):
            self._inner.seek(0)
            self.sha256, self.size = hashlib.sha256(), 0
        elif (offset, whence) != (0, 1):
            raise io.UnsupportedOperation("only from its start")
        return self.size

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast("bytearray", buffer))
        data = self._inner.read(len(view))
        view[: len(data)] = data
        self.sha256.update(data)
        self.size += len(data)
        return len(data)


class _Slice(io.RawIOBase):
    """Bytes `start` to `stop` of a stream, as one of their own."""

    def __init__(self, inner: BinaryIO, start: int, stop: int) -> None:
        self._inner, self._start, self._stop = inner, start, stop
        self._at = inner.seek(start)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0:
            self._at = self._start + offset
            self._inner.seek(self._at)
        return self._at - self._start

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast("bytearray", buffer))
        data = self._inner.read(min(len(view), self._stop - self._at))
        view[: len(data)] = data
        self._at += len(data)
        return len(data)


def total(contents: Iterable[Contents]) -> int:
    """Count all rows."""
    return sum(item.rows for item in contents)
