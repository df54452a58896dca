"""Runs batches against emulators whose limits are told, or change, and prints how much of a limit is used.

All cases run at once, for SECONDS each (`python benchmarks pacing_changes [SECONDS]`, 150 unless said): on a machine
that is too busy to send as fast as the limits allow, the figures tell nothing.

Columns: `used` is the share of what the server allowed that was taken after the first minute (in the cases with
a change: between that minute and the change, at half time), `429` the share of requests refused in that time, `back`
the seconds after the change until a five-second mean is at 90 % of the new limit.
"""

import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import live_batch
from live_batch import Log

WARM_UP = 60
WINDOW = 5
FEW = 0.1  # refused share that a run has got over a lower limit with
RPM, TPM = 300, 8_000


@dataclass(frozen=True)
class Case:
    """A limit, how the client knows of it, and what becomes of it at half time."""

    name: str
    emulator: tuple[str, ...]
    batch: tuple[str, ...] = ()
    change: float = 1.0


BARE = ("--limit-headers", "none")
CASES = [
    Case("rate headers, requests", ("--rpm", str(RPM))),
    Case("rate headers, tokens", ("--tpm", str(TPM))),
    Case("--rpm", ("--rpm", str(RPM), *BARE), ("--rpm", str(RPM))),
    Case("--tpm", ("--tpm", str(TPM), *BARE), ("--tpm", str(TPM))),
    Case("bare 429, requests", ("--rpm", str(RPM), *BARE)),
    Case("bare 429, tokens", ("--tpm", str(TPM), *BARE)),
    Case("rate headers, doubled", ("--rpm", str(RPM)), change=2.0),
    Case("rate headers, halved", ("--rpm", str(RPM)), change=0.5),
    Case("bare 429, doubled", ("--rpm", str(RPM), *BARE), change=2.0),
    Case("bare 429, halved", ("--rpm", str(RPM), *BARE), change=0.5),
]


def serve(change: float, delay: float) -> None:
    """Be an emulator whose limits change `delay` seconds after its first request."""
    from completions_cli.emulator import answering
    from completions_cli.emulator.limits import Limits, Verdict
    from completions_cli.main import main

    class Changing(Limits):
        _timer: threading.Timer | None = None

        def admit(self, estimate: int) -> Verdict:
            if self._timer is None:
                self._timer = threading.Timer(delay, self._change)
                self._timer.daemon = True
                self._timer.start()
            return super().admit(estimate)

        def _change(self) -> None:
            for bucket in (self._requests, self._tokens):
                if bucket:
                    bucket.left()
                    bucket.per_minute = round(bucket.per_minute * change)

    answering.Limits = Changing  # type: ignore[attr-defined] # no emulator changes its limits
    main()


def run(case: Case, folder: Path, seconds: float) -> str:
    """Run one case; give its line of the table."""
    server = [__file__, "--serve", str(case.change), str(seconds / 2), "emulator", "--latency", "0.3", *case.emulator]
    return line(case, live_batch.run(case.name, server, case.batch, folder, seconds), seconds)


def line(case: Case, log: Log, seconds: float) -> str:
    """Work out the figures of a case from the emulator's log."""
    counts_tokens = "--tpm" in case.emulator

    def amount(request: dict[str, Any]) -> float:
        return float(request["usage"]["total_tokens"]) if counts_tokens else 1.0

    def total(start: float, end: float) -> float:
        return sum(amount(request) for request in log.taken(start, end))

    half, per_second = seconds / 2, (TPM if counts_tokens else RPM) / 60
    stopped = log.end - WINDOW
    end = half if case.change != 1 else stopped
    used = total(WARM_UP, end) / (per_second * (end - WARM_UP))
    back = ""
    if case.change != 1:
        goal = per_second * case.change * 0.9 * WINDOW
        moments = [half + step / 2 for step in range(int((half - WINDOW) * 2))]
        back = next(
            (
                f"{moment - half:.1f} s"
                for moment in moments
                if total(moment, moment + WINDOW) >= goal and log.refused(moment, moment + WINDOW) < FEW
            ),
            "never",
        )
    return f"| {case.name} | {used:.1%} | {log.refused(WARM_UP, stopped):.1%} | {back} |"


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--serve"]:
        change, delay = float(sys.argv[2]), float(sys.argv[3])
        sys.argv[1:] = sys.argv[4:]
        serve(change, delay)
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 150.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        live_batch.rows(folder)
        with ThreadPoolExecutor(len(CASES)) as pool:
            lines = list(pool.map(lambda case: run(case, folder, seconds), CASES))
    print("| the server | used | 429 | back |\n|---|---:|---:|---:|", *lines, sep="\n")


if __name__ == "__main__":
    main()
