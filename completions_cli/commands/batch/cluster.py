"""The path of `completions batch --engine ray`: the same batch, its rows asked by the machines of a cluster."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from completions_cli.batch.cluster import environment, inputs, overlap
from completions_cli.batch.cluster.bounds import Bounds
from completions_cli.batch.cluster.driver import Driver, Reach, Signer
from completions_cli.batch.cluster.members import ClusterLimits, MemberLimits
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.cluster.planning import Partition, part_rows
from completions_cli.batch.cluster.reach import Terms
from completions_cli.batch.cluster.worker import Job
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.run_file import RunFile
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.client import configuration
from completions_cli.commands.batch import choices, members, process, report, run_description
from completions_cli.commands.batch.choices import Choices, ClusterChoices
from completions_cli.errors import BatchStoppedError, OutputError, UsageError
from completions_cli.render.batch_progress import Progress, Snapshot
from completions_cli.render.spinner import Spinner
from completions_cli.settings.pool import Pool
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams
from completions_cli.version import __version__

if TYPE_CHECKING:
    from completions_cli.batch.cluster.engine import Engine

_MOST_IN_FLIGHT = 100_000


def run(streams: Streams, chosen: Choices, where: ClusterChoices, pool: Pool) -> None:
    """Run `batch --engine ray`."""
    _check(chosen, where, pool)
    environment.require()
    files = inputs.find(chosen.input, where.input_format, chosen.delimiter)
    survey = inputs.survey(files[0], chosen.recipe)
    output = Output(_place(chosen.output), where.parts)
    overlap.check(chosen.input, files, output.place)
    for file in files:
        report.check_summary(chosen.summary, {"INPUT": file.url})
    progress = Progress(streams)
    with ExitStack() as stack:
        # A missing key is found before anything is touched.
        targets = members.targets(stack, pool, streams)
        members.hide_keys(targets, streams)
        spinner = Spinner("joining the cluster", streams)
        output.lock()
        stack.callback(output.close)
        for note in [*survey.notes, *map(_warning, environment.shown())]:
            streams.stderr.note(note)
        stack.enter_context(streams.apart())
        with spinner.turning():
            _join(environment.address(where.address), stack)
        from completions_cli.batch.cluster import engine

        store = environment.access((chosen.input, output.place))
        begun = None if chosen.overwrite else output.begun()
        earlier = (begun.files or (begun.input,)) if begun is not None else ()
        files = inputs.in_order(files, earlier)
        contents = engine.count(files, chosen.recipe, earlier, store)
        described = run_description.describe(
            chosen,
            pool,
            inputs.identity(chosen.input, contents),
            files[0].kind,
            is_openai=survey.is_openai,
        )
        held = [] if chosen.overwrite else output.held()
        plan = Partition(files, contents, chosen.selection, part_rows([found.rows for found in contents], held))
        described = replace(described, rows=inputs.total(contents), files=plan.identities)
        output.prepare(described, plan, overwrite=chosen.overwrite, adopt=chosen.adopt)
        stack.callback(output.save)
        for note in output.notes:
            streams.stderr.note(f"note: {note}")
        signer = Signer([_reach(target, pool) for target in targets], store)
        job = replace(_job(output, described, chosen, pool), has_store=bool(store))
        run = _Run(plan, output, chosen, pool, progress, where.workers, store)
        totals, ending = run.run(engine.Engine, job, signer)
    progress.summary(totals, output.place, ending.reason if ending else None)
    report.write_summary(chosen.summary, totals, streams, output.earlier)
    report.raise_ending(totals, ending)


def _warning(name: str) -> str:
    instead = "give the job a key file or a profile instead of --runtime-env-json"
    return f"warning: Ray stores {name} and shows it on its dashboard: {instead}"


def _join(address: str | None, stack: ExitStack) -> None:
    """Join the cluster at an address, or start one on this machine, until the stack is closed."""
    with environment.environment(is_local=address is None):
        from completions_cli.batch.cluster import engine

        stack.enter_context(engine.cluster(address))


def _check(chosen: Choices, where: ClusterChoices, pool: Pool) -> None:
    if chosen.input == "-":
        raise UsageError("a cluster reads files, not stdin", hint="Put the rows where all machines can read them.")
    if chosen.hedge:
        raise UsageError("--hedge works on one machine only", hint="Leave out --hedge, or leave out --engine ray.")
    if any(settings.is_local for settings in pool.members):
        raise UsageError(
            "the embedded model runs in one process, not on a cluster", hint="Choose a profile with an endpoint."
        )
    environment.reach(environment.address(where.address))


def _place(text: str | None) -> str:
    if text is None or text == "-":
        raise UsageError("no output was given", hint="Name a folder with -o OUTPUT; the parts are written there.")
    return text


def _reach(target: members.Target, pool: Pool) -> Reach:
    settings = target.settings
    return Reach(
        configuration.service(settings, target.endpoint),
        configuration.connection(settings),
        target.credentials,
        settings.values["model"] if pool.is_pool else None,
    )


def _job(output: Output, described: RunFile, chosen: Choices, pool: Pool) -> Job:
    has_common_prices = chosen.budget.prices is not None
    return Job(
        version=__version__,
        output=output.place,
        epoch=output.epoch,
        kind=output.kind,
        output_format=described.output_format,
        defaults=choices.defaults(pool),
        members=tuple(
            Terms(choices.retry_policy(settings), None if has_common_prices else choices.prices_of(settings, chosen))
            for settings in pool.members
        ),
        samples=chosen.samples,
        pack=chosen.pack,
        retry=chosen.retry_failed,
        limits_errors=chosen.budget.errors is not None,
        limits_usage=chosen.budget.is_limited,
        known_models=tuple(output.entries.known_models),
        mixed_models=chosen.mixed_models,
    )


@dataclass(frozen=True, slots=True)
class _Run:
    """One run, put together."""

    plan: Partition
    output: Output
    chosen: Choices
    pool: Pool
    progress: Progress
    bounds: Bounds
    store: Mapping[str, str]

    def run(self, engine: "type[Engine]", job: Job, signer: Signer) -> tuple[Totals, Ending | None]:
        """Run it until all parts are there, or it was stopped; sum up."""
        chosen, output = self.chosen, self.output
        parts = output.open_parts(self.plan, chosen.retry_failed)
        has_own_prices = any(terms.prices is not None for terms in job.members)
        before = Totals(
            output.kept(chosen.retry_failed), prices=chosen.budget.prices, spent=0.0 if has_own_prices else None
        )
        if not parts:
            return self._nothing(before), None
        total = sum(wanted for _, wanted in self.plan.parts())
        limits = self._limits(job)
        most = min(self.bounds.most, len(parts), chosen.in_flight or len(parts))
        models = ModelWatch(output.entries.known_models, mixed=chosen.mixed_models, warn=self.progress.note)
        made = engine(job, limits, Bounds(min(self.bounds.least, most), most), self.store, self.progress.note)
        with made.coordinator() as sync:
            driver = Driver(output, before, signer, sync, models, warn=self.progress.note)
            names = tuple(str(settings.profile) for settings in self.pool.members) if self.pool.is_pool else ()

            def show() -> None:
                sums = driver.totals()
                share = min(1.0, sums.rows / total) if total else 1.0
                self.progress.show(Snapshot(sums, driver.in_flight, share, total, names, driver.trouble))

            try:
                with process.signals(driver, self.progress.note):
                    self._work(made, driver, parts, show)
            finally:
                self.progress.stop()
            sums = driver.totals(is_over=True)
            output.save(sums.all_runs(output.earlier))
            return sums, driver.ending

    def _limits(self, job: Job) -> ClusterLimits:
        chosen, pool = self.chosen, self.pool
        total = ClusterLimits(chosen.in_flight, _MOST_IN_FLIGHT, chosen.rpm, chosen.tpm, chosen.budget)
        if len(pool.members) == 1:
            own = members.limits_of(pool.first, pool, chosen)
            return replace(total, in_flight=own.concurrency, rpm=own.rpm, tpm=own.tpm)
        return replace(
            total,
            members=tuple(_member_limits(settings, pool, chosen) for settings in pool.members),
            compares_models=not (job.mixed_models or job.known_models),
        )

    def _work(self, engine: "Engine", driver: Driver, parts: set[int], show: Callable[[], None]) -> None:
        """Work until every part stands in OUTPUT as it should, or the run was stopped."""
        for _ in range(_ROUNDS):
            engine.run(driver, self.plan.splits(parts, self.chosen.recipe), show, self.progress.interval)
            with suppress(OutputError) if driver.ending else nullcontext():
                self.output.verify(self.plan)
            # What was to be asked again has been: failures that stand there now are new.
            parts = self.output.open_parts(self.plan, None)
            if driver.ending is not None or not parts:
                return
        driver.stop(Ending("lost", BatchStoppedError("some rows were lost", hint=_AGAIN)))

    def _nothing(self, before: Totals) -> Totals:
        parts = self.output.entries
        return replace(before, ok=parts.ok, failed=parts.failed, parts=parts)


def _member_limits(settings: Settings, pool: Pool, chosen: Choices) -> MemberLimits:
    own = members.limits_of(settings, pool, chosen)
    return MemberLimits(settings.profile, own.concurrency, own.rpm, own.tpm)


_ROUNDS = 3
_AGAIN = "Run the same command again to complete them."
