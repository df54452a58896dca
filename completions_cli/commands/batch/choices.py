"""What was typed for a batch, checked and put into the words of the batch itself."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from completions_cli import paths
from completions_cli.api.retry import RetryPolicy
from completions_cli.batch.budget import Budget, ErrorLimit, Prices
from completions_cli.batch.cluster import bounds
from completions_cli.batch.cluster.parts import PartKind
from completions_cli.batch.formats import OutputFormat
from completions_cli.batch.inputs.kinds import FORMATS, Format
from completions_cli.batch.recipe import Recipe
from completions_cli.batch.recovery import Retry
from completions_cli.batch.rows import Defaults
from completions_cli.batch.selection import Selection
from completions_cli.batch.sharing.limits import checked_name
from completions_cli.batch.template import Template
from completions_cli.commands.batch import words
from completions_cli.commands.batch.options import BatchOptions, ClusterOptions, RowOptions, StopOptions
from completions_cli.errors import UsageError
from completions_cli.models import Json
from completions_cli.settings.pool import Limits, Pool
from completions_cli.settings.resolve import Settings

_BACKOFF_CAP = 30.0  # seconds, between two attempts

_ENGINES: tuple[Literal["local", "ray"], ...] = ("local", "ray")
_PART_KINDS: tuple[PartKind, ...] = ("jsonl", "parquet")
_RETRIES: tuple[Retry, ...] = ("all", "retryable")
# Names of outputs that promise what they would not hold.
_OTHER_KINDS = frozenset(
    (".csv", ".tsv", ".parquet", ".xlsx", ".xls", ".ods", ".arrow", ".feather", ".avro", ".orc", ".db", ".sqlite")
) | frozenset((".gz", ".zst", ".bz2", ".xz", ".zip", ".lz4", ".br", ".7z", ".tgz"))
_OUTPUT_FORMATS: tuple[OutputFormat, ...] = ("native", "openai")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterChoices:
    """What was typed for a cluster, checked."""

    address: str | None
    parts: PartKind
    workers: bounds.Bounds
    input_format: Format | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What was typed for a batch, checked. `cluster` is None where the work is done on this machine.

    `output` is as it was typed: a file here, a folder on a cluster, and a plan needs none.
    """

    input: str
    output: str | None
    input_format: Format | None
    output_format: OutputFormat | None
    recipe: Recipe
    delimiter: str | None
    samples: int
    pack: int
    selection: Selection
    ordered: bool
    retry_failed: Retry | None
    adopt: bool
    mixed_models: bool
    overwrite: bool
    plan: bool
    summary: str | None
    in_flight: int | None
    is_in_flight_typed: bool
    rpm: float | None
    tpm: float | None
    share: str | None
    hedge: bool
    budget: Budget
    cluster: ClusterChoices | None


def parse(options: BatchOptions, verbs: Iterable[str] = ()) -> Choices:
    """Check what was typed. `verbs` are the words that mean something else than INPUT. Raises UsageError."""
    rows, pace = options.rows, options.pace
    is_on_ray = _is_on_ray(options.cluster)
    return Choices(
        input=_input(options.source, verbs),
        output=rows.output,
        input_format=None if is_on_ray else words.word("--input-format", rows.input_format, FORMATS),
        output_format=words.word("--output-format", rows.output_format, _OUTPUT_FORMATS),
        recipe=_recipe(rows),
        delimiter=words.delimiter(rows.delimiter),
        samples=rows.samples,
        pack=rows.pack,
        selection=Selection(*words.shard(rows.shard), rows.limit),
        ordered=rows.ordered,
        retry_failed=words.word("--retry-failed", rows.retry_failed, _RETRIES),
        adopt=rows.adopt,
        mixed_models=rows.mixed_models,
        overwrite=rows.overwrite,
        plan=rows.plan,
        summary=rows.summary,
        in_flight=words.in_flight(pace.concurrency or "auto"),
        is_in_flight_typed=pace.concurrency is not None,
        rpm=pace.rpm,
        tpm=pace.tpm,
        share=_share(pace.share, is_on_ray=is_on_ray),
        hedge=options.pool.hedge,
        budget=_budget(options.stop),
        cluster=_cluster(options.cluster, rows) if is_on_ray else None,
    )


