"""Copies parts that are in object stores, or are Parquet, beside an output as lines of JSON, to merge them."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from completions_cli import paths
from completions_cli.batch import run_file
from completions_cli.batch.cluster import parts
from completions_cli.batch.cluster.storage import is_remote, open_folder
from completions_cli.errors import CompletionsError, UsageError


@contextmanager
def local(places: Sequence[str], beside: Path | None) -> Iterator[list[Path]]:
    """Return paths of files and folders with the lines of all `places`, for the length of a block.

    Copies are made in the folder `beside`, or in that of temporary files.
    """
    copied: dict[str, str] = {}
    with ExitStack() as staged:
        try:
            yield [_local(place, beside, staged, copied) for place in places]
        except CompletionsError as error:
            for copy, original in copied.items():
                error.message = error.message.replace(copy, original)
            raise


def _local(place: str, beside: Path | None, staged: ExitStack, copied: dict[str, str]) -> Path:
    """Return the path of a place, or of its copy: `copied` gets what each file of that is a copy of."""
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
        copy = target / Path(name).with_suffix(".jsonl")
        copied[str(copy)] = f"{folder}/{name}"
        content = folder.read(name) or b""
        lines = parts.decode(content, parts.kind_of(name), run.output_format, copied[str(copy)])
        copy.write_bytes(parts.encode(lines, "jsonl", run.output_format))
    return target
