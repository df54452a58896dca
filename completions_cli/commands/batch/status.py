"""`completions batch status`: what an output holds, at any time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from completions_cli import paths
from completions_cli.commands.common_options import Panel, ToolOptions
from completions_cli.commands.help_pages import Command
from completions_cli.commands.option_groups import option_group, with_options
from completions_cli.models import Json
from completions_cli.streams import Streams, visible

if TYPE_CHECKING:
    from completions_cli.batch.outputs import Outputs
    from completions_cli.batch.recovery import Recovered

app = typer.Typer(add_completion=False)
_options = Panel("Options")
_FORMATS = ("text", "json")
_TOOK = (
    "requests", "retries", "throttled", "prompt_tokens", "completion_tokens", "total_tokens", "cost", "seconds",
    "stopped_by",
)  # fmt: skip


@option_group
class StatusOptions:
    """Everything that `batch status` takes."""

    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="The output of a batch, or a cluster's folder.")]
    format: Annotated[
        str,
        _options.word("--format", "-F", metavar="KIND", known=_FORMATS, help="text or json."),
    ] = "text"
    common: ToolOptions


@app.command(cls=Command)
@with_options
def status(streams: Streams, options: StatusOptions) -> None:
    """Show what an output holds and what needs attention, during a batch or after it."""
    import json  # the help goes without them

    from completions_cli.batch import closing, outputs
    from completions_cli.batch.cluster import staging

    streams.wants_json = options.format == "json"
    with staging.local([options.output], None) as places:
        found = outputs.find(places)
        state = found.read()
    if options.format == "json":
        streams.stdout.json_line(json.dumps(_document(options.output, found, state), ensure_ascii=False))
        return
    text = "\n".join([*_lines(options.output, found, state), *closing.lines(state)]) + "\n"
    streams.stdout.write((visible(text) if streams.stdout.is_terminal else text).encode("utf-8", "replace"))


def _document(output: str, found: "Outputs", state: "Recovered") -> dict[str, Json]:
    wanted = found.row_total()
    return {
        "output": output,
        "rows": len(state.done),
        "ok": state.ok,
        "failed": dict(state.failed),
        "retryable": len(state.retryable),
        "finish_reasons": dict(state.finish_reasons),
        "models": dict(state.models),
        "profiles": dict(state.profiles),
        "input_rows": wanted,
        "missing": None if wanted is None else max(0, wanted - len(state.done)),
        **{name: found.recorded_totals().get(name) for name in _TOOK},
        "rows_not_in_totals": found.uncounted(len(state.done)),
    }


def _lines(output: str, found: "Outputs", state: "Recovered") -> list[str]:
    wanted, rows, failed = found.row_total(), len(state.done), state.failed
    kinds = ", ".join(f"{count} {kind}" for kind, count in failed.most_common())
    of = "" if wanted is None else f" of {wanted}"
    counts = f"{state.ok} ok, {failed.total()} failed{f' ({kinds})' if kinds else ''}"
    lines = [f"{paths.on_a_line(output)}: {rows}{of} rows; {counts}"]
    if wanted is not None and wanted > rows:
        without = f", without --limit {found.run.limit}" if found.run is not None and found.run.limit else ""
        missing = _rows(wanted - rows)
        lines.append(f"missing: {missing}; to complete them, run the same batch command again{without}")
    if state.torn:
        lines.append("the last line is incomplete: a run is writing it, or was killed; the next run repairs it")
    if len(state.profiles) > 1:
        lines.append("answered: " + ", ".join(f"{count} by {name}" for name, count in state.profiles.most_common()))
    return lines + _took(found.recorded_totals()) + _uncounted(found.uncounted(rows))


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _uncounted(rows: int | None) -> list[str]:
    return [f"not in the totals: {_rows(rows)}; totals are recorded every 10 s and when a run ends"] if rows else []


def _took(took: Mapping[str, Json]) -> list[str]:
    if not took:
        return []
    cost = f", cost {took['cost']:.4f}" if isinstance(took.get("cost"), int | float) else ""
    from completions_cli.batch import closing

    asked, retries = took.get("requests", 0), took.get("retries", 0)
    requests = closing.requests(asked, retries, took.get("throttled", 0))
    tokens = f"{took.get('prompt_tokens', 0)} + {took.get('completion_tokens', 0)} tokens{cost}"
    return [f"all runs: {requests}; {tokens}"]
