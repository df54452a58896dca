"""Outputs and folders of parts that a batch wrote, and how to read their lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from completions_cli import paths
from completions_cli.batch import entry, output_lines, run_file, totals
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.inputs.files import failure_named
from completions_cli.batch.output_lines import EntryReader
from completions_cli.batch.recovery import Recovered
from completions_cli.batch.run_file import RunFile
from completions_cli.batch.selection import Selection
from completions_cli.errors import OutputError, UsageError
from completions_cli.models import Json

_PARTS = "part-*.jsonl"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files of one batch. `runs` has what lies beside each about its run, None where there is nothing."""

    files: list[Path]
    runs: list[RunFile | None]
    output_format: OutputFormat

    @property
    def reader(self) -> EntryReader:
        """The reader of their lines."""
        return partial(entry.read, output_format=self.output_format)

    @property
    def run(self) -> RunFile | None:
        """The run that wrote them, or None if none of them tells."""
        return next((run for run in self.runs if run is not None), None)

    def row_total(self) -> int | None:
        """Return how many rows the run has, without its --limit; None if they were not counted."""
        if self.run is None or self.run.rows is None:
            return None
        index, count = self.run.shard
        return Selection(index, count).among(0, self.run.rows)

    def recorded_totals(self) -> dict[str, Json]:
        """Return the totals of all runs, as the last one recorded them."""
        runs = list({id(run): run.all_runs for run in self.runs if run is not None and run.all_runs}.values())
        return {**totals.added(runs), "stopped_by": runs[-1].get("stopped_by")} if runs else {}

    def uncounted(self, rows: int) -> int | None:
        """Return how many of these rows were done since totals were last recorded; None if unknown."""
        runs = {id(run): run.all_runs for run in self.runs if run is not None}.values()
        counted = [run.get("rows") if run else 0 for run in runs]
        if not counted or any(type(count) is not int for count in counted):
            return None
        return max(0, rows - sum(count for count in counted if count is not None))

    def read(self) -> Recovered:
        """Read them all. Raises UsageError for a line that is not of a batch, OutputError if a file cannot be read."""
        found = Recovered()
        for file in self.files:
            try:
                for line in output_lines.read(file, self.reader):
                    found.torn += len(line.content) if line.is_damage else 0
                    if line.entry is not None:
                        found.record(line.entry)
            except OSError as error:
                raise OutputError(f"{file} cannot be read: {error.strerror}", hint="Check its permissions.") from error
        return found


def find(places: Iterable[Path]) -> Outputs:
    """Find the files of outputs and folders. Raises UsageError if a path is neither, or they are of different runs."""
    files = [file for place in places for file in _files(place)]
    known: dict[Path, RunFile | None] = {}
    runs = [_run_of(file, known) for file in files]
    first: RunFile | None = None
    for file, run in zip(files, runs, strict=True):
        first = first or run
        if run is not None and first is not None and run is not first and _same(run) != _same(first):
            raise UsageError(
                f"{file} belongs to another input or run than {files[0]}", hint="Merge what belongs together."
            )
    kinds = {run.output_format if run else _sniff(file) for file, run in zip(files, runs, strict=True)}
    if len(kinds) > 1:
        raise UsageError("the parts are of different output formats", hint="Some are native, some OpenAI's.")
    return Outputs(files, runs, kinds.pop() if kinds else "native")


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        # Not `glob`, to which a folder that may not be read is an empty one.
        found = sorted(path for path in place.iterdir() if path.match(_PARTS))
        if not found:
            raise UsageError(f"{place} holds no {_PARTS}", hint="Name outputs of shards, or folders of parts.")
        yield from found
    elif place.is_file():
        yield place
    else:
        raise UsageError(f"there is no {place}", hint="Name outputs of batches, or folders of parts.")


def _run_of(file: Path, known: dict[Path, RunFile | None]) -> RunFile | None:
    """Read what lies beside a file or its folder; `known` has what was read already."""
    for place in (
        run_file.path_beside(file),
        run_file.path_beside(paths.real(file.parent)),
        file.parent / run_file.IN_FOLDER,
    ):
        if place not in known:
            known[place] = run_file.read(place)
        if known[place] is not None:
            return known[place]
    return None


def _same(run: RunFile) -> tuple[object, ...]:
    return run.input.size, run.input.sha256, run_file.compared(run.parameters), run.output_format


def _sniff(file: Path) -> OutputFormat:
    """Return the format of an output, by its first line."""
    with failure_named(str(file)), file.open("rb") as lines:
        first = entry.without_bom(lines.readline())
    if not first.strip() or entry.read(first, "native") is not None:
        return "native"
    if entry.read(first, "openai") is not None:
        return "openai"
    raise UsageError(
        f"{file} is not the output of a batch",
        hint="Name the OUTPUT of a batch; the first line of this file names no row.",
    )