def files(options: BatchOptions, chosen: Choices) -> dict[str, str]:
    """Return the paths of the files that a batch uses, by what they are called."""
    found = {"INPUT": chosen.input, "OUTPUT": chosen.output, "--config": options.common.config}
    if chosen.output is not None:
        found["OUTPUT.run"] = f"{output_path(chosen.output)}.run"
    if options.rows.template is not None and options.rows.template.startswith("@"):
        found["--template"] = options.rows.template[1:]
    for item in options.params.extras.extra:
        name, _, text = item.partition("=")
        if text.startswith("@"):
            found[f"-x {name}"] = text[1:]
    return {name: path for name, path in found.items() if path not in (None, "-")}


def completed(chosen: Choices, pool: Pool) -> Choices:
    """Fill in what was not typed from the profile, or from the pool: its limits and its prices. Raises UsageError."""
    if chosen.hedge and not pool.is_pool:
        raise UsageError("--hedge needs several profiles", hint="For example: -p east -p west.")
    limits = pool.limits if pool.is_pool else Limits.of(pool.first.values)
    every = {prices_of(settings, chosen) for settings in pool.members}
    if chosen.budget.cost is not None and None in every:
        raise UsageError("--max-cost needs --price-in and --price-out", hint="Both per million tokens.")
    return replace(
        chosen,
        in_flight=chosen.in_flight if chosen.is_in_flight_typed else limits.concurrency,
        rpm=limits.rpm if chosen.rpm is None else chosen.rpm,
        tpm=limits.tpm if chosen.tpm is None else chosen.tpm,
        budget=replace(chosen.budget, prices=every.pop() if len(every) == 1 else None),
    )


def prices_of(settings: Settings, chosen: Choices) -> Prices | None:
    """Return what the tokens of a profile cost: what was typed holds for all of them. Raises UsageError."""
    values = settings.values
    return chosen.budget.prices or _prices(values["price_in"], values["price_out"], "price_in", "price_out")


def check_alike(pool: Pool) -> None:
    """Refuse members that would ask a row different things. Raises UsageError."""
    first, *others = [_asked(settings) for settings in pool.members]
    for other, settings in zip(others, pool.members[1:], strict=True):
        for name in sorted(first.keys() | other.keys()):
            if first.get(name) != other.get(name):
                raise UsageError(
                    f"{pool.first.profile} and {settings.profile} differ in {name}, and a row may go to either",
                    hint="Set it in a pool of these profiles, or with an option.",
                )


def _asked(settings: Settings) -> dict[str, Json]:
    extra = {f"extra.{name}": value for name, value in settings.extra.items()}
    return {**settings.parameters, **extra, "infill": settings.values["infill"]}


def defaults(pool: Pool) -> Defaults:
    """Return what every row is asked unless it says otherwise. A model that not all members name is left to each."""
    first = pool.first
    return Defaults(first.parameters, first.extra, agreed(pool, "model"), first.values["infill"])


def agreed(pool: Pool, name: Literal["model", "deployment", "extra_parameters"]) -> str | None:
    """Return the value that a setting has in all members, else None."""
    found = {settings.values[name] for settings in pool.members}
    return found.pop() if len(found) == 1 else None


def retry_policy(settings: Settings) -> RetryPolicy:
    """Return how patient a batch is: more than a call that someone waits for."""
    return RetryPolicy(settings.values["retries"], settings.values["max_wait"], cap=_BACKOFF_CAP)


