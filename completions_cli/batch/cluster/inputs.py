"""The input of a run on a cluster: files by path, glob or folder, found and counted once."""

import hashlib
import io
import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO, cast

from completions_cli.batch.cluster.storage import filesystem
from completions_cli.batch.inputs import compression, kinds, parquet
from completions_cli.batch.inputs.fingerprint import Hashing, Identity
from completions_cli.batch.inputs.kinds import Format
from completions_cli.batch.inputs.reading import Reading
from completions_cli.batch.inputs.verified import Blocks, Recording
from completions_cli.batch.recipe import PLAIN, Recipe
from completions_cli.batch.survey import Survey
from completions_cli.errors import UsageError

STRIDE = 500  # rows between the offsets that are remembered
_BUFFER = 1 << 20
_BLOCK = 1 << 16  # that is checked as a whole: a part of 500 rows is some of them


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file, by the URL with which every machine can open it."""

    url: str
    kind: Format
    compressed: bool = False
    delimiter: str | None = None
    name: str = ""  # below INPUT, so that it is known again when INPUT has moved

    @property
    def has_places(self) -> bool:
        """Return whether reading may begin in its middle."""
        return self.kind in kinds.BY_LINE and not self.compressed

    def opened(self) -> BinaryIO:
        """Open it. Raises UsageError."""
        files, path = filesystem(self.url)
        try:
            if self.url.startswith("file://"):
                return open(path, "rb")  # noqa: PTH123 - the caller closes it; the path is the driver's
            return cast("BinaryIO", io.BufferedReader(files.open(path, "rb"), _BUFFER))
        except Exception as error:
            raise UsageError(f"{self.url} cannot be read: {error}", hint="Check the path, and access to it.") from error

    def unpacked(self, stream: BinaryIO) -> BinaryIO:
        """Return its content, given its bytes."""
        packing: compression.Compression = "zstd" if self.url.lower().endswith(".zst") else "gzip"
        return compression.opened(stream, packing if self.compressed else None, self.url)

    def reading(self, recipe: Recipe) -> Reading:
        """Return the reader of its content."""
        return Reading(self.url, self.kind, recipe, self.delimiter or ("\t" if self.kind == "tsv" else None))


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds. `places` are the offsets of every STRIDE-th line, for kinds that can be read from there.

    `blocks` tell whether it is still the same when it is read; it `has_grown` if it is an earlier input with more lines
    at its end.
    """

    size: int
    sha256: str
    rows: int
    places: Sequence[int] = ()
    blocks: Blocks = field(default_factory=Blocks, repr=False, compare=False)
    has_grown: bool = False


def find(place: str, kind: Format | None, delimiter: str | None = None) -> list[InputFile]:
    """Find the files of INPUT, in the order of their names. Raises UsageError if there are none."""
    files, path = filesystem(place)
    try:
        if (sign := re.search(r"[*?\[]", path)) is not None:
            root = path[: sign.start()].rpartition("/")[0] + "/"
            names = sorted(str(name) for name in files.glob(path) if not files.isdir(name))
            names = [name for name in names if not _is_hidden(name.removeprefix(root))]
        elif files.isdir(path):
            root = path.rstrip("/") + "/"
            names = sorted(str(name) for name in files.find(path))
            names = [name for name in names if kinds.by_name(name) and not _is_hidden(name.removeprefix(root))]
        else:
            root = path.rpartition("/")[0] + "/"
            names = [path] if files.exists(path) else []
    except Exception as error:  # each driver has errors of its own
        raise UsageError(f"{place} cannot be read: {error}", hint="Check the path, and access to it.") from error
    if not names:
        raise UsageError(
            f"{place}: there is no such input",
            hint=f"A file, a folder or a glob of {kinds.ENDINGS}.",
        )
    found = [_file(str(files.unstrip_protocol(name)), kind, delimiter) for name in names]
    return [replace(file, name=name.removeprefix(root)) for file, name in zip(found, names, strict=True)]


def in_order(files: Iterable[InputFile], earlier: Sequence[Identity]) -> list[InputFile]:
    """Put the files that an earlier run has read first, in its order, so that their rows keep their numbers."""
    places = {known.name: place for place, known in enumerate(earlier)}
    return sorted(files, key=lambda file: places.get(file.name, len(places)))


