"""`completions emulator`: the service, played on a local socket."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from completions_cli.commands import values
from completions_cli.commands.help_pages import Command
from completions_cli.commands.option_groups import option_group, with_options
from completions_cli.commands.options import INTEGER, CommonOptions, verbose_option
from completions_cli.emulator import content_filter
from completions_cli.emulator.budgets import REQUESTS
from completions_cli.emulator.config import BehaviourName, EmulatorConfig, EngineName, LimitHeader, LimitKind
from completions_cli.emulator.faults.spec import parse_spec
from completions_cli.errors import ConfigError, UsageError
from completions_cli.installation import install
from completions_cli.settings.numbers import Number
from completions_cli.streams import Streams

if TYPE_CHECKING:
    from completions_cli.emulator.engines import Engine

app = typer.Typer(add_completion=False)

# How many choices the embedded model computes together; more do not make two processors faster.
_SEQUENCES = 4
WHOLE_RATE = Number(1_000_000_000, 1, is_whole=True)
IN_FLIGHT = Number(1_000_000, 1, is_whole=True)
SHARE = Number(1)
_LISTENING = "Where it listens"
_PLAYED = "What is played"
_TROUBLE = "Limits and faults"


def _complete_fault(incomplete: str) -> list[str]:
    """List the faults whose KIND starts so, for the shell's tab completion; none without the extra."""
    try:
        from completions_cli.emulator.faults.catalogue import catalogue
    except ImportError:
        return []
    return [kind for kind in catalogue() if kind.startswith(incomplete)]


@option_group
class ListenOptions:
    """Where the emulator listens, and who may talk to it."""

    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.", rich_help_panel=_LISTENING)
    ] = "127.0.0.1"
    port: Annotated[
        int,
        typer.Option(
            "--port",
            metavar="PORT",
            parser=values.number("--port"),
            help="Port; 0 takes a free one.",
            rich_help_panel=_LISTENING,
        ),
    ] = 0
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="K", help="Accept only this key. (default: any)", rich_help_panel=_LISTENING),
    ] = None
    log: Annotated[
        Path | None,
        typer.Option(
            "--log",
            metavar="FILE",
            help="Append a JSON line for each request, keys masked.",
            rich_help_panel=_LISTENING,
        ),
    ] = None


@option_group
class PlayOptions:
    """What the emulator plays."""

    behaviour: Annotated[
        BehaviourName,
        typer.Option(
            "--behaviour",
            metavar="NAME",
            parser=values.choice("--behaviour", BehaviourName),
            autocompletion=lambda: [name.value for name in BehaviourName],
            help="Back end to imitate: reference, managed or foundry.",
            rich_help_panel=_PLAYED,
        ),
    ] = BehaviourName.REFERENCE
    deployment: Annotated[
        list[str],
        typer.Option(
            "--deployment",
            metavar="NAME",
            help="A deployment (for foundry a model) that exists; repeat. None given: any.",
            rich_help_panel=_PLAYED,
        ),
    ] = field(default_factory=list)
    engine: Annotated[
        EngineName,
        typer.Option(
            "--engine",
            metavar="NAME",
            parser=values.choice("--engine", EngineName),
            autocompletion=lambda: [name.value for name in EngineName],
            help="echo: random words at once; local: the embedded model.",
            rich_help_panel=_PLAYED,
        ),
    ] = EngineName.ECHO
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            parser=values.number("--seed", INTEGER),
            help="Seed for texts and faults.",
            rich_help_panel=_PLAYED,
        ),
    ] = 0
    latency: Annotated[
        float,
        typer.Option(
            "--latency",
            metavar="S",
            parser=values.number("--latency"),
            help="Seconds to the first byte.",
            rich_help_panel=_PLAYED,
        ),
    ] = 0.0
    tokens_per_second: Annotated[
        float | None,
        typer.Option(
            "--tokens-per-second",
            metavar="N",
            parser=values.number("--tokens-per-second"),
            help="Speed of each completion.",
            rich_help_panel=_PLAYED,
        ),
    ] = None


@option_group
class TroubleOptions:
    """What goes wrong."""

    rpm: Annotated[
        int | None,
        typer.Option(
            "--rpm",
            metavar="N",
            parser=values.number("--rpm", WHOLE_RATE),
            help="Requests per minute; more are answered 429.",
            rich_help_panel=_TROUBLE,
        ),
    ] = None
    tpm: Annotated[
        int | None,
        typer.Option(
            "--tpm",
            metavar="N",
            parser=values.number("--tpm", WHOLE_RATE),
            help="Tokens per minute; more are answered 429.",
            rich_help_panel=_TROUBLE,
        ),
    ] = None
    limit: Annotated[
        list[str],
        typer.Option(
            "--limit",
            metavar="KIND",
            help="How limits are enforced: bucket (the default), fixed-window, sliding-window, burstless or shared for "
            "--rpm and --tpm; in-flight=N; chance=P. Repeat to combine.",
            rich_help_panel=_TROUBLE,
        ),
    ] = field(default_factory=list)
    limit_headers: Annotated[
        str | None,
        typer.Option(
            "--limit-headers",
            metavar="NAMES",
            help="Rate-limit headers to send: none, or some of x-ratelimit, retry-after, retry-after-ms and "
            "x-ms-retry-after-ms, with commas between.",
            rich_help_panel=_TROUBLE,
        ),
    ] = None
    fault: Annotated[
        list[str],
        typer.Option(
            "--fault",
            metavar="KIND[:RATE]",
            autocompletion=_complete_fault,
            help="Apply a fault to a share of requests, 0 to 1 (KIND:xN: the first N; "
            "KIND=VALUE where it takes one); repeat.",
            rich_help_panel=_TROUBLE,
        ),
    ] = field(default_factory=list)
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="Print every KIND and what it does.", rich_help_panel=_TROUBLE)
    ] = False


