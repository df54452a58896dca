"""What OUTPUT.run records about a run, so that resuming it with another input or other parameters is noticed."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from completions_cli import atomic, limits
from completions_cli.api import wire
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.errors import OutputError, UsageError
from completions_cli.models import Json
from completions_cli.opening import without_waiting
from completions_cli.version import __version__

# Tells of an earlier input whether the one at hand is it with more at its end.
HasGrown = Callable[[Identity], bool]

_VERSION = 1
# What each profile of a pool has for itself; whether its answers fit is seen when they come.
_OF_A_MEMBER = ("model", "deployment", "extra_parameters")
EXTRA = "extra "  # begins the name of a parameter that was given as an extra
_SEVERAL = 2
_MOST_SHOWN = 40  # a sentence must stay one
_REFUSED = "Use --overwrite to start over, or choose another OUTPUT."


@dataclass(frozen=True, slots=True)
class RunFile:
    """The input and everything that decides what its rows are asked.

    `files` are those of an input on a cluster, in the order of their rows.

    `is_pool` says that several profiles were asked. `shard` is (index, count); `rows` is how many rows the input has at
    most, None where nobody counted. `endpoint` (an origin) and `profile` say who was asked last, `limit` how many rows
    the last run was for at most, `all_runs` what all runs of the output took.
    """

    input: Identity
    parameters: Mapping[str, Json]
    output_format: OutputFormat
    shard: tuple[int, int]
    rows: int | None = None
    is_pool: bool = False
    endpoint: str | None = None
    profile: str | None = None
    all_runs: Mapping[str, Json] = field(default_factory=dict)
    files: tuple[Identity, ...] = ()
    limit: int | None = None

    @property
    def known_files(self) -> tuple[Identity, ...]:
        """The files of the input, in the order of their rows."""
        return self.files or (self.input,)

    def write(self, path: Path) -> None:
        """Write it atomically. Raises OutputError."""
        atomic.write(path, self.as_bytes(), follow=False)

    def as_bytes(self) -> bytes:
        """Return the content of the file."""
        fields = {"version": _VERSION, "written_by": f"completions {__version__}", **asdict(self)}
        if not self.files:
            del fields["files"]
        return wire.dumps(fields, indent=2).encode() + b"\n"

    def check(self, earlier: "RunFile", output: object, *, has_grown: HasGrown | None = None) -> bool:
        """Raise UsageError, which says what differs, if OUTPUT belongs to another run.

        Return whether the input is the earlier one with more at its end, by the word of `has_grown`.
        """
        is_same = self.input.is_same(earlier.input)
        is_grown = not is_same and has_grown is not None and has_grown(earlier.input)
        differences = _differences(earlier, self)
        if not is_same and not is_grown:
            differences.insert(0, _other_files(earlier, self) or _other_input(earlier.input, self.input))
        if differences:
            raise UsageError(f"{output} was started with {'; '.join(differences)}", hint=_REFUSED)
        return is_grown

    def growth(self, earlier: "RunFile") -> str:
        """Return a note on how much the input has grown since an earlier run."""
        if earlier.rows is None or self.rows is None:
            return f"{self.input.name} grew; its new rows are completed, too"
        if earlier.rows == self.rows:
            return f"{self.input.name} grew, but by no row"
        return f"{self.input.name} grew from {earlier.rows} to {self.rows} rows; the new ones are completed, too"

    def notes(self, earlier: "RunFile", output: object) -> list[str]:
        """Return notes on allowed differences from an earlier run."""
        names = (("endpoint", earlier.endpoint, self.endpoint), ("profile", earlier.profile, self.profile))
        return [
            f"{output} was started with the {name} {was or 'none'}, now it is {now or 'none'}"
            for name, was, now in names
            if was != now and earlier.endpoint is not None
        ]


IN_FOLDER = "_run.json"  # beside the parts of a cluster's output


def path_beside(output: Path) -> Path:
    """Name the file that belongs to an output."""
    return Path(f"{output}.run")


def read(path: Path) -> RunFile | None:
    """Read what an earlier run wrote; None if there is no readable file."""
    try:
        with open(path, "rb", opener=without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            text = file.read(limits.RUN_FILE_BYTES + 1)
    except OSError:
        return None
    return parse(text) if len(text) <= limits.RUN_FILE_BYTES else None


def remove(path: Path) -> None:
    """Remove it, for good, if it is there. Raises OutputError."""
    try:
        path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{path} cannot be removed: {error.strerror}", hint="Check its folder.") from error
    atomic.sync_folder(path.parent)


def parse(text: bytes) -> RunFile | None:
    """Read what `as_bytes` gave; None for anything else."""
    try:
        fields = json.loads(text)
        if fields["version"] != _VERSION:
            return None
        index, count = fields["shard"]
        found = RunFile(
            input=Identity(**fields["input"]),
            parameters=fields["parameters"],
            output_format=fields["output_format"],
            shard=(index, count),
            rows=fields.get("rows"),
            is_pool=fields.get("is_pool") is True,
            endpoint=fields.get("endpoint"),
            profile=fields.get("profile"),
            all_runs=fields.get("all_runs") or {},
            files=tuple(Identity(**known) for known in fields.get("files") or ()),
            limit=fields.get("limit"),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if _is_sound(found) else None


def _is_sound(run: RunFile) -> bool:
    """Return whether all values have the types that a run writes: others may have edited the file."""
    index, count = run.shard
    return (
        isinstance(run.parameters, dict)
        and isinstance(run.all_runs, dict)
        and run.output_format in ("native", "openai")
        and type(index) is type(count) is int
        and 0 <= index < count
        and all(count is None or (type(count) is int and count >= 0) for count in (run.rows, run.limit))
        and all(isinstance(known.name, str) and type(known.size) is int for known in (run.input, *run.files))
        and all(text is None or isinstance(text, str) for text in (run.endpoint, run.profile))
    )


def _other_input(earlier: Identity, now: Identity) -> str:
    if earlier.size == now.size:
        return f"another input: {earlier.name} of {earlier.size} bytes, now of other content"
    grew = ", and it did not just grow by lines at its end" if now.size > earlier.size else ""
    return f"another input: {earlier.name} of {earlier.size} bytes, now {now.size}{grew}"


def _other_files(earlier: RunFile, now: RunFile) -> str | None:
    """Name the first file that a run before has read and that is another now; None where there was only one."""
    if len(earlier.files) < _SEVERAL:
        return None
    found = {known.name: known for known in now.files}
    for was in earlier.files:
        is_ = found.get(was.name)
        if is_ is None:
            return f"another input: {was.name} is no longer in it"
        if not is_.is_same(was):
            sizes = f"of {was.size} bytes, now {is_.size}" if is_.size != was.size else "now of other content"
            return f"another input: {was.name} in it {sizes}; it may only gain files, and lines at the end of the last"
    return None


def _differences(earlier: RunFile, now: RunFile) -> list[str]:
    found = []
    if earlier.shard != now.shard:
        found.append(f"another shard: {_shard(earlier)}, now {_shard(now)}")
    if earlier.output_format != now.output_format:
        found.append(f"another output format: {earlier.output_format}, now {now.output_format}")
    was, is_ = compared(earlier.parameters), compared(now.parameters)
    of_members = _OF_A_MEMBER if earlier.is_pool or now.is_pool else ()
    return found + [
        f"another {name}: {_short(earlier, name)}, now {_short(now, name)}"
        for name in sorted(was.keys() | is_.keys())
        if was.get(name) != is_.get(name) and name not in of_members
    ]


def _shard(run: RunFile) -> str:
    index, count = run.shard
    return f"{index}/{count}" if count > 1 else "none"


def compared(parameters: Mapping[str, Json]) -> dict[str, str]:
    """Return parameters as texts that tell true from 1 and null from nothing, where it is sent, but not 1.0 from 1."""
    sent = {name: value for name, value in parameters.items() if value is not None or name.startswith(EXTRA)}
    found = {name: json.loads(wire.dumps(value), parse_float=_number) for name, value in sent.items()}
    return {name: json.dumps(value, sort_keys=True) for name, value in found.items()}


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _short(run: RunFile, name: str) -> str:
    if name.startswith(EXTRA) and name not in run.parameters:
        return "none"
    text = wire.dumps(run.parameters.get(name))
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"
