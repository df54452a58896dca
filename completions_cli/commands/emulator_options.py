"""The options of `completions emulator`, by the panels of its help."""

from dataclasses import field
from typing import Annotated

from completions_cli.commands.common_options import Panel, ToolOptions, verbose_option
from completions_cli.commands.option_groups import option_group
from completions_cli.commands.options import INTEGER
from completions_cli.emulator.config import BehaviourName, EngineName
from completions_cli.settings.numbers import Number

WHOLE_RATE = Number(1_000_000_000, 1, is_whole=True)

_server = Panel("Server")
_behaviour = Panel("Behaviour")
_limits = Panel("Limits and faults")


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

    host: Annotated[str, _server("--host", metavar="ADDRESS", help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, _server.number("--port", metavar="PORT", help="Port to listen on; 0 takes a free one.")] = 0
    key: Annotated[str | None, _server("--key", metavar="K", help="Accept only this key. (default: any)")] = None
    log: Annotated[
        str | None, _server("--log", metavar="FILE", help="Append a JSON line for each request, with keys masked.")
    ] = None


@option_group
class PlayOptions:
    """What the emulator plays."""

    behaviour: Annotated[
        BehaviourName,
        _behaviour.word(
            "--behaviour",
            metavar="NAME",
            known=BehaviourName,
            help="Back end to imitate: reference, managed or foundry.",
        ),
    ] = BehaviourName.REFERENCE
    deployment: Annotated[
        list[str],
        _behaviour(
            "--deployment",
            metavar="NAME",
            help="Accept only this deployment (with foundry: model); repeat for several. (default: any)",
        ),
    ] = field(default_factory=list)
    engine: Annotated[
        EngineName,
        _behaviour.word(
            "--engine", metavar="NAME", known=EngineName, help="echo: random words, at once; local: the embedded model."
        ),
    ] = EngineName.ECHO
    seed: Annotated[int, _behaviour.number("--seed", kind=INTEGER, metavar="N", help="Seed for texts and faults.")] = 0
    latency: Annotated[float, _behaviour.number("--latency", metavar="S", help="Seconds to the first byte.")] = 0.0
    tokens_per_second: Annotated[
        float | None,
        _behaviour.number("--tokens-per-second", metavar="N", help="Speed of each completion. (default: no limit)"),
    ] = None


@option_group
class TroubleOptions:
    """What goes wrong."""

    rpm: Annotated[
        int | None,
        _limits.number(
            "--rpm", kind=WHOLE_RATE, metavar="N", help="Requests per minute; any more are answered with 429."
        ),
    ] = None
    tpm: Annotated[
        int | None,
        _limits.number(
            "--tpm", kind=WHOLE_RATE, metavar="N", help="Tokens per minute; any more are answered with 429."
        ),
    ] = None
    limit: Annotated[
        list[str],
        _limits(
            "--limit",
            metavar="KIND",
            help="How limits are enforced: bucket (the default), bucket=N, fixed-window, sliding-window, burstless or "
            "shared for --rpm and --tpm; in-flight=N; chance=P; first-attempts. Repeat to combine.",
        ),
    ] = field(default_factory=list)
    limit_headers: Annotated[
        str | None,
        _limits(
            "--limit-headers",
            metavar="NAMES",
            help="Rate-limit headers to send: none, or some of x-ratelimit, retry-after, retry-after-ms and "
            "x-ms-retry-after-ms, separated by commas.",
        ),
    ] = None
    fault: Annotated[
        list[str],
        _limits(
            "--fault",
            metavar="KIND[:RATE]",
            autocompletion=_complete_fault,
            help="Apply a fault to this share of requests, 0 to 1, or with KIND:xN to the first N; KIND=VALUE sets its "
            "value; repeat for several.",
        ),
    ] = field(default_factory=list)
    list_faults: Annotated[bool, _limits("--list-faults", help="Print every KIND and what it does.")] = False


@option_group
class EmulatorCommonOptions(ToolOptions):
    """Those of every command, but that -v shows the other side of the exchange."""

    verbose: Annotated[int, verbose_option("Print a line for each request on stderr.")] = 0
