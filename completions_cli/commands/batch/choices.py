"""What was typed for a batch, checked and put into the words of the batch itself."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from completions_cli.api.retry import RetryPolicy
from completions_cli.batch.budget import Budget, ErrorLimit, Prices
from completions_cli.batch.cluster.parts import Kind, PartKind
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.run_file import RunFile
from completions_cli.batch.source import Format, Source
from completions_cli.batch.template import Template
from completions_cli.commands.batch.options import ClusterOptions, RowOptions, StopOptions
from completions_cli.errors import UsageError
from completions_cli.models import Json
from completions_cli.settings.resolve import Settings

_BACKOFF_CAP = 30.0  # seconds, between two attempts
_Word = TypeVar("_Word", bound=str)

_ENGINES: tuple[Literal["local", "ray"], ...] = ("local", "ray")
_PART_KINDS: tuple[PartKind, ...] = ("jsonl", "parquet")
_FORMATS: tuple[Format, ...] = ("jsonl", "txt", "csv")
_MOST_IN_FLIGHT = 10_000  # sockets are finite
_CLUSTER_FORMATS: tuple[Kind, ...] = (*_FORMATS, "parquet")
_OUTPUT_FORMATS: tuple[OutputFormat, ...] = ("native", "openai")


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return how patient a batch is: more than a call that someone waits for."""
    return RetryPolicy(settings.values["retries"], settings.values["max_wait"], cap=_BACKOFF_CAP)


def concurrency(text: str) -> int | None:
    """Read -j; None is auto."""
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= _MOST_IN_FLIGHT:
        raise UsageError(f"-j must be auto or a number from 1 to {_MOST_IN_FLIGHT}, not {text!r}")
    return int(text)


def input_format(text: str | None) -> Format | None:
    """Read --input-format."""
    return None if text is None else _one_of("--input-format", text, _FORMATS)


def output_format(text: str | None, *, is_openai: bool) -> OutputFormat:
    """Read --output-format; unsaid, the output is of the input's kind."""
    if text is not None:
        return _one_of("--output-format", text, _OUTPUT_FORMATS)
    return "openai" if is_openai else "native"


def template(text: str | None) -> Template | None:
    """Read --template."""
    return None if text is None else Template(text)


def output(text: str | None) -> Path:
    """Read --output: a file, for a batch keeps its place there."""
    if text is None:
        raise UsageError("where should the answers go?", hint="Name a file with -o OUTPUT.")
    if text == "-":
        raise UsageError(
            "the answers of a batch go to a file, not to stdout", hint="A batch keeps its place there: -o out.jsonl."
        )
    path = Path(text).expanduser()
    return path.resolve() if path.is_symlink() else path


def shard(text: str | None) -> tuple[int, int]:
    """Read --shard as (index, count); unsaid, everything is one shard."""
    if text is None:
        return 0, 1
    found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
    if not found or int(found[1]) >= int(found[2]):
        raise UsageError(
            f"--shard {text!r} is not I/N with I from 0 to N-1", hint="The first of four shards is --shard 0/4."
        )
    return int(found[1]), int(found[2])


def wanted(rows: RowOptions, done: Callable[[int], bool]) -> Callable[[int], bool]:
    """Make the test for the rows to be asked: of this shard, within the limit, not done."""
    index, count = shard(rows.shard)
    end = float("inf") if rows.limit is None else rows.limit * count + index
    return lambda number: number % count == index and number < end and not done(number)


def total_rows(rows: RowOptions, lines: int | None) -> int | None:
    """Work out how many rows the run is about, given the lines of its input."""
    if lines is None:
        return None
    index, count = shard(rows.shard)
    own = max(0, -(-(lines - index) // count))
    return own if rows.limit is None else min(own, rows.limit)


def budget(stop: StopOptions) -> Budget:
    """Read the options on when to stop."""
    if stop.fail_fast and stop.max_errors is not None:
        raise UsageError("--fail-fast and --max-errors exclude each other", hint="--fail-fast is --max-errors 1.")
    if (stop.price_in is None) != (stop.price_out is None):
        raise UsageError("prices come in pairs: --price-in and --price-out", hint="Per million tokens; 0 is a price.")
    prices = None
    if stop.price_in is not None and stop.price_out is not None:
        prices = Prices(stop.price_in, stop.price_out)
    if stop.max_cost is not None and prices is None:
        raise UsageError("--max-cost needs --price-in and --price-out", hint="Both per million tokens.")
    errors = ErrorLimit(count=1) if stop.fail_fast else _error_limit(stop.max_errors)
    return Budget(stop.max_tokens_total, stop.max_cost, prices, errors)


def is_on_ray(cluster: ClusterOptions) -> bool:
    """Read --engine; options for a cluster go with it."""
    is_on_ray = _one_of("--engine", cluster.engine, _ENGINES) == "ray"
    if not is_on_ray and (cluster.address is not None or cluster.parts is not None):
        raise UsageError("--address and --parts are for clusters", hint="Add --engine ray.")
    return is_on_ray


def part_kind(text: str | None) -> PartKind:
    """Read --parts."""
    return "jsonl" if text is None else _one_of("--parts", text, _PART_KINDS)


def cluster_input_format(text: str | None) -> Kind | None:
    """Read --input-format, where tables may be Parquet too."""
    return None if text is None else _one_of("--input-format", text, _CLUSTER_FORMATS)


def run_file(rows: RowOptions, settings: Settings, source: Source) -> RunFile:
    """Describe the run: everything that decides what its rows are asked."""
    kind = output_format(rows.output_format, is_openai=source.is_openai())
    return RunFile(source.identity(), run_parameters(rows, settings, source.kind), kind, shard(rows.shard))


def run_parameters(rows: RowOptions, settings: Settings, input_format: str) -> dict[str, Json]:
    """Collect what decides what rows are asked, their own words aside."""
    return {
        **settings.parameters,
        **{f"extra {name}": value for name, value in settings.extra.items()},
        "model": settings.values["model"],
        "deployment": settings.values["deployment"],
        "extra_parameters": settings.values["extra_parameters"],
        "samples": rows.samples,
        "template": rows.template,
        "input_format": input_format,
    }


def _error_limit(text: str | None) -> ErrorLimit | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,12})|(\d{1,3}(?:\.\d+)?)%", text)
    if not found or (found[1] and int(found[1]) == 0):
        raise UsageError(f"--max-errors {text!r} is neither a number from 1 nor a percentage", hint="As in 10 or 5%.")
    return ErrorLimit(count=int(found[1])) if found[1] else ErrorLimit(share=float(found[2]) / 100)


def _one_of(name: str, text: str, words: tuple[_Word, ...]) -> _Word:
    for word in words:
        if word == text:
            return word
    raise UsageError(f"{name} must be {' or '.join(words)}, not {text!r}")
