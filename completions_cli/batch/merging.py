"""Outputs of shards, or folders of parts, joined into one."""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from completions_cli.batch import entry, ordering, run_file
from completions_cli.batch.cluster.parts import RUN
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.journal import Journal
from completions_cli.batch.ordering import Arranged
from completions_cli.batch.run_file import RunFile
from completions_cli.errors import UsageError

_PARTS = "part-*.jsonl"


def merge(parts: Iterable[Path], output: Path) -> Arranged:
    """Join parts into `output`, in the order of the rows, each once.

    Where the parts tell which run they are of, they must be of the same one, and the output can be gone on with.
    Raises UsageError for what is no part, OutputError when the output cannot be written.
    """
    files = _files(parts)
    for file in files:
        if output.exists() and output.samefile(file):
            raise UsageError(f"{output} is one of the parts", hint="Choose another OUTPUT.")
    runs = [_run_of(file) for file in files]
    known = [run for run in runs if run is not None]
    for file, run in zip(files, runs, strict=True):
        if run is not None and _same(run) != _same(known[0]):
            raise UsageError(f"{file} is of another input or run than {files[0]}", hint="Merge what belongs together.")
    kinds = [run.output_format if run else _sniff(file) for file, run in zip(files, runs, strict=True)]
    if len(set(kinds)) > 1:
        raise UsageError("the parts are of different output formats", hint="Some are native, some OpenAI's.")
    readers = [partial(entry.read, output_format=kind) for kind in kinds]
    journal = Journal(output)
    try:
        done = ordering.arrange(files, readers, journal)
    except BaseException:
        journal.discard()
        raise
    finally:
        journal.close()
    if known and len(known) == len(files):
        replace(known[0], shard=(0, 1)).write(run_file.path_beside(output))
    return done


def _files(parts: Iterable[Path]) -> list[Path]:
    files: list[Path] = []
    for part in parts:
        if part.is_dir():
            found = sorted(part.glob(_PARTS))
            if not found:
                raise UsageError(f"{part} holds no {_PARTS}")
            files += found
        elif part.is_file():
            files.append(part)
        else:
            raise UsageError(f"there is no {part}", hint="Name outputs of shards, or folders of parts.")
    return files


def _run_of(file: Path) -> RunFile | None:
    beside = (run_file.path_beside(file), run_file.path_beside(file.parent.resolve()), file.parent / RUN)
    return next((found for place in beside if (found := run_file.read(place)) is not None), None)


def _same(run: RunFile) -> tuple[object, ...]:
    return run.input.size, run.input.sha256, dict(run.parameters), run.output_format


def _sniff(file: Path) -> OutputFormat:
    """Tell an output's format by its first line."""
    with file.open("rb") as lines:
        first = lines.readline().rstrip(b"\n")
    if not first or entry.read(first, "native") is not None:
        return "native"
    if entry.read(first, "openai") is not None:
        return "openai"
    raise UsageError(f"{file} is not the output of a batch")
