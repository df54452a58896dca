"""What a row costs, by how many requests are in flight. Needs nginx, and Linux for /proc."""

import argparse
import statistics
import tempfile
from pathlib import Path

import batching
from batching import Run
from service import nginx

_IN_FLIGHT = ("1", "2", "4", "8", "16", "32", "64", "128", "256", "512", "auto")


def main() -> None:
    """Sweep, several times in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runs: dict[str, list[Run]] = {width: [] for width in _IN_FLIGHT}
    with nginx() as endpoint, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = batching.run(endpoint, batching.rows_file(folder, 1), folder / "out").cpu
        rows = batching.rows_file(folder, options.rows)
        for _ in range(options.rounds):
            for width, found in runs.items():
                batching.remove(folder / "out")
                found.append(batching.run(endpoint, rows, folder / "out", "-j", width))
    print(f"| in flight, {options.rows} rows | CPU µs a row | rows/s | peak MB |\n|---:|---:|---:|---:|")
    for width, found in runs.items():
        cpu = statistics.median(run.cpu - start for run in found) / options.rows * 1e6
        rate = options.rows / statistics.median(run.working for run in found)
        print(f"| {width} | {cpu:.0f} | {rate:.0f} | {max(run.peak for run in found):.0f} |")


if __name__ == "__main__":
    main()
