"""`completions batch --plan`: what a run would do, and nothing sent."""

from collections.abc import Callable
from functools import partial

from completions_cli.batch import entry, plan, recovery, repeated_ids, run_file
from completions_cli.batch import source as sources
from completions_cli.batch.budget import Budget
from completions_cli.batch.plan import Plan
from completions_cli.batch.recovery import Recovered
from completions_cli.batch.run_file import RunFile
from completions_cli.batch.source import Source
from completions_cli.batch.units import Packer
from completions_cli.commands.batch import choices, run_description
from completions_cli.commands.batch.choices import Choices
from completions_cli.settings.pool import Limits, Pool
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams, visible


def run(streams: Streams, chosen: Choices, pool: Pool) -> None:
    """Print the plan."""
    if chosen.cluster is not None:
        from completions_cli.commands.batch import cluster_plan

        found = cluster_plan.draw_up(streams, chosen, chosen.cluster, pool)
    else:
        found = _draw_up(streams, chosen, pool)
    lines = _lines(found, chosen.budget) + ([_members(pool)] if pool.is_pool else [])
    text = "\n".join(lines) + "\n"
    streams.stdout.write((visible(text) if streams.stdout.is_terminal else text).encode("utf-8", "replace"))


def _draw_up(streams: Streams, chosen: Choices, pool: Pool) -> Plan:
    source = sources.open_source(
        chosen.input,
        kind=chosen.input_format,
        recipe=chosen.recipe,
        delimiter=chosen.delimiter,
        stdin=streams.open_stdin,
        spool_folder=None,
    )
    for line in source.survey().notes:
        streams.stderr.note(line)
    done = _done(chosen, source, lambda: run_description.run_file(chosen, pool, source))
    packer = Packer(choices.defaults(pool), chosen.samples, chosen.pack)
    settled = done.settled(chosen.retry_failed)
    rows = source.rows(lambda number: number in chosen.selection and not settled(number))
    found = plan.draw_up([repeated_ids.watched(rows, streams.stderr.note)], packer)
    found.done = len(done.done) - done.again(chosen.retry_failed)
    source.close()
    return found


def _done(chosen: Choices, source: Source, describe: Callable[[], RunFile]) -> Recovered:
    """Look up which rows an output has already; it is only read. Raises UsageError when it is of another run."""
    nothing = Recovered()
    if chosen.output is None or chosen.overwrite:
        return nothing
    path = choices.output(chosen.output)
    known = run_file.read(run_file.path_beside(path))
    if known is None or not path.is_file():
        return nothing
    now = describe()
    now.check(known, path, has_grown=source.has_grown_since)
    reader = partial(entry.read, output_format=known.output_format)
    return recovery.scan(path, reader, row_total=now.rows).found


def _lines(found: Plan, budget: Budget) -> list[str]:
    before = f", {found.done} already done" if found.done else ""
    lines = [f"rows: {found.rows - found.bad_rows} to send, {found.bad_rows} bad{before}"]
    lines += [f"bad row {number}: {reason}" for number, reason in found.bad]
    if found.bad_rows > len(found.bad):
        lines.append(f"and {found.bad_rows - len(found.bad)} more bad rows")
    lines.append(f"requests: {found.requests}")
    lines.append(f"tokens: about {found.prompt_tokens} in prompts, at most {found.completion_tokens} in completions")
    if budget.prices is not None:
        least = budget.prices.cost(found.prompt_tokens, 0)
        most = budget.prices.cost(found.prompt_tokens, found.completion_tokens)
        lines.append(f"cost: {least:.4f} for the prompts, at most {most:.4f} in all")
    return lines + _fields(found)


def _members(pool: Pool) -> str:
    """Name the profiles that share the rows, each with the limits of its own."""
    return "profiles: " + ", ".join(f"{settings.profile}{_limited(settings)}" for settings in pool.members)


def _limited(settings: Settings) -> str:
    units = ("requests per minute", "tokens per minute", "requests in flight")
    found = zip(Limits.of(settings.values), units, strict=True)
    said = [f"{value:g} {what}" for value, what in found if value is not None]
    return f" ({', '.join(said)})" if said else ""


def _fields(found: Plan) -> list[str]:
    """List what is sent and what is kept, with the number of rows that have it where not all do."""
    asked = found.rows - found.bad_rows
    sent = [f"{name}{_some(count, asked)}" for name, count in found.sent.items()]
    kept = [f"{name}{_some(count, asked)}" for name, count in found.kept.items()]
    lines = [f"sent: {', '.join(sent)}"] if sent else []
    return lines + ([f"kept as metadata, not sent: {', '.join(kept)}"] if kept else [])


def _some(count: int, rows: int) -> str:
    return "" if count == rows else f" ({count} of {rows} rows)"
