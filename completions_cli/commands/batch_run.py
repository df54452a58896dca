"""The path of `completions batch`: options to settings, rows to answers, totals to words and an exit code."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from completions_cli.api import parameters
from completions_cli.api.retry import RetryPolicy
from completions_cli.atomic import AtomicFile
from completions_cli.batch import formats, ordering, workspace
from completions_cli.batch import source as sources
from completions_cli.batch.exchange import Exchange
from completions_cli.batch.gate import Gate
from completions_cli.batch.pacing.concurrency import Concurrency
from completions_cli.batch.pacing.pace import Pace
from completions_cli.batch.rows import Defaults
from completions_cli.batch.runner import Rules, Runner, Tools
from completions_cli.batch.source import Source
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.batch.units import Packer
from completions_cli.batch.workspace import Workspace
from completions_cli.commands import batch_choices as choices
from completions_cli.commands import batch_plan, resolution
from completions_cli.commands.batch_options import PaceOptions, RowOptions, StopOptions
from completions_cli.commands.options import CommonOptions, ConnectionOptions, ParameterOptions
from completions_cli.errors import ExitCode, RowsFailedError, UsageError
from completions_cli.render.batch_progress import Progress, Snapshot
from completions_cli.render.spinner import Spinner
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams

if TYPE_CHECKING:
    from completions_cli.api.service import Service
    from completions_cli.auth.credentials import Credentials

_DRAIN_SECONDS = 30
_BACKOFF_CAP = 30.0
_MOST_CONCURRENT = 1024
_OTHER_FILES = 64
# The embedded model computes with all cores for one request already.
_LOCAL_CONCURRENCY = 4


def run(
    streams: Streams,
    path: str,
    rows: RowOptions,
    pace: PaceOptions,
    limits: StopOptions,
    params: ParameterOptions,
    connection: ConnectionOptions,
    common: CommonOptions,
) -> None:
    """Do what `batch` does."""
    resolution.apply_common(common, streams)
    in_flight = choices.concurrency(pace.concurrency)
    budget = choices.budget(limits)
    choices.shard(rows.shard)
    settings = resolution.settings(streams, common, params, connection, None, {}, escapes=False)
    for warning in parameters.warnings(dict(settings.parameters)):
        streams.stderr.note(f"warning: {warning}")
    if rows.plan:
        batch_plan.run(streams, path, rows, budget, settings)
        return
    output = choices.output(rows.output)
    with ExitStack() as stack:
        spinner = Spinner("waking the model", enabled=streams.stderr.is_terminal and not common.quiet)
        # A missing key is found before anything is touched.
        endpoint, credentials = stack.enter_context(resolution.target(settings, streams, spinner))
        space, source = _open(stack, streams, path, output, rows, settings)
        totals = Totals.after(space.recovered, budget.prices)
        most = _LOCAL_CONCURRENCY if settings.is_local else _sockets(in_flight)
        job = _Job(
            streams=streams,
            settings=settings,
            rows=rows,
            source=source,
            space=space,
            totals=totals,
            pace=Pace(Concurrency(in_flight, most), pace.rpm, pace.tpm, time.monotonic()),
            rules=Rules(
                RetryPolicy(settings.values["retries"], settings.values["max_wait"], cap=_BACKOFF_CAP),
                budget,
                space.run.output_format,
            ),
        )
        ending = job.run(resolution.service(settings, endpoint), credentials)
        if rows.ordered and ending is None:
            ordering.sort_in_place(output, partial(formats.entry, output_format=space.run.output_format))
    job.report(ending)


def _sockets(in_flight: int | None) -> int:
    """Tell how many requests may be in flight at most, given how many files the system lets us open."""
    wanted = in_flight or _MOST_CONCURRENT
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + _OTHER_FILES:
        soft = wanted + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(hard, wanted + _OTHER_FILES)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and in_flight is not None and soft < in_flight + _OTHER_FILES:
        raise UsageError(f"-j {in_flight}: the system lets this process open {soft} files only", hint="ulimit -n")
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))


def _open(
    stack: ExitStack, streams: Streams, path: str, output: Path, rows: RowOptions, settings: Settings
) -> tuple[Workspace, Source]:
    """Open input and output: recognised, locked and mended."""
    if (
        path != "-"
        and output.exists()
        and Path(path).expanduser().exists()
        and output.samefile(Path(path).expanduser())
    ):
        raise UsageError("INPUT and OUTPUT are the same file", hint="Choose another OUTPUT.")
    template, kind = choices.template(rows.template), choices.input_format(rows.input_format)
    if path == "-" and streams.stdin_is_terminal:
        raise UsageError("no input", hint="Name a file, or pipe rows in.")

    def opened() -> Source:
        source = sources.open_source(
            path, kind=kind, template=template, stdin=streams.open_stdin, spool_folder=output.parent
        )
        stack.callback(source.close)
        source.check()
        return source

    # A file that is no input leaves no trace; a pipe is only read once the output is ours.
    early = None if path == "-" else opened()
    lock = workspace.locked(output)
    stack.callback(lock.release)
    source = early or opened()
    space = workspace.prepare(
        output,
        lock,
        lambda: choices.run_file(rows, settings, source),
        overwrite=rows.overwrite,
        retry_failed=rows.retry_failed,
    )
    stack.callback(space.close)
    return space, source


class _Job:
    """One run, put together."""

    def __init__(
        self,
        *,
        streams: Streams,
        settings: Settings,
        rows: RowOptions,
        source: Source,
        space: Workspace,
        totals: Totals,
        pace: Pace,
        rules: Rules,
    ) -> None:
        self._streams = streams
        self._settings = settings
        self._rows = rows
        self._source = source
        self._space = space
        self._totals = totals
        self._pace = pace
        self._rules = rules
        self._progress = Progress(streams)

    def run(self, service: "Service", credentials: "Credentials") -> Ending | None:
        """Run the event loop until the batch is done or stopped."""
        started = time.monotonic()
        try:
            with asyncio.Runner(loop_factory=_event_loop) as loop:
                return loop.run(self._run(service, credentials))
        finally:
            self._totals.seconds = time.monotonic() - started
            self._progress.stop()

    async def _run(self, service: "Service", credentials: "Credentials") -> Ending | None:
        from completions_cli.transport.asynchronous import AsyncTransport

        settings = self._settings
        defaults = Defaults(settings.parameters, settings.extra, settings.values["model"])
        packer = Packer(defaults, self._rows.samples, self._rows.pack, streams_arrays=settings.is_local)
        done = self._space.recovered.done
        wanted = choices.wanted(self._rows, done.__contains__)
        transport = AsyncTransport(resolution.connection(settings), resolution.trace(self._streams))
        runner = Runner(
            packer.units(self._source.rows(wanted)),
            Tools(
                Exchange(service, credentials, transport),
                Gate(self._pace, time.monotonic),
                self._space.journal,
                packer,
                self._totals,
            ),
            self._rules,
        )
        showing = asyncio.create_task(self._show(runner))
        try:
            with _signals(runner, self._progress):
                await runner.run()
        finally:
            showing.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(transport.close(), 2)
        return runner.ending

    async def _show(self, runner: Runner) -> None:
        started = time.monotonic()
        total = choices.total_rows(self._rows, self._source.lines)
        while True:
            await asyncio.sleep(self._progress.interval)
            totals = self._totals
            totals.seconds = time.monotonic() - started
            share = min(1.0, totals.rows / total) if total else self._source.position()
            self._progress.show(Snapshot(totals, runner.in_flight, share, total))

    def report(self, ending: Ending | None) -> None:
        """Say how it ended, and raise what the exit code comes from."""
        totals = self._totals
        _write_summary(self._rows.summary, totals, self._streams)
        self._progress.summary(totals, self._space.path, ending.reason if ending else None)
        if ending is not None and ending.error is not None:
            raise ending.error
        if ending is not None and ending.reason == "terminate":
            raise SystemExit(ExitCode.TERMINATED)
        if ending is not None:
            raise KeyboardInterrupt
        failed = totals.failed.total()
        if failed:
            raise RowsFailedError(
                f"{failed} of {totals.rows} rows failed",
                hint="They are in the output with their errors; --retry-failed asks for them again.",
            )


def _event_loop() -> asyncio.AbstractEventLoop:
    """Make the loop to run in; uvloop's, where there is one, takes a third less time for each row."""
    try:
        import uvloop
    except ImportError:  # on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextlib.contextmanager
def _signals(runner: Runner, progress: Progress) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the run in order, the second at once."""
    loop = asyncio.get_running_loop()

    def received(name: str) -> None:
        if runner.ending is not None:
            runner.abort()
            return
        progress.note(
            f"note: stopping; {runner.in_flight} requests under way are waited for, {_DRAIN_SECONDS} s at most "
            "(once more: stop now)"
        )
        runner.stop(Ending(name))
        loop.call_later(_DRAIN_SECONDS, runner.abort)

    names = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminate"}
    before = {number: signal.getsignal(number) for number in names}
    for number, name in names.items():
        if sys.platform == "win32":
            signal.signal(number, lambda *_, name=name: loop.call_soon_threadsafe(received, name))
        else:
            loop.add_signal_handler(number, received, name)
    try:
        yield
    finally:
        for number, handler in before.items():
            if sys.platform != "win32":
                loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _write_summary(path: str | None, totals: Totals, streams: Streams) -> None:
    if path is None:
        return
    text = json.dumps(totals.as_json()).encode() + b"\n"
    if path == "-":
        streams.stdout.write(text)
        return
    file = AtomicFile(Path(path).expanduser())
    file.write(text)
    file.commit()
