"""`completions emulator`: the service, played on a local socket."""

from pathlib import Path
from typing import Annotated

import typer

from completions_cli.emulator.config import BehaviourName, EmulatorConfig, EngineName, LimitHeader
from completions_cli.emulator.faults.spec import parse_spec
from completions_cli.errors import UsageError

app = typer.Typer(add_completion=False)


@app.command(name="emulator")
def emulator(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    key: Annotated[str | None, typer.Option(help="The only key accepted; without it any key is.")] = None,
    deployment: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A deployment that exists; repeat. None given: any.")
    ] = None,
    engine: Annotated[EngineName, typer.Option(help="What writes the text.")] = EngineName.ECHO,
    behaviour: Annotated[
        BehaviourName, typer.Option(help="Which back end of the service is played.")
    ] = BehaviourName.REFERENCE,
    rpm: Annotated[int | None, typer.Option(min=1, help="Requests a minute, then 429.")] = None,
    tpm: Annotated[int | None, typer.Option(min=1, help="Tokens a minute, then 429.")] = None,
    latency: Annotated[float, typer.Option(min=0, help="Seconds before the first byte.")] = 0.0,
    tokens_per_second: Annotated[float | None, typer.Option(min=0.001, help="Pace of each completion.")] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[=VALUE][:RATE]",
            help="Strike this share of requests, 0..1 (default all), or :xN for the first N; repeat.",
        ),
    ] = None,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Print every KIND and what it does.")] = False,
    limit_headers: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="Headers that tell of limits: x-ratelimit, retry-after, retry-after-ms, x-ms-retry-after-ms; none.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="What the text and the faults are drawn from.")] = 0,
    log: Annotated[Path | None, typer.Option(help="Append each request as JSONL, keys masked.")] = None,
) -> None:
    """Play the completions service on a local socket; the first line printed is the endpoint."""
    if list_faults:
        _print_faults()
        return
    config = EmulatorConfig(
        host=host,
        port=port,
        key=key,
        deployments=tuple(deployment or ()),
        behaviour=behaviour,
        rpm=rpm,
        tpm=tpm,
        latency=latency,
        tokens_per_second=tokens_per_second,
        limit_headers=_limit_headers(limit_headers),
        faults=tuple(parse_spec(text) for text in fault or ()),
        seed=seed,
        log=log,
    )
    _run(config, engine)


def _print_faults() -> None:
    from completions_cli.emulator.faults.catalogue import listing

    typer.echo("\n".join(listing()))


def _limit_headers(text: str | None) -> frozenset[LimitHeader] | None:
    if text is None:
        return None
    names = [name.strip().lower() for name in text.split(",")]
    try:
        return frozenset(LimitHeader(name) for name in names if name != "none")
    except ValueError as error:
        known = ", ".join(LimitHeader)
        raise UsageError(f"--limit-headers {text}: {error}", hint=f"Name some of {known}, or none.") from error


def _run(config: EmulatorConfig, engine: EngineName) -> None:
    from completions_cli.emulator.engines.echo import EchoEngine
    from completions_cli.emulator.server import serve

    del engine
    serve(config, EchoEngine(config.seed), typer.echo)