def count(file: InputFile, earlier: Identity | None = None) -> Contents:
    """Read a file once: its digest, its rows, the places to read it from, and whether an `earlier` one has grown.

    Raises UsageError.
    """
    with file.opened() as raw:
        _check_packing(file, raw)
        hashed = _Hashed(Recording(raw, _BLOCK), Hashing(earlier if file.has_places else None))
        stream = io.BufferedReader(hashed, _BUFFER)
        number, places = _records(file, raw, stream)
        while stream.read(_BUFFER):
            pass
        found, hashing = hashed.hashing.identity(file.url), hashed.hashing
        has_grown = hashing.starts_with_earlier and hashing.lines_of_earlier is not None
        return Contents(found.size, found.sha256, number, places, hashed.recording.blocks, has_grown)


def _check_packing(file: InputFile, raw: BinaryIO) -> None:
    """Refuse a compressed file whose name does not say so: only plain files can be read from the middle."""
    packing = compression.of(raw.read(compression.HEAD_BYTES))
    raw.seek(0)
    if packing is not None and not file.compressed:
        suffix = ".gz" if packing == "gzip" else ".zst"
        raise UsageError(
            f"{file.url} is compressed with {packing}", hint=f"On a cluster its name must end in {suffix}."
        )


def _is_hidden(path: str) -> bool:
    """Return whether a part of a path begins as those of work files do: Spark's `_temporary/`, our own `_run.json`."""
    return any(name.startswith(("_", ".")) for name in path.split("/"))


def identity(name: str, contents: list[Contents]) -> Identity:
    """Return the identity of all files together; that of one file is its own."""
    if len(contents) == 1:
        return Identity(name, contents[0].size, contents[0].sha256)
    digests = "".join(f"{item.sha256}\n" for item in contents)
    return Identity(name, sum(item.size for item in contents), hashlib.sha256(digests.encode()).hexdigest())


def survey(file: InputFile, recipe: Recipe) -> Survey:
    """Look at the first records of a file. Raises UsageError if it is no input, or lacks what the recipe names."""
    with file.opened() as raw, compression.damage_named(file.url):
        head = file.unpacked(raw).read(kinds.HEAD_BYTES)
        stated = None if file.kind == kinds.by_name(file.url) else file.kind
        found = kinds.settle(file.url, stated, head, recipe)
        if found != file.kind:
            raise UsageError(f"{file.url} is {found}, not {file.kind}", hint=f"--input-format {found}")
        raw.seek(0)
        return file.reading(recipe).survey(file.unpacked(raw))


def _records(file: InputFile, raw: BinaryIO, stream: "io.BufferedReader[_Hashed]") -> tuple[int, "array[int]"]:
    """Count records, and note where each STRIDE-th begins."""
    if file.kind == "parquet":
        rows_there = parquet.check(parquet.opened(raw, file.url), PLAIN, file.url)
        raw.seek(0)
        return rows_there, array("Q")
    places = array("Q", [0])
    number = 0

    def pass_by(row: int) -> bool:
        nonlocal number
        number = row + 1
        if number % STRIDE == 0 and file.has_places:
            places.append(stream.tell())
        return False

    content = file.unpacked(cast("BinaryIO", stream))
    with compression.damage_named(file.url):
        if file.kind not in kinds.BY_LINE:
            return file.reading(PLAIN).count(content), array("Q")
        for _ in file.reading(PLAIN).rows(content, pass_by):
            pass
    return number, places if file.has_places else array("Q")


def _file(url: str, kind: Format | None, delimiter: str | None) -> InputFile:
    found = kind or kinds.by_name(url)
    if found is None:
        raise UsageError(
            f"{url}: unknown kind of input: its name does not show it",
            hint=f"Known names end in {kinds.ENDINGS}; for others add --input-format.",
        )
    return InputFile(url, found, found not in kinds.SEEKING and url.lower().endswith(kinds.COMPRESSED), delimiter)


class _Hashed(io.RawIOBase):
    """A stream that is hashed as it is read, from its start to its end."""

    def __init__(self, recording: Recording, hashing: Hashing) -> None:
        self.recording, self.hashing = recording, hashing

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.hashing.size

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(cast("bytearray", buffer))
        size = self.recording.readinto(view)
        if size:
            self.hashing.add(bytes(view[:size]))
        return size


def total(contents: Iterable[Contents]) -> int:
    """Count all rows."""
    return sum(item.rows for item in contents)
