"""What a part costs on a cluster, from 10,000 to 1,000,000 rows, and how often a large row group is read.

python benchmarks/cluster_growth.py [ROWS ...]        (default 10000 100000 1000000: some minutes)

No row of the input has a prompt: each becomes an error line and no request is sent, so that what is left is the cost
of counting, handing out, writing and recording parts. The driver joins a cluster of three nodes; its CPU time and its
memory are its own. Figures a part are those of the largest input less those of the smallest.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.cluster import COMMAND, QUIET, TOKEN, lines
from completions_cli.batch.cluster import inputs, splits
from completions_cli.batch.cluster.planning import Partition, part_rows
from completions_cli.batch.recipe import PLAIN
from completions_cli.batch.selection import Selection
from tests.cluster_process import ClusterProcess

FAILED = 13  # exit code: rows failed, as they must
TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Of a run: wall seconds, seconds of the driver's CPU, bytes of its memory at most, parts."""

    wall: float
    cpu: float
    memory: int
    parts: int


def main() -> None:
    """Run all sizes and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rows", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    sizes = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="growth-") as name:
        read_once(Path(name), max(sizes))
        cluster = ClusterProcess({**os.environ, **QUIET, **TOKEN})
        try:
            costs = [one_run(cluster, Path(name), rows) for rows in sizes]
        finally:
            cluster.stop()
    first, last = costs[0], costs[-1]
    more = max(1, last.parts - first.parts)
    print(f"a part: {(last.wall - first.wall) / more * 1000:.1f} ms of wall time,", end=" ")
    print(f"{(last.cpu - first.cpu) / more * 1000:.2f} ms of the driver's CPU,", end=" ")
    print(f"{(last.memory - first.memory) / more:.0f} bytes of its memory")


def one_run(cluster: ClusterProcess, folder: Path, rows: int) -> Cost:
    """Run a batch of rows without prompts."""
    source, output = folder / f"in-{rows}.jsonl", folder / f"out-{rows}"
    with source.open("w", encoding="utf-8") as file:
        file.writelines(f'{{"id": "row {number}"}}\n' for number in range(rows))
    service = {"COMPLETIONS_ENDPOINT": "http://127.0.0.1:9", "COMPLETIONS_API_KEY": "none-is-needed-0123"}
    options = ("--engine", "ray", "--address", cluster.address, "-q")
    started = time.monotonic()
    driver = subprocess.Popen(
        [COMMAND, "batch", source, "-o", output, *options],
        env={**os.environ, **QUIET, **TOKEN, **service},
        stderr=subprocess.DEVNULL,
    )
    cpu, memory = 0.0, 0
    while driver.poll() is None:
        cpu, memory = used(driver.pid) or (cpu, memory)
        time.sleep(0.05)
    wall = time.monotonic() - started
    found = sum(1 for _ in lines(output))
    cost = Cost(wall, cpu, memory, len(list(output.glob("part-*"))))
    print(
        f"{rows} rows, {cost.parts} parts: {wall:.1f} s, driver {cpu:.2f} s of CPU, {memory / 1e6:.0f} MB", flush=True
    )
    if (driver.returncode, found) != (FAILED, rows):
        raise RuntimeError(f"exit code {driver.returncode}, {found} lines")
    return cost


def used(pid: int) -> tuple[float, int] | None:
    """Return the CPU seconds and the most memory in bytes of a process so far; None when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        peak = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS, int(peak.split()[1]) * 1024


def read_once(folder: Path, rows: int) -> None:
    """Read a Parquet file of one row group as a reader does, and print how many bytes of it were read."""
    import pyarrow as pa
    from pyarrow import parquet

    path = folder / "in.parquet"
    table = pa.table({"prompt": [f"Row {number} says" for number in range(rows)], "note": ["x" * 50] * rows})
    parquet.write_table(table, path, row_group_size=rows, compression="none", use_dictionary=False)
    files = inputs.find(str(path), None)
    plan = Partition(files, [inputs.count(file) for file in files], Selection(), part_rows([rows]))
    wanted = {part for part, _ in plan.parts()}
    before, began = read_so_far(), time.process_time()
    found = sum(len(block.rows) for split in plan.splits(wanted, PLAIN) for block in splits.blocks(split))
    seconds, read = time.process_time() - began, read_so_far() - before
    print(f"one row group of {found} rows: {read / path.stat().st_size:.2f} of its bytes read, {seconds:.1f} s of CPU")


def read_so_far() -> int:
    """Return the bytes that this process has read."""
    return int(Path("/proc/self/io").read_text().split()[1])


if __name__ == "__main__":
    main()
