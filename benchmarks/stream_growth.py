"""Shows that a stream's cost stays linear and its memory flat."""

import argparse

import measure
from measure import Contender
from service import serving, stream


def main() -> None:
    """Stream ever more chunks; print CPU for each and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    most = parser.parse_args().most
    own = str(measure.ours() / "completions")
    start = cost(own, 1).cpu
    print("| chunks | CPU s | CPU µs a chunk, start left out | peak MB |\n|---:|---:|---:|---:|")
    for chunks in (10_000, 30_000, 100_000, 300_000, 1_000_000):
        if chunks <= most:
            found = cost(own, chunks)
            print(f"| {chunks} | {found.cpu:.2f} | {(found.cpu - start) / chunks * 1e6:.1f} | {found.peak:.0f} |")


def cost(own: str, chunks: int) -> measure.Cost:
    """Stream once."""
    with serving(stream(chunks)) as url:
        command = [own, "stream", "P", "--endpoint", f"{url}/v1"]
        return measure.run(Contender("completions stream", command, measure.KEY), peak=True)


if __name__ == "__main__":
    main()
