"""Copies parts that are in object stores, or are Parquet, beside an output as lines of JSON, to merge them."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from completions_cli import paths
from completions_cli.batch import run_file
from completions_cli.batch.cluster import parts
from completions_cli.batch.cluster.storage import Folder, is_remote, open_folder
from completions_cli.errors import UsageError


@contextmanager
def local(places: Sequence[str], beside: Path | None) -> Iterator[list[Path]]:
    """Return paths of files and folders with the lines of all `places`, for the length of a block.

    Copies are made in the folder `beside`, or in that of temporary files.
    """
    with ExitStack() as staged:
        yield [_local(place, beside, staged) for place in places]


def _local(place: str, beside: Path | None, staged: ExitStack) -> Path:
    path = paths.expanded(place)
    if not is_remote(place) and not any(path.glob("part-*.parquet")):
        return path
    folder = open_folder(place)
    names = [name for name in folder.files() if parts.first_row(name) is not None]
    described = folder.read(run_file.IN_FOLDER)
    run = run_file.parse(described or b"")
    if not names or described is None or run is None:
        raise UsageError(f"{place} contains no parts of a batch", hint="Name the OUTPUT of --engine ray.")
    target = Path(staged.enter_context(tempfile.TemporaryDirectory(dir=beside, prefix=".merge-")))
    (target / run_file.IN_FOLDER).write_bytes(described)
    for name in names:
        _stage(folder, name, run, target)
    return target


def _stage(folder: Folder, name: str, run: run_file.RunFile, target: Path) -> None:
    lines = parts.decode(folder.read(name) or b"", parts.kind_of(name), run.output_format)
    (target / Path(name).with_suffix(".jsonl").name).write_bytes(parts.encode(lines, "jsonl", run.output_format))