def output(text: str | None) -> Path:
    """Read --output: a file, for a batch keeps its place there."""
    if text is None:
        raise UsageError("no output was given", hint="Name one with -o, for example: -o answers.jsonl")
    if text == "-":
        raise UsageError(
            "the answers of a batch go to a file, not to stdout",
            hint="A batch records its progress there. For example: -o out.jsonl",
        )
    path = paths.expanded(text)
    if path.suffix.lower() in _OTHER_KINDS:
        raise UsageError(
            f"{path.name}: the output of a batch is JSON lines, whatever its name says",
            hint=f"Name it .jsonl; `completions batch export OUTPUT -o {path.stem}.csv` then makes a table of it.",
        )
    return output_path(text)


def output_path(text: str) -> Path:
    """Return the path of an OUTPUT; a link to a file stands for that file, one to a pipe or device for itself."""
    path = paths.expanded(text)
    leads_on = paths.is_link(path) and (paths.is_file(path) or not path.exists())
    return paths.real(path) if leads_on else path


def output_format(chosen: Choices, *, is_openai: bool) -> OutputFormat:
    """Return the format of the lines out; unsaid, it is of the input's kind."""
    return chosen.output_format or ("openai" if is_openai else "native")


def _recipe(rows: RowOptions) -> Recipe:
    """Read what becomes of the fields of a row."""
    template = None if rows.template is None else Template(words.template(rows.template, escapes=rows.escapes))
    keep = ",".join(rows.keep_columns) or "all"
    known = {"all": None, "none": frozenset[str]()}
    return Recipe(
        template,
        words.names(",".join(rows.send_fields), "--send-fields") if rows.send_fields else frozenset(),
        known[keep] if keep in known else words.names(keep, "--keep-columns"),
        keep_prompt=rows.keep_prompt,
    )


def _input(typed: list[str], verbs: Iterable[str]) -> str:
    if len(typed) == 1:
        return typed[0]
    if typed[0] in verbs:
        raise UsageError(f"{typed[0]} comes before the options", hint=f"completions batch {typed[0]} --help")
    raise UsageError(
        f"one INPUT at a time, not {len(typed)}", hint="Pipe several in: cat a.jsonl b.jsonl | completions batch -"
    )


def _share(name: str | None, *, is_on_ray: bool) -> str | None:
    if name is not None and is_on_ray:
        raise UsageError("a cluster already has a common pace", hint="Leave out --share, or leave out --engine ray.")
    return None if name is None else checked_name(name)


def _is_on_ray(cluster: ClusterOptions) -> bool:
    """Read --engine; options for a cluster go with it."""
    is_on_ray = words.word("--engine", cluster.engine, _ENGINES) == "ray"
    if not is_on_ray and (cluster.address, cluster.workers, cluster.parts) != (None, None, None):
        raise UsageError("--address, --workers and --parts are for clusters", hint="Add --engine ray.")
    return is_on_ray


def _cluster(cluster: ClusterOptions, rows: RowOptions) -> ClusterChoices:
    return ClusterChoices(
        address=cluster.address,
        parts=words.word("--parts", cluster.parts, _PART_KINDS) or "jsonl",
        workers=words.workers(cluster.workers),
        input_format=words.word("--input-format", rows.input_format, FORMATS),
    )


def _budget(stop: StopOptions) -> Budget:
    """Read the options on when to stop."""
    if stop.fail_fast and stop.max_errors is not None:
        raise UsageError("--fail-fast and --max-errors cannot be used together", hint="--fail-fast is --max-errors 1.")
    prices = _prices(stop.price_in, stop.price_out, "--price-in", "--price-out")
    errors = ErrorLimit(count=1) if stop.fail_fast else words.error_limit(stop.max_errors)
    return Budget(stop.max_tokens_total, stop.max_cost, prices, errors)


def _prices(prompt: float | None, completion: float | None, *names: str) -> Prices | None:
    """Read two prices, which are called by these names where one of them is missing."""
    if prompt is not None and completion is not None:
        return Prices(prompt, completion)
    if prompt is None and completion is None:
        return None
    raise UsageError(f"prices are given in pairs: {' and '.join(names)}", hint="Per million tokens; 0 is a price.")
