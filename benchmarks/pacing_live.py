"""Runs batches against emulators that limit them and prints how much of the limit is used and how much is refused.

What `pacing.py` simulates, over real sockets and in real time. Run it as `python benchmarks pacing_live
[SECONDS]` (150 unless said). All cases run at once: on a machine that is too busy to send as fast as the limits
allow, the figures tell nothing.

Columns: `used` is the share of what the server allowed that was taken after the first minute (in the cases with
a change: between that minute and the change, at half time), `429` the share of requests refused in that time, `back`
the seconds after the change until a five-second mean is at 90 % of the new limit.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

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


def run(case: Case, folder: Path, rows: Path, seconds: float, commands: Path) -> str:
    """Run one case; give its line of the table."""
    log = folder / f"{case.name}.log"
    out = folder / f"{case.name}.jsonl"
    options = ("--latency", "0.3", "--log", str(log), *case.emulator)
    server = [str(commands / "python"), __file__, "--serve", str(case.change), str(seconds / 2), "emulator", *options]
    client = [str(commands / "completions"), "batch", str(rows), "-o", str(out), "-M", "16", "-q", *case.batch]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdout  # noqa: S101 - it is a pipe
        url = emulator.stdout.readline().strip()
        env = {**os.environ, "COMPLETIONS_ENDPOINT": url, "COMPLETIONS_API_KEY": "test-key-0123"}
        with subprocess.Popen(client, env=env, stderr=subprocess.DEVNULL) as batch:
            with contextlib.suppress(subprocess.TimeoutExpired):
                batch.wait(seconds)
            batch.send_signal(signal.SIGINT)
        emulator.terminate()
    return line(case, [json.loads(text) for text in log.read_text(encoding="utf-8").splitlines()], seconds)


def line(case: Case, requests: list[dict[str, Any]], seconds: float) -> str:
    """Work out the figures of a case from the emulator's log."""
    began = min(request["time"] for request in requests)
    taken = [request for request in requests if request["status"] == HTTPStatus.OK]
    counts_tokens = "--tpm" in case.emulator

    def amount(request: dict[str, Any]) -> float:
        return float(request["usage"]["total_tokens"]) if counts_tokens else 1.0

    def total(start: float, end: float) -> float:
        return sum(amount(request) for request in taken if start <= request["time"] - began < end)

    def refused(start: float, end: float) -> float:
        seen = [request["status"] for request in requests if start <= request["time"] - began < end]
        return seen.count(429) / max(1, len(seen))

    half, per_second = seconds / 2, (TPM if counts_tokens else RPM) / 60
    stopped = max(request["time"] for request in requests) - began - WINDOW
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
                if total(moment, moment + WINDOW) >= goal and refused(moment, moment + WINDOW) < FEW
            ),
            "never",
        )
    return f"| {case.name} | {used:.1%} | {refused(WARM_UP, stopped):.1%} | {back} |"


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["--serve"]:
        change, delay = float(sys.argv[2]), float(sys.argv[3])
        sys.argv[1:] = sys.argv[4:]
        serve(change, delay)
        return
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 150.0
    commands = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = folder / "rows.txt"
        rows.write_text("".join(f"A prompt of some words, number {n}\n" for n in range(100_000)), encoding="utf-8")
        with ThreadPoolExecutor(len(CASES)) as pool:
            lines = list(pool.map(lambda case: run(case, folder, rows, seconds, commands), CASES))
    print("| the server | used | 429 | back |\n|---|---:|---:|---:|", *lines, sep="\n")


if __name__ == "__main__":
    main()
