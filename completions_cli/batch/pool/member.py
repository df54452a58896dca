"""One service that a batch asks, with everything of its own."""

from dataclasses import dataclass

from completions_cli.batch.budget import Prices
from completions_cli.batch.exchange import Exchange
from completions_cli.batch.triage import Triage
from completions_cli.pacing.gate import Pacing

_SMOOTHING = 0.1  # share of the newest answer in the mean


@dataclass(slots=True)
class Member:
    """A service: how it is asked, how fast, and how it is doing.

    `latency` is the mean of late, in seconds. While `is_aside`, one row now and then finds out whether it answers
    again. Until `exhausted_until` nobody waits for it: where no other member is left, the run stops.
    """

    name: str | None
    exchange: Exchange
    pace: Pacing
    triage: Triage
    prices: Prices | None = None
    latency: float = 0.0
    is_aside: bool = False
    is_gone: bool = False
    exhausted_until: float = float("-inf")

    def answered(self, latency: float) -> None:
        """Record how long an answer took."""
        self.latency += (latency - self.latency) * (_SMOOTHING if self.latency else 1.0)
