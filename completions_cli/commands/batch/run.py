"""The path of `completions batch`: options to settings, rows to answers, totals to words and an exit code."""

import asyncio
import contextlib
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from completions_cli.batch import repeated_ids, run_file, workspace
from completions_cli.batch import source as sources
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.pool.hedging import Hedging
from completions_cli.batch.runner import Runner, Tools
from completions_cli.batch.settling import Rules
from completions_cli.batch.source import Source
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.batch.units import Packer
from completions_cli.batch.workspace import Workspace
from completions_cli.commands import overwriting
from completions_cli.commands.batch import choices, members, process, report, run_description
from completions_cli.commands.batch.choices import Choices
from completions_cli.errors import OutputError, UsageError
from completions_cli.pacing.gate import Gate
from completions_cli.render.batch_progress import Progress, Snapshot
from completions_cli.settings.pool import Pool
from completions_cli.streams import Streams

if TYPE_CHECKING:
    from completions_cli.batch.sharing.member import SharedGate

_SAVE_SECONDS = 10.0


def run(streams: Streams, chosen: Choices, pool: Pool) -> None:
    """Run `batch` on this machine."""
    if chosen.share is not None and pool.is_pool:
        raise UsageError("--share takes one profile, not several", hint="Name one with -p, or leave out --share.")
    output = choices.output(chosen.output)
    with ExitStack() as stack:
        targets = members.targets(stack, pool, streams)
        space, source = _open(stack, streams, output, chosen, pool)
        totals = Totals.after(space.recovered, chosen.budget.prices)
        if any(settings.values["price_in"] is not None for settings in pool.members) and totals.prices is None:
            totals.spent = 0.0
        progress = Progress(streams)
        job = _Job(
            streams=streams,
            pool=pool,
            targets=targets,
            chosen=chosen,
            source=source,
            space=space,
            totals=totals,
            rules=Rules(
                choices.retry_policy(pool.first),
                chosen.budget,
                space.run.output_format,
                limits_errors=chosen.budget.errors is not None,
                limits_usage=chosen.budget.is_limited,
            ),
            progress=progress,
        )
        ending = job.run()
        if ending is None or ending.reason != "output":
            space.tidy(replaced=totals.replaced > 0, ordered=chosen.ordered and ending is None)
            space.save(totals.all_runs(space.run.all_runs))
    progress.summary(totals, output, ending.reason if ending else None)
    report.write_summary(chosen.summary, totals, streams, space.run.all_runs)
    report.raise_ending(totals, ending)


def _open(stack: ExitStack, streams: Streams, output: Path, chosen: Choices, pool: Pool) -> tuple[Workspace, Source]:
    """Open input and output: recognised, locked and mended."""
    path = chosen.input
    if path == "-" and streams.stdin_is_terminal:
        raise UsageError("no input", hint="Name a file, or pipe rows in.")

    def opened() -> Source:
        source = sources.open_source(
            path,
            kind=chosen.input_format,
            recipe=chosen.recipe,
            delimiter=chosen.delimiter,
            stdin=streams.open_stdin,
            spool_folder=output.parent,
        )
        stack.callback(source.close)
        source.survey()
        return source

    # A file that is no input leaves no trace; a pipe is only read once the output is ours.
    early = None if path == "-" else opened()
    if early is not None:
        _refuse_same_file(early, output)
    overwriting.check_records(output, "-o")
    journal = workspace.opened(output)
    stack.callback(journal.close)
    try:
        source = early or opened()
        space = workspace.prepare(
            journal,
            lambda: run_description.run_file(chosen, pool, source),
            overwrite=chosen.overwrite,
            adopt=chosen.adopt,
            has_grown=source.has_grown_since,
        )
    except BaseException:
        journal.discard()
        raise
    _tell(streams, space, source)
    return space, source


def _refuse_same_file(source: Source, output: Path) -> None:
    if source.is_same_file(output):
        raise UsageError("INPUT and OUTPUT are the same file", hint="Choose another OUTPUT.")
    if source.is_same_file(run_file.path_beside(output)):
        raise UsageError("INPUT has the name of the file that belongs to OUTPUT", hint="Choose another OUTPUT.")


