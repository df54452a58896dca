"""One service that a batch asks, with everything of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from completions_cli.batch.budget import Prices
from completions_cli.batch.exchange import Exchange
from completions_cli.batch.triage import Triage

_SMOOTHING = 0.1  # share of the newest answer in the mean


class Holding(Protocol):
    """What holds requests to a member back: its pace, or what stands in for that elsewhere."""

    def pause(self, until: float) -> None:
        """Send nothing before `until`."""

    def narrow(self, most: int | None) -> None:
        """Limit the requests in flight to `most`; None ends it."""


@dataclass(eq=False, slots=True)
class Health:
    """How a service is doing.

    `latency` is the mean of late, in seconds. While `is_aside`, one row now and then finds out whether it answers
    again. Until `exhausted_until` nobody waits for it: where no other member is left, the run stops.
    """

    name: str | None
    pace: Holding
    latency: float = field(default=0.0, kw_only=True)
    is_aside: bool = field(default=False, kw_only=True)
    is_gone: bool = field(default=False, kw_only=True)
    exhausted_until: float = field(default=float("-inf"), kw_only=True)

    def answered(self, latency: float) -> None:
        """Record how long an answer took."""
        self.latency += (latency - self.latency) * (_SMOOTHING if self.latency else 1.0)


@dataclass(eq=False, slots=True)
class Member(Health):
    """A service that is asked from here, how it is asked, and what judges its failures."""

    exchange: Exchange
    triage: Triage
    prices: Prices | None = None


def trouble(members: Sequence[Member], now: float) -> str | None:
    """Return what to tell the user while none of the members that are left answers, or None."""
    asked = [member for member in members if not member.is_gone]
    said = [member.triage.trouble(now) for member in asked]
    if not said or None in said:
        return None
    return said[0] if len(members) == 1 else f"no profile answers; {asked[0].name}: {said[0]}"
