"""What one emulator is asked to be: every choice of the command line as plain data."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from completions_cli.emulator.fault_spec import FaultSpec


class BehaviourName(StrEnum):
    """Which of the service's back ends is played."""

    REFERENCE = "reference"
    MANAGED = "managed"
    FOUNDRY = "foundry"


class EngineName(StrEnum):
    """What writes the text."""

    ECHO = "echo"
    LOCAL = "local"


class LimitHeader(StrEnum):
    """The headers that tell a client about rate limits; each can be left out."""

    RATELIMIT = "x-ratelimit"
    RETRY_AFTER = "retry-after"
    RETRY_AFTER_MS = "retry-after-ms"
    X_MS_RETRY_AFTER_MS = "x-ms-retry-after-ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitKind:
    """How limits are enforced: how a minute is counted, requests in flight at most, a share refused by chance.

    `burst` is what a bucket holds, None a minute's worth; `first_attempts` refuses whatever was not sent before.
    """

    budget: str = "bucket"
    burst: int | None = None
    first_attempts: bool = False
    in_flight: int | None = None
    chance: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorConfig:
    """Every choice of one emulator.

    `rpm` and `tpm` are requests and tokens a minute, `latency` seconds before the first byte,
    `tokens_per_second` the pace of each completion, `limit_headers` None the behaviour's own set.
    """

    host: str = "127.0.0.1"
    port: int = 0
    key: str | None = None
    deployments: tuple[str, ...] = ()
    behaviour: BehaviourName = BehaviourName.REFERENCE
    rpm: int | None = None
    tpm: int | None = None
    limit_headers: frozenset[LimitHeader] | None = None
    limit: LimitKind = LimitKind()
    latency: float = 0.0
    tokens_per_second: float | None = None
    faults: tuple[FaultSpec, ...] = ()
    seed: int = 0
    log: Path | None = None
