"""A batch on a cluster of three nodes, one of them killed: every row is to be there once, at the one rate.

python benchmarks/cluster.py [ROWS] [RPM]        (200000 rows at 9000 a minute: 23 minutes)

The rate is read off the emulator's log, over all nodes; the answers are compared with those of one machine.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.cluster_process import ClusterProcess
from tests.emulator_process import EmulatorProcess

COMMAND = str(Path(sys.executable).with_name("completions"))
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 4}
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
BEGINNING = 10  # seconds at either end that are no steady state


def main() -> None:
    """Run it and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="?", type=int, default=200_000)
    parser.add_argument("rpm", nargs="?", type=int, default=9000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        folder = Path(name)
        source = folder / "in.jsonl"
        with source.open("w", encoding="utf-8") as file:
            file.writelines(f'{{"prompt": "Row {number} says", "max_tokens": 8}}\n' for number in range(asked.rows))
        log, output = folder / "cluster-log.jsonl", folder / "out"
        with EmulatorProcess(log=log) as server:
            on_cluster(source, output, asked.rows, asked.rpm, server.url)
        numbers = Counter(json.loads(line)["row"] for line in lines(output))
        print(f"{len(numbers)} of {asked.rows} rows, {sum(numbers.values()) - len(numbers)} of them twice")
        rate(log, asked.rpm)
        with EmulatorProcess(log=folder / "single-log.jsonl") as server:
            on_one_machine(source, output, server.url)


def on_cluster(source: Path, output: Path, rows: int, rpm: int, url: str) -> None:
    """Run it on the cluster; kill a node when a third is done."""
    environ = {**os.environ, **QUIET, **TOKEN}
    cluster = ClusterProcess(environ)
    environ |= {"COMPLETIONS_ENDPOINT": url, "COMPLETIONS_API_KEY": "none-is-needed-0123"}
    options = ("-o", output, "--engine", "ray", "--address", cluster.address, "--rpm", str(rpm), "--summary", "-")
    with subprocess.Popen([COMMAND, "batch", source, *options], env=environ, stdout=subprocess.PIPE) as driver:
        is_whole = True
        while driver.poll() is None:
            time.sleep(1)
            if is_whole and done(output) >= rows // 3:
                cluster.kill_node()
                print(f"killed a node after {done(output)} rows", flush=True)
                is_whole = False
        print(f"exit code {driver.returncode}; summary:", driver.stdout.read().decode() if driver.stdout else "")
    cluster.stop()


def on_one_machine(source: Path, output: Path, url: str) -> None:
    """Run it here, and compare."""
    environ = {**os.environ, "COMPLETIONS_ENDPOINT": url, "COMPLETIONS_API_KEY": "none-is-needed-0123"}
    single = output.with_name("single.jsonl")
    subprocess.run([COMMAND, "batch", source, "-o", single, "-q"], env=environ, check=True)
    with single.open("rb") as file:
        expected = {answer(line) for line in file}
    found = {answer(line) for line in lines(output)}
    print("equal as a set to the output of one machine:", found == expected, len(found))


def done(output: Path) -> int:
    """Count the rows in all parts."""
    return sum(part.read_bytes().count(b"\n") for part in output.glob("part-*.jsonl"))


def lines(output: Path) -> Iterator[bytes]:
    """Yield the lines of all parts."""
    for part in sorted(output.glob("part-*.jsonl")):
        yield from part.read_bytes().splitlines()


def answer(line: bytes) -> tuple[int, str]:
    """Give what of a line does not differ from run to run."""
    record = json.loads(line)
    return record["row"], json.dumps([record["id"], record["choices"], record["usage"], record["error"]])


def rate(log: Path, rpm: int) -> None:
    """Print how the requests were spread over time."""
    with log.open(encoding="utf-8") as file:
        times = sorted(json.loads(line)["time"] for line in file)
    first, last = times[0], times[-1]
    seconds = Counter(int(moment - first) for moment in times)
    steady = [seconds[second] for second in range(BEGINNING, int(last - first) - BEGINNING)]
    minutes = [sum(steady[at : at + 60]) for at in range(max(1, len(steady) - 59))]
    print(f"{len(times)} requests in {last - first:.1f} s")
    if minutes:
        least, most = min(minutes), max(minutes)
        print(f"in any minute {least} to {most} requests: {least / rpm:.1%} to {most / rpm:.1%}")
    print(f"all in all {sum(steady) / max(1, len(steady)) * 60 / rpm:.1%} of the {rpm} a minute allowed")


if __name__ == "__main__":
    main()
