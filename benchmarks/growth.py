"""Does a stream's cost stay linear and its memory flat? `python benchmarks/growth.py [--most N]`, Linux only."""

import argparse
import os
import subprocess
import time
from pathlib import Path

import measure
from service import serving, stream


def main() -> None:
    """Stream ever more chunks; print CPU for each and the peak of memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=1_000_000)
    most = parser.parse_args().most
    own = str(measure.ours() / "completions")
    print("| chunks | CPU s | CPU µs a chunk | peak memory MB |\n|---:|---:|---:|---:|")
    chunks = 10_000
    while chunks <= most:
        with serving(stream(chunks)) as url:
            cpu, peak = cost([own, "stream", "P", "--endpoint", f"{url}/v1"])
        print(f"| {chunks} | {cpu:.2f} | {cpu / chunks * 1e6:.1f} | {peak / 1024:.0f} |")
        chunks *= 10


def cost(command: list[str]) -> tuple[float, int]:
    """Run a command; give its CPU seconds and the peak of its resident memory in KiB.

    The peak is read from /proc while it runs: the one that wait4 gives counts what forked it.
    """
    env = {**os.environ, "COMPLETIONS_API_KEY": "k" * 32}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=env)  # noqa: S603
    peak = 0
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        peak = max(peak, _high_water_mark(process.pid))
        time.sleep(0.01)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed with exit code {process.returncode}")
    return used.ru_utime + used.ru_stime, peak


def _high_water_mark(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main()
