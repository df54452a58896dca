"""The path of `completions batch --engine ray`: the same batch, its rows asked by the machines of a cluster."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from completions_cli.batch.budget import Budget
from completions_cli.batch.cluster import environment, inputs
from completions_cli.batch.cluster.coordinator import Limits
from completions_cli.batch.cluster.driver import Driver, Signer
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.cluster.planning import Plan
from completions_cli.batch.cluster.selection import Selection, part_rows
from completions_cli.batch.cluster.worker import Job
from completions_cli.batch.rows import Defaults
from completions_cli.batch.run_file import RunFile
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.client import configuration
from completions_cli.commands import resolution
from completions_cli.commands.batch import choices, report
from completions_cli.commands.batch.options import ClusterOptions, PaceOptions, RowOptions, StopOptions
from completions_cli.commands.options import CommonOptions, ConnectionOptions, ParameterOptions
from completions_cli.errors import BatchStoppedError, UsageError
from completions_cli.render.batch_progress import Progress, Snapshot
from completions_cli.render.spinner import Spinner
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams
from completions_cli.version import __version__

if TYPE_CHECKING:
    from completions_cli.batch.cluster.engine import Engine

_MOST_IN_FLIGHT = 100_000


def run(
    streams: Streams,
    path: str,
    rows: RowOptions,
    pace: PaceOptions,
    limits: StopOptions,
    params: ParameterOptions,
    connection: ConnectionOptions,
    common: CommonOptions,
    cluster: ClusterOptions,
) -> None:
    """Run `batch --engine ray`."""
    resolution.apply_common(common, streams)
    budget = choices.budget(limits)
    report.check_summary(rows.summary)
    asked = Limits(choices.concurrency(pace.concurrency), _MOST_IN_FLIGHT, pace.rpm, pace.tpm, budget)
    settings = resolution.settings(streams, common, params, connection, None, {}, escapes=False)
    resolution.warn(streams, settings)
    _check(path, rows, cluster, settings)
    environment.require()
    files = inputs.find(path, choices.cluster_input_format(rows.input_format))
    output = Output(_place(rows.output), choices.part_kind(cluster.parts))
    progress = Progress(streams)
    with ExitStack() as stack:
        # A missing key is found before anything is touched.
        spinner = Spinner("joining the cluster", streams.stderr, color=streams.color(streams.stderr))
        endpoint, credentials = stack.enter_context(resolution.target(settings, streams, spinner))
        output.lock()
        stack.callback(output.close)
        with environment.environment(is_local=cluster.address is None), spinner.turning():
            from completions_cli.batch.cluster import engine

            stack.enter_context(engine.cluster(cluster.address))
        contents = engine.count(files)
        described = _describe(path, rows, settings, files, contents)
        output.prepare(described, overwrite=rows.overwrite)
        stack.callback(output.save)
        plan = Plan(files, contents, _selection(rows), part_rows(inputs.total(contents)))
        signer = Signer(configuration.service(settings, endpoint), configuration.connection(settings), credentials)
        job = _job(output, described, rows, settings)
        run = _Run(plan, output, budget, progress)
        totals, ending = run.run(engine.Engine, job, asked, signer, rows)
    progress.summary(totals, output.place, ending.reason if ending else None)
    report.write_summary(rows.summary, totals, streams)
    report.raise_ending(totals, ending)


def _check(path: str, rows: RowOptions, cluster: ClusterOptions, settings: Settings) -> None:
    if path == "-":
        raise UsageError("a cluster reads files, not stdin", hint="Put the rows where all machines can read them.")
    if rows.plan:
        raise UsageError("--plan is made on one machine", hint="Leave out --engine ray.")
    if settings.is_local:
        raise UsageError(
            "the embedded model runs in one process, not on a cluster", hint="Choose a profile with an endpoint."
        )
    if cluster.address is not None and cluster.address.startswith("ray://"):
        raise UsageError(
            "Ray Client (ray://) cannot drive a batch",
            hint="Run the command on a machine of the cluster: ray job submit -- completions batch …",
        )


def _place(text: str | None) -> str:
    if text is None or text == "-":
        raise UsageError("where should the answers go?", hint="Name a folder with -o OUTPUT: parts go into it.")
    return text


def _selection(rows: RowOptions) -> Selection:
    return Selection(*choices.shard(rows.shard), rows.limit)


def _describe(
    path: str,
    rows: RowOptions,
    settings: Settings,
    files: list[inputs.InputFile],
    contents: list[inputs.Contents],
) -> RunFile:
    return RunFile(
        inputs.identity(path, contents),
        choices.run_parameters(rows, settings, files[0].kind),
        choices.output_format(rows.output_format, is_openai=inputs.is_openai(files[0])),
        choices.shard(rows.shard),
    )


def _job(output: Output, described: RunFile, rows: RowOptions, settings: Settings) -> Job:
    return Job(
        version=__version__,
        output=output.place,
        epoch=output.epoch,
        kind=output.kind,
        output_format=described.output_format,
        defaults=Defaults(settings.parameters, settings.extra, settings.values["model"]),
        policy=choices.retry_policy(settings),
        samples=rows.samples,
        pack=rows.pack,
        retry_failed=rows.retry_failed,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One run, put together."""

    plan: Plan
    output: Output
    budget: Budget
    progress: Progress

    def run(
        self, engine: "type[Engine]", job: Job, limits: Limits, signer: Signer, rows: RowOptions
    ) -> tuple[Totals, Ending | None]:
        """Run it until all parts are there, or it was stopped; sum up."""
        started = time.monotonic()
        parts = self.plan.open_parts(self.output.entries, retry_failed=rows.retry_failed)
        found = self.output.recovered(keep_failed=not rows.retry_failed)
        before = Totals(resumed=found.ok + found.failed.total())
        if not parts:
            return self._nothing(before), None
        stretches = list(self.plan.stretches(parts, choices.template(rows.template)))
        total = sum(wanted for _, wanted in self.plan.parts())
        made = engine(job, limits, stretches, len(parts))
        with made.coordinator() as sync:
            driver = Driver(self.output, before, signer, sync)

            def totals(*, is_over: bool = False) -> Totals:
                seconds = time.monotonic() - started
                return driver.totals(is_over=is_over, prices=self.budget.prices, seconds=seconds)

            def show() -> None:
                sums = totals()
                share = min(1.0, sums.rows / total) if total else 1.0
                self.progress.show(Snapshot(sums, driver.in_flight, share, total))

            try:
                with _signals(driver, self.progress.note):
                    made.run(driver, show, self.progress.interval)
            finally:
                self.progress.stop()
            left = self.plan.open_parts(self.output.entries, retry_failed=False)
            if left and driver.ending is None:
                driver.stop(Ending("lost", BatchStoppedError("some rows were lost on the way", hint=_AGAIN)))
            return totals(is_over=True), driver.ending

    def _nothing(self, before: Totals) -> Totals:
        sums = Totals(resumed=before.resumed, prices=self.budget.prices)
        for entry in self.output.entries.values():
            sums.ok += entry.ok
            sums.failed.update(entry.failed)
        return sums


_AGAIN = "The same command asks for them."


@contextmanager
def _signals(driver: Driver, note: Callable[[str], None]) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the run in order, the second at once."""
    names = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminate"}

    def received(number: int, _: object) -> None:
        if driver.ending is not None:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        note(f"note: stopping; {driver.in_flight} requests under way are waited for (once more: stop now)")
        driver.stop(Ending(names[signal.Signals(number)]))

    before = {number: signal.signal(number, received) for number in names}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
