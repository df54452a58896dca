"""How a fault is asked for: KIND[=VALUE][:RATE], or :xN for the first N requests."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One `--fault` as typed: which kind, its value if any, and how often.

    `rate` is the share of requests it strikes, 0..1; `first`, if set, strikes the first N requests instead.
    """

    kind: str
    value: float | None = None
    rate: float = 1.0
    first: int | None = None
