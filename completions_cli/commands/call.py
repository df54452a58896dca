"""The one path of `complete` and `stream`: options to settings, a call, its rendering."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal

from completions_cli import paths
from completions_cli.api import finish_reasons, infill, near_names, sampling, wire
from completions_cli.atomic import AtomicFile, Destination
from completions_cli.commands import misread, model_names, overwriting, prompt_source, resolution, typed_text
from completions_cli.commands.options import CallOptions, OutputOptions
from completions_cli.commands.prompt_options import PromptOptions
from completions_cli.commands.prompt_source import EmptyInputError, PromptSource
from completions_cli.errors import FailOnError, OutputError, ServiceError, UsageError
from completions_cli.models import CompletionRequest, Finished, Prompt
from completions_cli.quoting import quoted
from completions_cli.render import answer, formats, usage
from completions_cli.render.answer import AnswerOptions
from completions_cli.render.spinner import Spinner
from completions_cli.settings.pool import Pool
from completions_cli.settings.resolve import Settings
from completions_cli.streams import Streams, visible

if TYPE_CHECKING:
    from completions_cli.client.failover import Failover


_IGNORED = "ignored"  # a word of --fail-on that is no finish reason


def run(streams: Streams, options: CallOptions, *, streaming: bool) -> None:
    """Do what `complete` and `stream` do; they differ in `streaming` alone."""
    output = options.output
    fail_on = _fail_on(output.fail_on, streams)
    separator = typed_text.argument(output.separator, "--separator", escapes=True)
    source = source_of(options.prompts, streams)
    for note in misread.notes(options.prompts.prompt, output.output if output.format is None else None):
        streams.stderr.note(note)  # before an error about the endpoint, which may be what was typed
    text, pool = _prompt_and_pool(source, options, streams)
    settings = pool.first
    streams.wants_json = settings.values["format"] != "text"
    _warn(streams, settings, source, text)
    asked = [_request(text, member, output, streaming=streaming) for member in pool.members]
    requests = [_expanded(*each, output.samples) for each in zip(asked, pool.members, strict=True)]
    if output.dry_run or output.curl:
        show_request(streams, settings, requests[0], as_curl=output.curl)
        return
    samples = output.samples * asked[0].choices_each
    shape = AnswerOptions(
        format=settings.values["format"],
        streaming=streaming,
        final_newline=not output.no_newline,
        separator=separator,
        echo=answer.echo_of(asked[0].prompt, samples) if output.echo else None,
        choices=asked[0].prompt_count * samples,
        tokens=_tokens(output, streams),
    )
    finished = _answered(pool, requests, shape, output.output, streams)
    _show_legend(streams, shape)
    _show_usage(streams, finished, wanted=output.usage)
    _check(finished, fail_on, streams)


def _prompt_and_pool(source: PromptSource, options: CallOptions, streams: Streams) -> tuple[Prompt | None, Pool]:
    """Read the prompt, and the settings of all profiles that may be asked."""
    form, escapes = options.output.format, options.prompts.escapes
    try:
        text, body = source.read(wire.prompt_from_json)
    except EmptyInputError:
        # An unknown profile is reported before an empty prompt.
        resolution.pool(streams, options, format=form, escapes=escapes)
        raise
    return text, resolution.pool(streams, options, format=form, body=body, escapes=escapes)


def _expanded(request: CompletionRequest, settings: Settings, samples: int) -> list[CompletionRequest]:
    """Return the requests that make up a call: more than one where each sample has a seed of its own."""
    spelled = infill.spelled(request, settings.values["infill"])
    return sampling.expand(spelled, samples, streams_arrays=settings.is_local)


def _answered(
    pool: Pool, requests: list[list[CompletionRequest]], shape: AnswerOptions, output: str | None, streams: Streams
) -> Finished:
    """Send the requests of the first member that answers, and write the answer as it comes."""
    with ExitStack() as stack:
        spinner = Spinner("waiting for the model", streams)
        spinner.start()
        stack.callback(spinner.stop)
        callers = stack.enter_context(resolution.failover(pool, streams, spinner))
        destination = stack.enter_context(destination_of(output, streams))
        try:
            return _render(callers, requests, shape, destination, spinner)
        except ServiceError as error:
            if not pool.is_pool:
                model_names.advise(error, pool.first, callers.caller_of(0))
            raise


def _show_legend(streams: Streams, shape: AnswerOptions) -> None:
    if shape.tokens == "colored" and streams.stderr.can_draw and not streams.stderr.quiet:
        from completions_cli.render import tokens

        streams.stderr.raw(f"{tokens.legend()}\n")


def _check(finished: Finished, fail_on: frozenset[str], streams: Streams) -> None:
    """Warn of parameters that the server ignored. Raises FailOnError for what --fail-on names."""
    ignored = f"the server ignored: {', '.join(finished.ignored)}"
    if finished.ignored:
        streams.stderr.note(f"warning: {ignored}")
    if finished.ignored and _IGNORED in fail_on:
        raise FailOnError(f"{ignored} (--fail-on)")
    came = usage.reasons(finished.finish_reasons)
    matched = [reason for reason in came if not fail_on.isdisjoint((reason, finish_reasons.meaning_of(reason)))]
    if matched:
        raise FailOnError(f"the finish reason is {', '.join(matched)} (--fail-on)")


def _fail_on(typed: list[str], streams: Streams) -> frozenset[str]:
    reasons = dict.fromkeys(reason.strip() for reason in ",".join(typed).split(",") if reason.strip())
    if typed and not reasons:
        raise UsageError("--fail-on names no finish reason", hint="For example: --fail-on length,content_filter.")
    known = (*usage.KNOWN_REASONS, _IGNORED)
    for reason in reasons:
        meant = near_names.nearest(reason, known)
        if meant is not None:
            raise UsageError(f"--fail-on: no finish reason is called {quoted(reason)}", hint=f"Did you mean {meant}?")
        if reason not in known:
            streams.stderr.note(
                f"warning: --fail-on {paths.on_a_line(reason)}: known finish reasons are {', '.join(known)}"
            )
    return frozenset(reasons)


def _tokens(output: OutputOptions, streams: Streams) -> Literal["colored", "lines"] | None:
    """Return how the tokens of an answer are shown: in colours only where they are seen."""
    if not output.show_logprobs:
        return None
    on_stdout = output.output in (None, "-")
    return "colored" if on_stdout and streams.stdout.can_draw and streams.color(streams.stdout) else "lines"


def source_of(prompts: PromptOptions, streams: Streams) -> PromptSource:
    """Return what reads the prompt that the options name."""
    from completions_cli.commands import editor

    return PromptSource(
        prompts,
        streams.read_stdin,
        stdin_is_terminal=streams.stdin_is_terminal,
        edit=lambda text: editor.edit(text, streams.environ),
    )


def _warn(streams: Streams, settings: Settings, source: PromptSource, prompt: Prompt | None) -> None:
    resolution.warn(streams, settings)
    for warning in prompt_source.warnings(prompt, settings.extra.get(infill.SUFFIX)):
        streams.stderr.note(warning)
    if not source.uses_stdin:
        warn_of_unread_stdin(streams)


def warn_of_unread_stdin(streams: Streams) -> None:
    """Warn of data in a pipe that no option reads."""
    if streams.stdin_holds_data():
        streams.stderr.note(
            "warning: standard input has data that is not read; to combine it with a prompt, use --prepend or --append"
        )


def _request(prompt: Prompt | None, settings: Settings, output: OutputOptions, *, streaming: bool) -> CompletionRequest:
    return CompletionRequest(
        # llama.cpp refuses what the reference allows: no prompt at all.
        prompt=sampling.NEW_DOCUMENT if prompt is None and settings.is_local else prompt,
        parameters=settings.parameters,
        extra={"logprobs": 1, **settings.extra} if output.show_logprobs else settings.extra,
        model=settings.values["model"],
        stream=streaming,
    )


def show_request(
    streams: Streams, settings: Settings, requests: list[CompletionRequest], *, as_curl: bool = False
) -> None:
    """Show requests as they would be sent."""
    from completions_cli.render import request as shown

    if as_curl and settings.is_local:
        raise UsageError(
            "the embedded model runs only during a call, so curl cannot reach it",
            hint="Use --dry-run to see the request.",
        )
    for number, item in enumerate(requests):
        outgoing = resolution.preview(settings, item)
        text = shown.curl(outgoing, settings.values) if as_curl else shown.dry_run(outgoing, as_json=streams.wants_json)
        gap = "\n" if number and (as_curl or not streams.wants_json) else ""
        streams.stdout.write((gap + (visible(text) if streams.stdout.is_terminal else text)).encode())


@contextmanager
def destination_of(path: str | None, streams: Streams) -> Iterator[Destination]:
    """Open what the answer is written to: stdout, or a file that is replaced as a whole."""
    if path is None or path == "-":
        yield streams.stdout
        return
    overwriting.check(path, "-o")
    file = AtomicFile(paths.expanded(path))
    try:
        yield file
    except BaseException:
        if (partial := file.keep_partial()) is not None:
            streams.stderr.note(f"note: the partial answer is in {partial}")
        raise
    try:
        file.take_place()
    except OutputError:  # a mount point, as of a container, can be written to and not replaced
        if (whole := file.keep_partial()) is not None:
            streams.stderr.note(f"note: the answer is in {whole}")
        raise


def _render(
    callers: "Failover",
    requests: list[list[CompletionRequest]],
    options: AnswerOptions,
    destination: Destination,
    spinner: Spinner,
) -> Finished:
    renderer = formats.renderer(options, destination)
    finished = Finished({}, None)
    try:
        for event in callers.events(requests):
            spinner.stop()
            if isinstance(event, Finished):
                finished = event
            else:
                renderer.chunk(event)
    except BaseException:
        spinner.stop()
        renderer.abort()
        raise
    renderer.finish(finished)
    return finished


def _show_usage(streams: Streams, finished: Finished, *, wanted: bool) -> None:
    stderr = streams.stderr
    for note in finished.notes:
        stderr.note(f"note: {note}")
    if not wanted and (stderr.quiet or not stderr.is_terminal):
        return
    if not stderr.is_terminal:
        stderr.line(usage.line(finished))
    else:
        dim, plain = ("\x1b[2m", "\x1b[0m") if streams.color(stderr) else ("", "")
        stderr.raw(f"{dim}{visible(usage.sentence(finished))}{plain}\n")
    for note in usage.notes(finished):
        stderr.line(f"note: {note}")