@option_group
class EmulatorCommonOptions(CommonOptions):
    """The same as every command's, but that -v shows the other side of the exchange."""

    verbose: Annotated[int, verbose_option("Print a line for each request on stderr.")] = 0


@app.command(
    cls=Command,
    epilog=f"The content filter refuses prompts with the word {content_filter.PROMPT_TRIGGER}, and cuts answers "
    f"to prompts with {content_filter.OUTPUT_TRIGGER}.",
)
@with_options
def emulator(
    streams: Streams, listen: ListenOptions, play: PlayOptions, trouble: TroubleOptions, common: EmulatorCommonOptions
) -> None:
    """Run a local server that behaves like the service.

    The first line on stdout is the endpoint. Ctrl-C stops it.
    """
    if trouble.list_faults:
        _print_faults(streams)
        return
    config = EmulatorConfig(
        host=listen.host,
        port=listen.port,
        key=listen.key,
        log=listen.log,
        behaviour=play.behaviour,
        deployments=tuple(play.deployment),
        seed=play.seed,
        latency=play.latency,
        tokens_per_second=play.tokens_per_second,
        rpm=trouble.rpm,
        tpm=trouble.tpm,
        limit_headers=_limit_headers(trouble.limit_headers),
        limit=_limit(trouble),
        faults=tuple(parse_spec(text) for text in trouble.fault),
    )
    _warn_of_exposure(config, streams)
    if streams.stderr.is_terminal:
        streams.stderr.note(f"emulating {config.behaviour} with the engine {play.engine}; Ctrl-C stops it")
    _serve(config, play.engine, streams)


def _print_faults(streams: Streams) -> None:
    from completions_cli.emulator.faults.catalogue import listing

    streams.stdout.write("".join(f"{line}\n" for line in listing()).encode())


def _limit(trouble: TroubleOptions) -> LimitKind:
    """Read `--limit`. Raises UsageError."""
    found: dict[str, Any] = {}
    for text in trouble.limit:
        name, _, value = text.partition("=")
        if name == "in-flight":
            found["in_flight"] = values.number("--limit in-flight", IN_FLIGHT)(value)
        elif name == "chance":
            found["chance"] = values.number("--limit chance", SHARE)(value)
        elif text in REQUESTS:
            found["budget"] = text
        else:
            known = ", ".join([*REQUESTS, "in-flight=N", "chance=P"])
            raise UsageError(f"--limit: there is no {text!r}", hint=f"There are {known}.")
    if "budget" in found and trouble.rpm is None and trouble.tpm is None:
        raise UsageError(f"--limit {found['budget']} limits nothing", hint="Say how much: --rpm N or --tpm N.")
    return LimitKind(**found)


def _limit_headers(text: str | None) -> frozenset[LimitHeader] | None:
    if text is None:
        return None
    names = [name.strip().lower() for name in text.split(",")]
    known = {str(header): header for header in LimitHeader}
    for name in names:
        if name not in known and name != "none":
            raise UsageError(
                f"--limit-headers: there is no {name!r}", hint=f"Give none, or some of {', '.join(known)}."
            )
    return frozenset(known[name] for name in names if name != "none")


def _warn_of_exposure(config: EmulatorConfig, streams: Streams) -> None:
    try:
        is_loopback = ipaddress.ip_address(config.host).is_loopback
    except ValueError:
        is_loopback = config.host == "localhost"
    if not is_loopback:
        streams.stderr.note(
            f"warning: listening on {config.host}: other machines can reach it, and keys travel unencrypted"
        )


def _serve(config: EmulatorConfig, engine: EngineName, streams: Streams) -> None:
    try:
        from completions_cli.emulator.server import serve
    except ModuleNotFoundError as error:
        raise ConfigError(f"the emulator needs the package {error.name}", hint=install("emulator")) from error

    with _engine(engine, config.seed, streams) as model:
        show = streams.stderr.line if streams.verbosity else None
        serve(config, model, lambda url: streams.stdout.write(f"{url}\n".encode()), show)


@contextmanager
def _engine(name: EngineName, seed: int, streams: Streams) -> Iterator["Engine"]:
    if name is EngineName.ECHO:
        from completions_cli.emulator.engines.echo import EchoEngine

        yield EchoEngine(seed)
        return
    from completions_cli.emulator.engines.served import ServedEngine
    from completions_cli.emulator.engines.upstream import Upstream
    from completions_cli.local import engine
    from completions_cli.local.weights import Store
    from completions_cli.render.progress import Download

    engine.require()  # before the weights are fetched for nothing
    with Download(streams.stderr, color=streams.color(streams.stderr)) as watcher:
        model_path = Store().ensure(watcher)
    with engine.running(model_path, sequences=_SEQUENCES) as running:
        yield ServedEngine(Upstream(running.endpoint.removesuffix("/v1"), running.key), running.model)
