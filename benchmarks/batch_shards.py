"""What a second process does for a batch: the same rows in one process, and split with --shard. Needs nginx."""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import batching
from service import nginx


def main() -> None:
    """Run both in turn, several times, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=int, default=4, help="processes")
    options = parser.parse_args()
    counts = [count for count in (1, 2, 4, 8) if count <= options.most]
    rates: dict[int, list[float]] = {count: [] for count in counts}
    with nginx() as endpoint, tempfile.TemporaryDirectory() as name:
        rows = batching.rows_file(Path(name), options.rows)
        for _ in range(options.rounds):
            for count in counts:
                rates[count].append(options.rows / seconds(endpoint, rows, Path(name, "out"), count))
    print(f"| processes, {options.rows} rows | rows/s, start and end included | one = 1 |\n|---:|---:|---:|")
    for count, found in rates.items():
        ratio = statistics.median(rate / one for rate, one in zip(found, rates[1], strict=True))
        print(f"| {count} | {statistics.median(found):.0f} | {ratio:.2f} |")


def seconds(endpoint: str, rows: Path, out: Path, count: int) -> float:
    """Run all shards at once, 64 requests in flight in all; give the seconds until the last has ended."""
    batching.remove(out)
    began = time.perf_counter()
    shards = [
        batching.started(
            batching.command(
                endpoint,
                rows,
                out.with_name(f"{out.name}{shard}"),
                "-j",
                str(64 // count),
                "--shard",
                f"{shard}/{count}",
            )
        )
        for shard in range(count)
    ]
    codes = [shard.wait() for shard in shards]
    if any(codes):
        sys.exit(f"the shards ended with exit codes {codes}")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
