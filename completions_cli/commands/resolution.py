"""From what was typed to a client that can be used: settings, key, engine and connection."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from completions_cli import paths
from completions_cli.api import endpoint as endpoints
from completions_cli.api import headers, near_names, parameters
from completions_cli.api.endpoint import Endpoint
from completions_cli.api.parameters import PARAMETERS
from completions_cli.client import configuration
from completions_cli.commands import prompt_source, typed_text, values
from completions_cli.commands.common_options import CommonOptions
from completions_cli.commands.options import ConnectionOptions, ExtraOptions, ParameterOptions
from completions_cli.errors import UsageError
from completions_cli.models import CompletionRequest, HttpRequest, Json
from completions_cli.render.spinner import Spinner
from completions_cli.settings import environment, profile_file
from completions_cli.settings.layers import Flags
from completions_cli.settings.pool import Pool, named, resolve_pool
from completions_cli.settings.resolve import Settings
from completions_cli.settings.table import SETTINGS
from completions_cli.streams import Streams
from completions_cli.transport.connection import Trace

if TYPE_CHECKING:
    from completions_cli.api.masking import Mask
    from completions_cli.auth.credentials import Credentials
    from completions_cli.client.attempts import Wait
    from completions_cli.client.caller import Caller
    from completions_cli.client.failover import Failover
    from completions_cli.client.search import Passed
    from completions_cli.local.weights import Store


class RequestOptions(Protocol):
    """What the options of every command that sends requests have in common."""

    @property
    def params(self) -> ParameterOptions | ExtraOptions:
        """Those of requests that generate text, or the extra ones alone."""

    @property
    def connection(self) -> ConnectionOptions:
        """Where requests go."""

    @property
    def common(self) -> CommonOptions:
        """What every command accepts."""


def warn(streams: Streams, settings: Settings) -> None:
    """Warn of parameters that a service may refuse, and of names that look misspelt."""
    for warning in parameters.warnings(dict(settings.parameters)):
        streams.stderr.note(f"warning: {warning}")
    warn_of_names(streams, settings)


def warn_of_names(streams: Streams, settings: Settings) -> None:
    """Warn of extra parameters whose names look misspelt."""
    for name in settings.extra:
        meant = near_names.nearest(name)
        if meant is not None:
            streams.stderr.note(f"warning: {name} is sent as it is; did you mean {meant}?")


def pool(
    streams: Streams,
    options: RequestOptions,
    *,
    format: str | None = None,  # noqa: A002 - its name in the table of settings
    body: Mapping[str, Json] = MappingProxyType({}),
    escapes: bool = False,
) -> Pool:
    """Resolve the settings of all profiles that a call may use, and note the variables that they do not."""
    flags = _flags(options, format=format, body=body, escapes=escapes)
    found = resolve_pool(flags, streams.environ, read_profile_file(options.common, streams))
    for note in unused(found):
        streams.stderr.note(f"note: {note}")
    return found


def unused(found: Pool) -> list[str]:
    """Return what to say of variables that are set and not used."""
    return [f"{name} is not used with several profiles: each has its own" for name in found.unused]


def _flags(
    options: RequestOptions,
    *,
    format: str | None,  # noqa: A002 - its name in the table of settings
    body: Mapping[str, Json],
    escapes: bool,
) -> Flags:
    params = options.params
    extras = params if isinstance(params, ExtraOptions) else params.extras
    fields = _split_body(body)
    model = fields.model if options.connection.model is None else options.connection.model
    others = {"extra_parameters": extras.extra_parameters, "format": format, "model": model}
    return replace(
        connection_flags(options.connection, options.common, **others),
        parameters={} if isinstance(params, ExtraOptions) else _parameters(params, escapes=escapes),
        extra=values.extras(extras.extra, parameters.DOCUMENTED, prompt_source.read_text),
        unset=frozenset(extras.unset),
        body=fields.parameters,
        body_extra=fields.extra,
    )


def connection_flags(connection: ConnectionOptions, common: CommonOptions, **others: str | None) -> Flags:
    """Return what was typed of where requests go, and how; `others` are settings beside these."""
    profile, members = named(common.profiles)
    given = {**vars(connection), **others}
    typed = {name: value for name, value in given.items() if name in SETTINGS and value is not None}
    return Flags(
        profile=profile,
        members=members,
        settings=typed,
        headers=dict(headers.parse(line) for line in connection.header),
    )


def profile_path(common: CommonOptions, streams: Streams) -> Path:
    """Name the profile file in use."""
    if common.config is not None:
        return profile_file.expanded(common.config)
    return profile_file.default_path(streams.environ)[0]


def read_profile_file(common: CommonOptions, streams: Streams) -> profile_file.ProfileFile:
    """Read the profile file in use; warn of one that is open to all, and of misspelt variables. Raises ConfigError."""
    found = profile_file.find(common.config, streams.environ)
    for warning in (*profile_file.warnings(found), *environment.misspelt(streams.environ)):
        streams.stderr.note(f"warning: {warning}")
    return found


def _parameters(params: ParameterOptions, *, escapes: bool) -> dict[str, Json]:
    typed = {name: getattr(params, name) for name in PARAMETERS if name != "stop"}
    found = {name: value for name, value in typed.items() if value is not None}
    if params.stop:
        stops = [typed_text.argument(stop, "--stop", escapes=escapes) for stop in params.stop]
        found["stop"] = stops[0] if len(stops) == 1 else stops
    return found


def _split_body(body: Mapping[str, Json]) -> parameters.Fields:
    try:
        return parameters.split(body)
    except UsageError as error:
        raise UsageError(f"--request: {error.message}", hint="Correct the body, or leave that field out.") from None


def preview(settings: Settings, request: CompletionRequest) -> HttpRequest:
    """Build the request as it would be sent, with stand-ins for what is only known when it is."""
    endpoint = settings.endpoint or endpoints.resolve("http://127.0.0.1:1/v1")
    outgoing = configuration.service(settings, endpoint).unsigned(request)
    if settings.is_local:  # it has a port only while the model runs
        outgoing = replace(outgoing, url=outgoing.url.replace(":1/", ":PORT/", 1))
    if (settings.values["auth"] == "none" or settings.is_signed_by_headers) and not settings.is_local:
        return outgoing
    stand_in = {"authorization": "Bearer ****"} | ({"api-key": "****"} if settings.values["auth"] == "key" else {})
    return replace(outgoing, shared={**outgoing.shared, **stand_in})


@contextmanager
def target(settings: Settings, streams: Streams, spinner: Spinner) -> Iterator[tuple[Endpoint, "Credentials"]]:
    """Find out where to send requests and how to sign them; the engine of the profile `local` runs meanwhile."""
    if settings.endpoint is None:
        from completions_cli.local import embedded

        fetch = partial(_weights, streams, spinner)
        with embedded.endpoint(settings.values["model_path"], fetch) as (endpoint, credentials):
            yield endpoint, credentials
        return
    from completions_cli.auth import sign_in

    connection = configuration.connection(settings)
    yield settings.endpoint, sign_in.credentials(settings, streams.environ, connection, trace(streams))


@contextmanager
def caller(settings: Settings, streams: Streams, spinner: Spinner, mask: "Mask | None" = None) -> Iterator["Caller"]:
    """Open what makes the calls that the settings ask for. Several may share a mask."""
    with target(settings, streams, spinner) as found, _caller(settings, found, streams, spinner, mask) as opened:
        yield opened


@contextmanager
def failover(pool: Pool, streams: Streams, spinner: Spinner) -> Iterator["Failover"]:
    """Open what calls the first member that answers. All keys are found first, and connections made when needed."""
    from completions_cli.client.failover import Failover
    from completions_cli.client.outgoing import mask_of

    with ExitStack() as stack:
        targets = {
            settings.profile: stack.enter_context(target(settings, streams, spinner))
            for settings in pool.members
            if not (settings.is_local and pool.is_pool)
        }
        mask = mask_of(credentials for _, credentials in targets.values())
        opened: dict[int, Caller] = {}

        def caller_of(member: int) -> "Caller":
            if member not in opened:
                settings = pool.members[member]
                if settings.profile not in targets:  # the embedded model, which takes its time to start
                    targets[settings.profile] = stack.enter_context(target(settings, streams, spinner))
                made = _caller(settings, targets[settings.profile], streams, spinner, mask)
                opened[member] = stack.enter_context(made)
            return opened[member]

        yield Failover(len(pool.members), caller_of, lambda passed: _show_pass(passed, pool, streams, spinner))


def _caller(
    settings: Settings,
    found: tuple[Endpoint, "Credentials"],
    streams: Streams,
    spinner: Spinner,
    mask: "Mask | None" = None,
) -> "Caller":
    from completions_cli.client.caller import Caller

    endpoint, credentials = found
    made = Caller(
        configuration.service(settings, endpoint),
        credentials,
        configuration.connection(settings),
        configuration.policy(settings),
        trace=trace(streams),
        on_wait=lambda wait: _show_wait(wait, streams, spinner),
        mask=mask,
    )
    hide = streams.stderr.mask
    streams.stderr.mask = lambda text: made.mask.text(hide(text))
    return made


def _weights(streams: Streams, spinner: Spinner, store: "Store") -> Path:
    from completions_cli.render.progress import Download

    if not store.is_installed():
        spinner.stop()
    with Download(streams.stderr, color=streams.color(streams.stderr)) as watcher:
        return store.ensure(watcher)


def trace(streams: Streams) -> Trace | None:
    """Make what shows the exchanges on stderr, if that was asked for."""
    from completions_cli.render.trace import TraceLines

    return (
        TraceLines(streams.stderr, bodies=streams.verbosity > 1, beside=streams.stdout) if streams.verbosity else None
    )


def _show_wait(wait: "Wait", streams: Streams, spinner: Spinner) -> None:
    then = f"trying again in {wait.seconds:.1f} s (attempt {wait.attempt} of {wait.attempts})"
    with _aside(spinner):
        streams.stderr.note(f"note: {paths.on_a_line(wait.error.summary)}; {then}")


def _show_pass(passed: "Passed", pool: Pool, streams: Streams, spinner: Spinner) -> None:
    was, following = pool.members[passed.member].profile, pool.members[passed.following].profile
    with _aside(spinner):
        streams.stderr.note(f"note: {was} did not answer: {paths.on_a_line(passed.error.summary)}; trying {following}")


@contextmanager
def _aside(spinner: Spinner) -> Iterator[None]:
    """Stop the spinner while a line is printed."""
    spinner.stop()
    yield
    spinner.start()
