"""Where the CPU of a batch goes: by thread, and within Python by what the code is for. Needs nginx, Linux and root.

The threads' times are the kernel's. What Python does is sampled a hundred times a second by py-spy, from outside;
only samples in which it runs count. What a sample is for is told by its innermost frame that has a stage.
"""

import argparse
import collections
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import batching
import measure
from service import nginx

# The innermost frame whose file ends so decides.
STAGES = {
    "batch/source.py": "read rows",
    "batch/rows.py": "read rows",
    "batch/backlog.py": "read rows",
    "batch/template.py": "read rows",
    "batch/recipe.py": "read rows",
    "batch/inputs/": "read rows",
    "batch/units.py": "make requests, match answers to rows",
    "batch/outcomes.py": "make requests, match answers to rows",
    "api/wire.py": "make requests, match answers to rows",
    "batch/encoding.py": "make requests, match answers to rows",
    "api/service.py": "make requests, match answers to rows",
    "api/headers.py": "make requests, match answers to rows",
    "batch/exchange.py": "send and receive",
    "client/outgoing.py": "send and receive",
    "client/incoming.py": "send and receive",
    "transport/received.py": "send and receive",
    "transport/asynchronous.py": "send and receive",
    "transport/reqwest.py": "send and receive",
    "auth/credentials.py": "send and receive",
    "api/document.py": "decode answers",
    "batch/formats.py": "write answers",
    "batch/scribe.py": "write answers",
    "batch/journal.py": "write answers",
    "batch/ordering.py": "write answers",
    "pacing/": "pace",
    "batch/runner.py": "workers, totals, judging",
    "batch/sender.py": "workers, totals, judging",
    "batch/settling.py": "workers, totals, judging",
    "batch/triage.py": "workers, totals, judging",
    "batch/totals.py": "workers, totals, judging",
    "batch/budget.py": "workers, totals, judging",
}
REST = "event loop, start, all else"


def main() -> None:
    """Run a batch under a sampler and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    options = parser.parse_args()
    with nginx() as endpoint, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = batching.rows_file(folder, options.rows)
        with batching.started(batching.command(endpoint, rows, folder / "out", "-j", "64")) as process:
            while not (folder / "out").exists() and process.poll() is None:
                time.sleep(0.01)  # until Python runs, it cannot be sampled
            threads = watched(process, folder / "samples")
        if process.returncode:
            sys.exit(f"the batch ended with exit code {process.returncode}")
        samples = stages((folder / "samples").read_text(encoding="utf-8"))
    show("thread", threads, 1e6 / options.rows, "CPU µs a row")
    python = next(iter(threads.values()))  # the main thread comes first
    each = python / sum(samples.values()) * 1e6 / options.rows
    print()
    show("stage, within the main thread", samples, each, "CPU µs a row")


def watched(process: "subprocess.Popen[bytes]", samples: Path) -> dict[str, float]:
    """Sample a process until it ends; give the CPU seconds of its threads as they last were."""
    spy = str(measure.environment("py-spy", "py-spy") / "py-spy")
    line = [spy, "record", "--pid", str(process.pid), "--format", "raw", "--output", str(samples), "--full-filenames"]
    threads: dict[str, float] = {}
    with subprocess.Popen([*line, "--nonblocking"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        while process.poll() is None:
            try:
                threads = batching.thread_times(process.pid)
            except OSError:
                break
            time.sleep(0.05)
    return threads


def stages(folded: str) -> dict[str, float]:
    """Count the samples of each stage. A line is frames, outermost first, joined by `;`, and a count."""
    found: collections.Counter[str] = collections.Counter()
    for line in folded.splitlines():
        frames, _, count = line.rpartition(" ")
        found[_stage(frames.split(";"))] += int(count)
    return dict(found.most_common())


def _stage(frames: list[str]) -> str:
    for frame in reversed(frames):
        for place, stage in STAGES.items():
            if place in frame:
                return stage
    return REST


def show(what: str, amounts: dict[str, float], scale: float, unit: str) -> None:
    """Print each amount, scaled, and its share."""
    print(f"| {what} | {unit} | share |\n|---|---:|---:|")
    for name, amount in sorted(amounts.items(), key=lambda item: -item[1]):
        print(f"| {name} | {amount * scale:.1f} | {amount / sum(amounts.values()):.0%} |")


if __name__ == "__main__":
    main()
