"""Shows that a batch's cost stays linear in its rows and its memory flat. Needs nginx, and Linux for /proc."""

import argparse
import tempfile
from pathlib import Path

import batching
from batching import Run
from service import nginx


def main() -> None:
    """Print the table: fresh runs, and runs that find all done already."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    parser.add_argument("-j", "--in-flight", default="64")
    options = parser.parse_args()
    print("| rows | CPU µs a row | rows/s | peak MB | resumed: CPU µs a row | peak MB |")
    print("|---:|---:|---:|---:|---:|---:|")
    with nginx() as endpoint, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start, start_again = twice(endpoint, folder, 1, options.in_flight)
        for count in (1_000, 10_000, 100_000, 1_000_000):
            if count > options.most:
                break
            fresh, again = twice(endpoint, folder, count, options.in_flight)
            each, once_more = (fresh.cpu - start.cpu) / count, (again.cpu - start_again.cpu) / count
            print(
                f"| {count} | {each * 1e6:.0f} | {count / fresh.working:.0f} | {fresh.peak:.0f} "
                f"| {once_more * 1e6:.1f} | {again.peak:.0f} |",
                flush=True,
            )


def twice(endpoint: str, folder: Path, count: int, in_flight: str) -> tuple[Run, Run]:
    """Run a batch of so many rows, and once more on the same output."""
    rows = batching.rows_file(folder, count)
    batching.remove(folder / "out")
    fresh, again = (batching.run(endpoint, rows, folder / "out", "-j", in_flight) for _ in range(2))
    return fresh, again


if __name__ == "__main__":
    main()
