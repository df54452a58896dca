"""The options of `completions emulator`, by the panels of its help."""

from dataclasses import field
from pathlib import Path
from typing import Annotated

import typer

from completions_cli.commands import values
from completions_cli.commands.common_options import ToolOptions, verbose_option
from completions_cli.commands.option_groups import option_group
from completions_cli.commands.options import INTEGER
from completions_cli.emulator.config import BehaviourName, EngineName
from completions_cli.settings.numbers import Number

WHOLE_RATE = Number(1_000_000_000, 1, is_whole=True)

_LISTENING = "Server"
_PLAYED = "Behaviour"
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
            help="Port to listen on; 0 takes a free one.",
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
            help="Append a JSON line for each request, with keys masked.",
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
            help="Accept only this deployment (with foundry: model); repeat for several. (default: any)",
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
            help="echo: random words, at once; local: the embedded model.",
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
            help="Speed of each completion. (default: no limit)",
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
            help="Requests per minute; any more are answered with 429.",
            rich_help_panel=_TROUBLE,
        ),
    ] = None
    tpm: Annotated[
        int | None,
        typer.Option(
            "--tpm",
            metavar="N",
            parser=values.number("--tpm", WHOLE_RATE),
            help="Tokens per minute; any more are answered with 429.",
            rich_help_panel=_TROUBLE,
        ),
    ] = None
    limit: Annotated[
        list[str],
        typer.Option(
            "--limit",
            metavar="KIND",
            help="How limits are enforced: bucket (the default), bucket=N, fixed-window, sliding-window, burstless or "
            "shared for --rpm and --tpm; in-flight=N; chance=P; first-attempts. Repeat to combine.",
            rich_help_panel=_TROUBLE,
        ),
    ] = field(default_factory=list)
    limit_headers: Annotated[
        str | None,
        typer.Option(
            "--limit-headers",
            metavar="NAMES",
            help="Rate-limit headers to send: none, or some of x-ratelimit, retry-after, retry-after-ms and "
            "x-ms-retry-after-ms, separated by commas.",
            rich_help_panel=_TROUBLE,
        ),
    ] = None
    fault: Annotated[
        list[str],
        typer.Option(
            "--fault",
            metavar="KIND[:RATE]",
            autocompletion=_complete_fault,
            help="Apply a fault to this share of requests, 0 to 1, or with KIND:xN to the first N; KIND=VALUE sets its "
            "value; repeat for several.",
            rich_help_panel=_TROUBLE,
        ),
    ] = field(default_factory=list)
    list_faults: Annotated[
        bool, typer.Option("--list-faults", help="Print every KIND and what it does.", rich_help_panel=_TROUBLE)
    ] = False


@option_group
class EmulatorCommonOptions(ToolOptions):
    """Those of every command, but that -v shows the other side of the exchange."""

    verbose: Annotated[int, verbose_option("Print a line for each request on stderr.")] = 0
