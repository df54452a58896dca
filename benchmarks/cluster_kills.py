"""Batches on a cluster of three nodes whose processes are killed in turn: what is lost, doubled and bought twice.

python benchmarks/cluster_kills.py [KILLS] [ROWS]        (100 kills in batches of 2000 rows: 15 minutes)

Killed are, with SIGKILL at random moments: a worker, the coordinator, the driver, a node with its raylet. A driver
that was killed is started again with the same command, a node is replaced. Each batch must end with exit code 0.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.cluster import COMMAND, QUIET, TOKEN, lines
from completions_cli.batch.entry import read
from tests.cluster_process import ClusterProcess
from tests.emulator_process import EmulatorProcess

VICTIMS = ("worker", "coordinator", "driver", "node")
IN_FLIGHT = 60
LATENCY = 0.2  # seconds
PAUSE = 6.0  # seconds between two kills, at most: a driver takes four to send its first request
LONGEST = 600.0  # seconds of a batch without an end: it hangs


class Batch:
    """One batch: a folder, the command, and what is killed while it runs."""

    def __init__(self, cluster: ClusterProcess, source: Path, output: Path, url: str) -> None:
        service = {"COMPLETIONS_ENDPOINT": url, "COMPLETIONS_API_KEY": "none-is-needed-0123"}
        self._environ = {**os.environ, **QUIET, **TOKEN, **service}
        options = ("--engine", "ray", "--address", cluster.address, "-j", str(IN_FLIGHT), "-q")
        self._command = [COMMAND, "batch", str(source), "-o", str(output), *options]
        self._cluster = cluster
        self._driver = self._start()

    def is_over(self) -> bool:
        """Return whether the driver has ended by itself. Raises RuntimeError for any exit code but 0."""
        if self._driver.poll() is None:
            return False
        if self._driver.returncode:
            raise RuntimeError(f"exit code {self._driver.returncode}")
        return True

    def kill(self, victim: str) -> bool:
        """Kill something; false when it is not there yet."""
        if victim == "worker":
            return self._cluster.kill_one("ray::_Asker")
        if victim == "coordinator":
            return self._cluster.kill_one("ray::_Coordinator")
        if victim == "node":
            self._cluster.kill_node()
            self._cluster.add_node()
        else:
            self._driver.send_signal(signal.SIGKILL)
            self._driver.wait()
            self._driver = self._start()
        return True

    def stop(self) -> None:
        """End what is left of it."""
        self._driver.kill()
        self._driver.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(self._command, env=self._environ)


def main() -> None:
    """Kill, count and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("kills", nargs="?", type=int, default=100)
    parser.add_argument("rows", nargs="?", type=int, default=2000)
    asked = parser.parse_args()
    killed, sums = Counter[str](), Counter[str]()
    cluster = ClusterProcess({**os.environ, **QUIET, **TOKEN})
    try:
        for number in range(asked.kills):
            if killed.total() >= asked.kills:
                break
            chance = random.Random(number)  # noqa: S311 - nothing secret
            seen, found = one_batch(cluster, asked.rows, killed.total(), asked.kills, chance)
            killed.update(seen)
            sums.update(found)
            print(f"batch {number + 1}: killed {dict(seen)}; {dict(found)}", flush=True)
    finally:
        cluster.stop()
    print(f"{killed.total()} kills {dict(killed)}; {dict(sums)}")
    if sums["lost"] or sums["doubled"] or sums["foreign"]:
        sys.exit(1)


def one_batch(
    cluster: ClusterProcess, rows: int, before: int, most: int, chance: random.Random
) -> tuple[Counter[str], Counter[str]]:
    """Run a batch to its end; return what was killed, and what was found."""
    with tempfile.TemporaryDirectory(prefix="kills-") as name, serving(Path(name)) as server:
        source, output = Path(name) / "in.jsonl", Path(name) / "out"
        source.write_text("".join(f'{{"prompt": "Row {row} says", "max_tokens": 8}}\n' for row in range(rows)))
        batch, killed, ends = Batch(cluster, source, output, server.url), Counter[str](), time.monotonic() + LONGEST
        try:
            while not batch.is_over():
                time.sleep(chance.uniform(0.3, PAUSE))
                victim = VICTIMS[(before + killed.total()) % len(VICTIMS)]
                is_under_way = before + killed.total() < most and not batch.is_over() and server.log()
                if is_under_way and batch.kill(victim):
                    killed[victim] += 1
                if time.monotonic() > ends:
                    raise RuntimeError("it hangs")
        finally:
            batch.stop()
        return killed, found_in(output, rows, len(server.log()))


def serving(folder: Path) -> EmulatorProcess:
    """Start the emulator."""
    return EmulatorProcess("--latency", str(LATENCY), log=folder / "log.jsonl")


def found_in(output: Path, rows: int, requests: int) -> Counter[str]:
    """Count the rows that are missing or there twice, and requests beyond one a row."""
    there = Counter(entry.row if (entry := read(line, "native")) is not None else -1 for line in lines(output))
    return Counter(
        rows=rows,
        lost=sum(1 for row in range(rows) if not there[row]),
        doubled=sum(count - 1 for row, count in there.items() if 0 <= row < rows),
        foreign=sum(count for row, count in there.items() if not 0 <= row < rows),
        bought_twice=requests - rows,
    )


if __name__ == "__main__":
    main()
