"""Shows that a batch's memory does not grow with its input: the peak (VmHWM) for more and more rows, fresh and resumed.

Run it as `python benchmarks/batch_memory.py [ROWS…]`; it needs nginx, and Linux for /proc.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measure
from batch import IN_FLIGHT, nginx


def peak(command: list[str], env: dict[str, str]) -> tuple[float, int]:
    """Run a command to its end; give its peak memory in MB and its exit code."""
    highest = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env) as process:  # noqa: S603
        while process.poll() is None:
            with contextlib.suppress(OSError, StopIteration):
                status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
                line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
                highest = max(highest, int(line.split()[1]))
            time.sleep(0.02)
    return highest / 1024, process.returncode


def main() -> None:
    """Print the table."""
    counts = [int(argument) for argument in sys.argv[1:]] or [10_000, 100_000, 300_000]
    program = str(measure.ours() / "completions")
    print("| rows | peak MB | peak MB when all is done already |")
    print("|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with nginx(folder) as endpoint:
            env = {**os.environ, "COMPLETIONS_ENDPOINT": endpoint, "COMPLETIONS_API_KEY": "test-key-0123"}
            for count in counts:
                rows, out = folder / f"{count}.jsonl", folder / f"{count}.out"
                with rows.open("w", encoding="utf-8") as file:
                    file.writelines(
                        json.dumps({"id": f"r{n}", "prompt": f"Text number {n}"}) + "\n" for n in range(count)
                    )
                command = [program, "batch", str(rows), "-o", str(out), "-j", str(IN_FLIGHT), "--ordered"]
                fresh, code = peak(command, env)
                again, _ = peak(command, env)
                if code:
                    sys.exit(f"the batch ended with exit code {code}")
                print(f"| {count} | {fresh:.1f} | {again:.1f} |", flush=True)


if __name__ == "__main__":
    main()
