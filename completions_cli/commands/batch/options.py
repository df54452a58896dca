"""The options that only `batch` has."""

from dataclasses import field
from typing import Annotated

import typer

from completions_cli.commands.common_options import CommonOptions, Panel
from completions_cli.commands.option_groups import option_group
from completions_cli.commands.options import ConnectionOptions, ParameterOptions

_rows = Panel("Rows and output")
_pace = Panel("Pace")
_cluster = Panel("Beyond one machine")
_stop = Panel("When to stop")


@option_group
class RowOptions:
    """Which rows are asked, and what is written."""

    output: Annotated[
        str | None, _rows("--output", "-o", metavar="FILE", help="File for the answers, one line per row; resumable.")
    ] = None
    input_format: Annotated[
        str | None,
        _rows("--input-format", metavar="KIND", help="jsonl, json, txt, csv, tsv or parquet. (default: detected)"),
    ] = None
    template: Annotated[
        str | None,
        _rows(
            "--template",
            metavar="TEXT|@FILE",
            help="Build each prompt from fields, such as 'Translate: {text}'; {a.b} is nested, {{ is a brace.",
        ),
    ] = None
    escapes: Annotated[
        bool, _rows("--escapes", "-E", help=r"Decode \n, \t, \xHH, \uXXXX in --template and --stop.")
    ] = False
    send_fields: Annotated[
        list[str], _rows("--send-fields", metavar="A,B", help="Fields or columns to send as parameters.")
    ] = field(default_factory=list)
    keep_columns: Annotated[
        list[str],
        _rows(
            "--keep-columns",
            metavar="A,B|all|none",
            help="Columns to copy to the output as metadata. (default all but the prompt)",
        ),
    ] = field(default_factory=list)
    keep_prompt: Annotated[bool, _rows("--keep-prompt", help="Write each prompt beside its answer.")] = False
    delimiter: Annotated[
        str | None, _rows("--delimiter", metavar="C", help="Separator of a table's columns. (default: detected)")
    ] = None
    output_format: Annotated[
        str | None,
        _rows(
            "--output-format", metavar="KIND", help="native or openai. (default native; openai for OpenAI batch input)"
        ),
    ] = None
    samples: Annotated[int, _rows.number("--samples", "-n", metavar="K", help="Completions per prompt.")] = 1
    pack: Annotated[int, _rows.number("--pack", metavar="K", help="Rows to send in one request.")] = 1
    limit: Annotated[int | None, _rows.number("--limit", metavar="N", help="Send only the first N rows.")] = None
    shard: Annotated[
        str | None, _rows("--shard", metavar="I/N", help="Send only every N-th row, starting at row I (from 0).")
    ] = None
    ordered: Annotated[bool, _rows("--ordered", help="Sort the output into input order at the end.")] = False
    retry_failed: Annotated[
        str | None,
        _rows(
            "--retry-failed",
            metavar="[=retryable]",
            help="Retry the rows that failed; =retryable: only those that may succeed now.",
        ),
    ] = None
    adopt: Annotated[bool, _rows("--adopt", help="Resume an output whose .run file is missing.")] = False
    mixed_models: Annotated[bool, _rows("--mixed-models", help="Resume even if another model answers.")] = False
    overwrite: Annotated[bool, _rows("--overwrite", help="Start over and replace the output.")] = False
    plan: Annotated[bool, _rows("--plan", help="Check all rows and estimate tokens and cost; send nothing.")] = False
    summary: Annotated[str | None, _rows("--summary", metavar="FILE|-", help="Write the run's totals as JSON.")] = None


@option_group
class PaceOptions:
    """How fast requests go out."""

    concurrency: Annotated[
        str | None,
        _pace(
            "--concurrency",
            "-j",
            metavar="auto|N",
            help="Maximum number of requests in flight. (default auto, which adapts)",
        ),
    ] = None
    rpm: Annotated[float | None, _pace.number("--rpm", metavar="N", help="Maximum requests per minute.")] = None
    tpm: Annotated[float | None, _pace.number("--tpm", metavar="N", help="Maximum tokens per minute.")] = None
    share: Annotated[
        str | None,
        _pace("--share", metavar="NAME", help="Share one pace with all runs on this machine that have this NAME."),
    ] = None


@option_group
class PoolOptions:
    """Several profiles used together."""

    hedge: Annotated[
        bool,
        _pace("--hedge", help="Also ask an idle profile for the last rows of a slow one; you pay for both answers."),
    ] = False


@option_group
class StopOptions:
    """When a run stops before the end of its input; it can be resumed."""

    max_tokens_total: Annotated[
        int | None, _stop.number("--max-tokens-total", metavar="N", help="Stop when this run has used N tokens.")
    ] = None
    max_cost: Annotated[
        float | None, _stop.number("--max-cost", metavar="X", help="Stop when this run has cost X; needs prices.")
    ] = None
    price_in: Annotated[
        float | None, _stop.number("--price-in", metavar="X", help="Price per million prompt tokens.")
    ] = None
    price_out: Annotated[
        float | None, _stop.number("--price-out", metavar="X", help="Price per million completion tokens.")
    ] = None
    max_errors: Annotated[
        str | None,
        _stop(
            "--max-errors", metavar="N|P%", help="Stop when N rows have failed, or P% of the rows (after the first 50)."
        ),
    ] = None
    fail_fast: Annotated[bool, _stop("--fail-fast", help="Stop at the first row that fails.")] = False


@option_group
class ClusterOptions:
    """Where the work is done: here, or by the machines of a Ray cluster."""

    engine: Annotated[
        str, _cluster("--engine", metavar="KIND", help="local, or ray, whose OUTPUT is a folder of part files.")
    ] = "local"
    address: Annotated[
        str | None,
        _cluster(
            "--address",
            metavar="ADDR",
            help="HOST:PORT of the head node of the cluster, or auto. (default this machine)",
        ),
    ] = None
    workers: Annotated[
        str | None, _cluster("--workers", metavar="MIN:MAX", help="Number of workers, one per machine. (default all)")
    ] = None
    parts: Annotated[
        str | None,
        _cluster("--parts", metavar="KIND", help="Format of the part files: jsonl or parquet. (default jsonl)"),
    ] = None


@option_group
class BatchOptions:
    """Everything that `batch` takes."""

    rows: RowOptions
    pace: PaceOptions
    pool: PoolOptions
    stop: StopOptions
    cluster: ClusterOptions
    params: ParameterOptions
    connection: ConnectionOptions
    common: CommonOptions
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT", help="A .jsonl, .json, .txt, .csv, .tsv or .parquet file (also .gz), or - for stdin."
        ),
    ]
