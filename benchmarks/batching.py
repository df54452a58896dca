"""What the benchmarks of `batch` share: an input, the command, and what it reports."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import measure


@dataclass(frozen=True)
class Run:
    """What a batch came to: seconds of CPU, of the whole process and of its work alone, and peak memory in MB."""

    cpu: float
    wall: float
    working: float
    peak: float


def rows_file(folder: Path, count: int) -> Path:
    """Write so many rows, once."""
    path = folder / f"{count}.jsonl"
    if not path.exists():
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"id": f"r{n}", "prompt": f"Text number {n}"}) + "\n" for n in range(count))
    return path


def command(endpoint: str, rows: Path, out: Path, *options: str) -> list[str]:
    """Spell out a batch; the environment's own `completions` runs it."""
    own = str(measure.ours() / "completions")
    return [own, "batch", str(rows), "-o", str(out), "--endpoint", endpoint, "-q", *options]


def run(endpoint: str, rows: Path, out: Path, *options: str) -> Run:
    """Run a batch to its end and watch its memory. Fails when it does, or a row did."""
    summary = out.with_suffix(".summary")
    line = command(endpoint, rows, out, "--summary", str(summary), *options)
    cost = measure.run(measure.Contender("batch", line, measure.KEY), peak=True)
    totals = json.loads(summary.read_text(encoding="utf-8"))
    if totals["failed"]:
        sys.exit(f"rows failed: {totals}")
    return Run(cost.cpu, cost.wall, float(totals["seconds"]), cost.peak)


def remove(out: Path) -> None:
    """Remove an output and what lies beside it, so that the next run starts anew."""
    for path in out.parent.glob(f"{out.name}*"):
        path.unlink()


def started(line: list[str]) -> subprocess.Popen[bytes]:
    """Start a command; the caller waits for it."""
    env = {**measure.clean(), **measure.KEY}
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env)


def thread_times(pid: int) -> dict[str, float]:
    """Give the CPU seconds of each kind of thread of a process, by the threads' names."""
    found: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text(encoding="utf-8").strip().rstrip("0123456789-")
        fields = (task / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        found[name] = found.get(name, 0.0) + seconds
    return found
