"""`completions emulator`: the service, played on a local socket."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from completions_cli import paths
from completions_cli.commands import values
from completions_cli.commands.emulator_options import (
    WHOLE_RATE,
    EmulatorCommonOptions,
    ListenOptions,
    PlayOptions,
    TroubleOptions,
)
from completions_cli.commands.help_pages import Command
from completions_cli.commands.option_groups import with_options
from completions_cli.emulator import content_filter
from completions_cli.emulator.budgets import REQUESTS
from completions_cli.emulator.config import EmulatorConfig, EngineName, LimitHeader, LimitKind
from completions_cli.emulator.fault_spec import parse_spec
from completions_cli.errors import ConfigError, UsageError
from completions_cli.installation import install
from completions_cli.settings.numbers import Number
from completions_cli.streams import Streams

if TYPE_CHECKING:
    from completions_cli.emulator.engines import Engine

app = typer.Typer(add_completion=False)

# How many choices the embedded model computes together; more do not make two processors faster.
_SEQUENCES = 4
IN_FLIGHT = Number(1_000_000, 1, is_whole=True)
SHARE = Number(1)


@app.command(
    cls=Command,
    epilog=f"The content filter refuses prompts that contain {content_filter.PROMPT_TRIGGER}, and cuts answers "
    f"to prompts that contain {content_filter.OUTPUT_TRIGGER}.",
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
        log=paths.expanded(listen.log) if listen.log is not None else None,
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
        elif name == "bucket" and value:
            found["budget"], found["burst"] = name, values.number("--limit bucket", WHOLE_RATE)(value)
        elif text == "first-attempts":
            found["first_attempts"] = True
        elif text in REQUESTS:
            found["budget"] = text
        else:
            known = ", ".join([*REQUESTS, "bucket=N", "in-flight=N", "chance=P", "first-attempts"])
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
        serve(config, model, lambda url: _announce(url, config, engine, streams), show)


def _announce(url: str, config: EmulatorConfig, engine: EngineName, streams: Streams) -> None:
    """Say that the server listens: whatever can fail at its start has not."""
    _warn_of_exposure(config, streams)
    if streams.stderr.is_terminal:
        streams.stderr.note(f"emulating {config.behaviour} with the engine {engine}; Ctrl-C stops it")
    streams.stdout.write(f"{url}\n".encode())


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
