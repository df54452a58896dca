"""How a batch is getting on: a bar on a terminal, a line every ten seconds elsewhere, and a summary at its end."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from completions_cli import paths
from completions_cli.batch import closing
from completions_cli.batch.totals import Totals
from completions_cli.streams import Messages, Streams, visible

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

_LINE_SECONDS = 10.0
_BAR_SECONDS = 0.2
# Snapshots that rates are worked out over: ten seconds of the bar, a minute of lines.
_BAR_RECENT, _LINE_RECENT = 50, 7
_WIDEST = 100
# What a signal is in the closing line; other reasons stand there as they are in the summary.
_SIGNALS = {"interrupt": "interrupted", "terminate": "stopped by SIGTERM", "hangup": "stopped by SIGHUP"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment. `share` is how much of it is done, 0 to 1; `total` how many rows it has, if known.

    `profiles` are those that share its rows, where there are several. `trouble` says why nothing succeeds.
    """

    totals: Totals
    in_flight: int
    share: float
    total: int | None = None
    profiles: tuple[str, ...] = ()
    trouble: str | None = None


class Progress:
    """Shows snapshots every `interval` seconds. Call `stop` before printing anything else."""

    def __init__(self, streams: Streams) -> None:
        self._stderr = streams.stderr
        self._color = streams.color(streams.stderr)
        # A bar and the lines of -v would fight over the screen.
        self._has_bar = self._stderr.can_draw and not self._stderr.quiet and not streams.verbosity
        self._live: Live | None = None
        recent = _BAR_RECENT if self._has_bar else _LINE_RECENT
        self._recent: deque[tuple[float, int, int, float]] = deque(maxlen=recent)
        self._by_profile: deque[tuple[float, Counter[str]]] = deque([(0.0, Counter())], maxlen=recent)
        self._moved = (0, 0.0)  # rows that were done, and when that was first seen
        self.interval = _BAR_SECONDS if self._has_bar else _LINE_SECONDS

    def show(self, snapshot: Snapshot) -> None:
        """Show how it stands."""
        totals = snapshot.totals
        if not self._recent:
            began = totals.resumed / snapshot.total if snapshot.total else 0.0
            self._recent.append((0.0, totals.resumed, 0, began))
        self._recent.append((totals.seconds, totals.rows, totals.total_tokens, snapshot.share))
        if totals.rows != self._moved[0]:
            self._moved = (totals.rows, totals.seconds)
        self._by_profile.append((totals.seconds, totals.profiles.copy()))
        pace = estimate(self._recent, tail(snapshot, totals.seconds - self._moved[1]))
        pace = replace(pace, profiles=rates(self._by_profile, snapshot.profiles))
        if not self._has_bar:
            self._stderr.note(line(snapshot, pace))
            if snapshot.trouble is not None:
                self._stderr.note(f"note: {snapshot.trouble}")
            return
        if self._live is None:
            self._live = _live(self._stderr, color=self._color)
            self._live.start()
        self._live.update(_bar(snapshot, pace, self._live.console.width), refresh=True)

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        if self._live is None:
            self._stderr.note(text)
        else:
            self._live.console.print(visible(text), markup=False, emoji=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Remove the bar from the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def summary(self, totals: Totals, output: Path | str, stopped_by: str | None) -> None:
        """Print how the run ended."""
        lines = summary(totals, output, stopped_by)
        if self._stderr.is_terminal and self._color and not self._stderr.quiet:
            # Yellow, or green that is bold, cannot be read on white.
            style = "1;31" if stopped_by or totals.failed else "1"
            self._stderr.raw(f"\x1b[{style}m{visible(lines[0])}\x1b[0m\n")
            lines = lines[1:]
        for text in lines:
            self._stderr.note(text)


@dataclass(frozen=True, slots=True)
class Speed:
    """Recent rates per second, and the seconds left at these rates; None while unknown."""

    rows: float
    tokens: float
    left: float | None
    profiles: Mapping[str, float] = field(default_factory=dict)  # rows


def line(snapshot: Snapshot, pace: Speed) -> str:
    """Make the line for logs: key=value, space between."""
    totals = snapshot.totals
    facts = {
        "rows": str(totals.rows),
        "failed": str(sum(totals.failed.values())),
        "rows_per_s": f"{pace.rows:.1f}",
        "tokens_per_s": f"{pace.tokens:.0f}",
        "in_flight": str(snapshot.in_flight),
        "throttled": str(totals.throttled),
        "done": f"{snapshot.share:.0%}",
    }
    if totals.cost is not None:
        facts["cost"] = f"{totals.cost:.4f}"
    if pace.left is not None:
        facts["eta_s"] = f"{pace.left:.0f}"
    facts |= {f"{name}_per_s": f"{rate:.1f}" for name, rate in pace.profiles.items()}
    return "batch: " + " ".join(f"{name}={value}" for name, value in facts.items())


def summary(totals: Totals, output: Path | str, stopped_by: str | None) -> list[str]:
    """Make the lines that a run ends with."""
    failed = sum(totals.failed.values())
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(totals.failed.items(), key=lambda item: -item[1]))
    resumed = f", {totals.resumed} of them from earlier runs" if totals.resumed else ""
    how = _SIGNALS.get(stopped_by, f"stopped ({stopped_by})") if stopped_by else "done"
    rows = f"{totals.ok} ok, {failed} failed{f' ({kinds})' if kinds else ''}"
    lines = [
        f"{how}: {_counted(totals.rows, 'row')}{resumed}; {rows}",
        *_figures(totals),
        f"output: {paths.on_a_line(output)}",
    ]
    counts = totals.in_output
    if counts is not None:
        lines += closing.lines(counts)
    elif failed and stopped_by:  # else the error says so
        lines.append("to send the failed rows again, add --retry-failed to the same command")
    if stopped_by in _SIGNALS:  # what else stops it has an error with this for its hint
        lines.append("run the same command again to resume")
    return lines