def _tell(streams: Streams, space: Workspace, source: Source) -> None:
    """Print the notes on OUTPUT and INPUT."""
    lock = space.journal.lock
    for note in [*([lock.note] if lock.note else []), *space.notes]:
        streams.stderr.note(f"note: {note}")
    for line in source.survey().notes:
        streams.stderr.note(line)
    if source.lines == 0:
        streams.stderr.note(f"note: {source.name} has no rows: there is nothing to send")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One run, put together."""

    streams: Streams
    pool: Pool
    targets: list[members.Target]
    chosen: Choices
    source: Source
    space: Workspace
    totals: Totals
    rules: Rules
    progress: Progress

    def run(self) -> Ending | None:
        """Run the event loop until the batch is done or stopped."""
        started = time.monotonic()
        try:
            with asyncio.Runner(loop_factory=process.event_loop) as loop:
                return loop.run(self._run())
        finally:
            self.totals.seconds = time.monotonic() - started
            self.progress.stop()

    async def _run(self) -> Ending | None:
        async with contextlib.AsyncExitStack() as stack:
            reached = await members.reach(stack, self.targets, self.pool, self.chosen, self.streams)
            if self.chosen.share is None:
                return await self._work(reached, reached.gate)
            gate = await self._shared_gate(stack, self.chosen.share)
            reached.members[0].pace = gate.pace
            return await self._work(reached, gate)

    async def _shared_gate(self, stack: contextlib.AsyncExitStack, name: str) -> "SharedGate":
        from completions_cli.batch.sharing.limits import SharedLimits
        from completions_cli.batch.sharing.member import SharedGate
        from completions_cli.batch.sharing.rendezvous import Rendezvous

        chosen = self.chosen
        limits = SharedLimits(chosen.in_flight, chosen.rpm, chosen.tpm)
        most = process.sockets(chosen.in_flight)
        return await stack.enter_async_context(SharedGate(Rendezvous(name), limits, most).joined())

    async def _work(self, reached: members.Reached, gate: "Gate | SharedGate") -> Ending | None:
        """Run the workers, and meanwhile show and save what they did."""
        runner = self._runner(reached, gate)
        if reached.pool is not None:
            reached.pool.is_tail = lambda: runner.is_drained
        gate.on_failure = lambda error: runner.stop(Ending(error.kind, error))
        showing = asyncio.create_task(self._show(runner))
        saving = asyncio.create_task(self._keep_saving())
        try:
            with process.signals_in_loop(runner, self.progress.note):
                await runner.run()
        finally:
            showing.cancel()
            saving.cancel()
        return runner.ending

    def _runner(self, reached: members.Reached, gate: "Gate | SharedGate") -> Runner:
        local = [number for number, settings in enumerate(self.pool.members) if settings.is_local]
        defaults, samples, pack = choices.defaults(self.pool), self.chosen.samples, self.chosen.pack
        packer = Packer(defaults, samples, pack, streams_arrays=bool(local), local_members=local)
        recovered, selection = self.space.recovered, self.chosen.selection
        settled = recovered.settled(self.chosen.retry_failed)
        models = ModelWatch(
            recovered.known_models,
            mixed=self.chosen.mixed_models,
            several=self.pool.is_pool,
            warn=self.progress.note,
        )
        rows = repeated_ids.watched(self.source.rows(selection.without(settled)), self.progress.note)
        return Runner(
            packer.units(rows),
            Tools(
                reached.members,
                gate,
                self.space.journal,
                packer,
                self.totals,
                models=models,
                warn=self.progress.note,
                hedging=Hedging(reached.pool) if reached.pool is not None and self.chosen.hedge else None,
            ),
            self.rules,
        )

    async def _keep_saving(self) -> None:
        """Write down now and then what the runs took, which a kill would lose."""
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            with contextlib.suppress(OutputError):  # a disk that is full shows where it matters
                await asyncio.to_thread(self.space.save, self.totals.all_runs(self.space.run.all_runs))

    async def _show(self, runner: Runner) -> None:
        started = time.monotonic()
        lines = self.source.lines
        total = None if lines is None else self.chosen.selection.among(0, lines)
        names = tuple(str(settings.profile) for settings in self.pool.members) if self.pool.is_pool else ()
        while True:
            await asyncio.sleep(self.progress.interval)
            totals = self.totals
            totals.seconds = time.monotonic() - started
            share = min(1.0, totals.rows / total) if total else 1.0
            self.progress.show(Snapshot(totals, runner.in_flight, share, total, names, runner.trouble))
