"""How a batch is getting on: a bar on a terminal, a line every ten seconds elsewhere, and a summary at its end."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from completions_cli.streams import Streams, visible


class Figures(Protocol):
    """What is shown of a run's totals."""

    @property
    def resumed(self) -> int:
        """Rows done by earlier runs."""

    @property
    def ok(self) -> int:
        """Rows that succeeded."""

    @property
    def failed(self) -> Mapping[str, int]:
        """Rows that failed, by kind."""

    @property
    def requests(self) -> int:
        """Requests sent."""

    @property
    def retries(self) -> int:
        """Requests that were sent again."""

    @property
    def throttled(self) -> int:
        """Requests answered 429."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens of prompts."""

    @property
    def completion_tokens(self) -> int:
        """Tokens of completions."""

    @property
    def seconds(self) -> float:
        """How long the run took so far."""

    @property
    def rows(self) -> int:
        """Rows that are done."""

    @property
    def new_rows(self) -> int:
        """Rows that this run has done."""

    @property
    def cost(self) -> float | None:
        """What the tokens cost."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. `position` is how much of the input has been read, 0 to 1."""

    totals: Figures
    in_flight: int
    position: float


class Progress:
    """Shows snapshots every `interval` seconds."""

    def __init__(self, streams: Streams) -> None:
        self._stderr = streams.stderr
        self.interval = 10.0

    def show(self, snapshot: Snapshot) -> None:
        """Show how it stands."""
        self._stderr.note(line(snapshot))

    def stop(self) -> None:
        """Leave the screen in order."""

    def summary(self, totals: Figures, output: Path, stopped_by: str | None) -> None:
        """Say how it ended."""
        for text in summary(totals, output, stopped_by):
            self._stderr.note(visible(text))


def line(snapshot: Snapshot) -> str:
    """Make the line for logs: key=value, space between."""
    totals = snapshot.totals
    seconds = max(totals.seconds, 1e-9)
    facts = {
        "rows": str(totals.rows),
        "failed": str(sum(totals.failed.values())),
        "rows_per_s": f"{totals.new_rows / seconds:.1f}",
        "tokens_per_s": f"{(totals.prompt_tokens + totals.completion_tokens) / seconds:.0f}",
        "in_flight": str(snapshot.in_flight),
        "throttled": str(totals.throttled),
        "read": f"{snapshot.position:.0%}",
    }
    if totals.cost is not None:
        facts["cost"] = f"{totals.cost:.4f}"
    return "batch: " + " ".join(f"{name}={value}" for name, value in facts.items())


def summary(totals: Figures, output: Path, stopped_by: str | None) -> list[str]:
    """Make the lines that a run ends with."""
    seconds = max(totals.seconds, 1e-9)
    failed = sum(totals.failed.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(totals.failed.items(), key=lambda item: -item[1]))
    resumed = f" ({totals.resumed} of them before)" if totals.resumed else ""
    tokens = totals.prompt_tokens + totals.completion_tokens
    cost = f", cost {totals.cost:.4f}" if totals.cost is not None else ""
    how = f"stopped by {stopped_by}" if stopped_by else "done"
    rates = f"{totals.new_rows} rows in {seconds:.1f} s, {totals.new_rows / seconds:.1f} rows/s"
    used = f"{totals.prompt_tokens} + {totals.completion_tokens} tokens, {tokens / seconds:.0f} tokens/s{cost}"
    sent = f"{totals.requests} requests, {totals.retries} of them again, {totals.throttled} answered 429"
    return [
        f"{how}: {totals.rows} rows{resumed}, {totals.ok} ok, {failed} failed" + (f": {kinds}" if kinds else ""),
        f"this run: {rates}; {used}; {sent}",
        f"output: {output}",
    ]