def _figures(totals: Totals) -> list[str]:
    """Return how fast the run was; a run that found everything done has no figures."""
    if totals.resumed and not totals.new_rows and not totals.requests:
        return []
    seconds = max(totals.seconds, 1e-9)
    cost = f", cost {totals.cost:.4f}" if totals.cost is not None else ""
    rows = f"{_counted(totals.new_rows, 'row')} in {seconds:.1f} s, {totals.new_rows / seconds:.1f} rows/s"
    used = f"{totals.prompt_tokens:,} prompt + {totals.completion_tokens:,} completion"
    tokens = f"tokens: {used}, {totals.total_tokens / seconds:,.0f} per second{cost}"
    requests = closing.requests(totals.requests, totals.retries, totals.throttled)
    by_profile = ", ".join(f"{count} by {name}" for name, count in totals.profiles.most_common())
    figures = [rows, tokens, requests] if totals.new_rows or totals.total_tokens else [requests]
    if totals.unreported:
        are = "are estimated" if totals.estimated else "are not counted"
        figures.append(f"usage: {_counted(totals.unreported, 'answer')} came without it; their tokens {are}")
    if len(totals.profiles) > 1:
        figures.append(f"answered: {by_profile}")
    if totals.hedged:
        figures.append(f"sent twice: {_counted(totals.hedged, 'row')} (--hedge); you pay for both answers")
    return figures


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def tail(snapshot: Snapshot, silent: float) -> float:
    """Return how many seconds the rest takes at least, where all that is left has been asked and nothing came lately.

    What has taken so long takes as long again: one slow row at the end is not estimated by the many quick ones.
    """
    left = None if snapshot.total is None else snapshot.total - snapshot.totals.rows
    return silent if left is not None and 0 < left <= snapshot.in_flight else 0.0


def estimate(recent: Sequence[tuple[float, int, int, float]], at_least: float) -> Speed:
    """Return the pace over snapshots of (seconds, rows, tokens, share done)."""
    (began, rows_then, tokens_then, share_then), (now, rows, tokens, share) = recent[0], recent[-1]
    seconds = max(now - began, 1e-9)
    speed = (share - share_then) / seconds
    left = max((1 - share) / speed, at_least) if speed > 0 and share < 1 else None
    return Speed((rows - rows_then) / seconds, (tokens - tokens_then) / seconds, left)


def rates(recent: Sequence[tuple[float, Counter[str]]], names: Iterable[str]) -> dict[str, float]:
    """Return the rows per second of each profile over snapshots of (seconds, rows by profile)."""
    (began, then), (now, rows) = recent[0], recent[-1]
    return {name: (rows[name] - then[name]) / max(now - began, 1e-9) for name in names}


def _live(stderr: Messages, *, color: bool) -> "Live":
    from rich.console import Console
    from rich.live import Live

    console = Console(file=cast("IO[str]", stderr.drawn()), no_color=not color)
    return Live(console=console, auto_refresh=False, transient=True)


def _bar(snapshot: Snapshot, pace: Speed, width: int) -> "RenderableType":
    """Draw the bar: how far, and below it how fast."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    totals = snapshot.totals
    width = min(width, _WIDEST)
    of = f" of {snapshot.total:,}" if snapshot.total is not None else ""
    left = "" if pace.left is None else f"  {_duration(pace.left)} left"
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        ProgressBar(total=1.0, completed=snapshot.share, width=max(10, width - 52)),
        Text(f"{snapshot.share:4.0%}"),
        Text(f"{totals.rows:,}{of} rows{left}", no_wrap=True),
    )
    failed = sum(totals.failed.values())
    parts = [
        Text(f"{pace.rows:,.0f} rows/s"),
        Text(f"{pace.tokens:,.0f} tokens/s"),
        Text(f"{snapshot.in_flight} in flight"),
        Text(f"{failed:,} failed", style="red" if failed else ""),
    ]
    if totals.throttled:
        parts.append(Text(f"{totals.throttled:,} answered 429", style="magenta"))
    if totals.cost is not None:
        parts.append(Text(f"cost {totals.cost:.4f}"))
    between = Text.assemble((" · ", "dim"))
    members = [Text(f"{visible(name)} {rate:,.0f} rows/s") for name, rate in pace.profiles.items()]
    below = [between.join(members)] if members else []
    if snapshot.trouble is not None:
        below.append(Text(visible(snapshot.trouble), "magenta"))
    return Group(grid, between.join(parts), *below)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
