"""Runs batches with several endpoints, each an emulator on a real socket: `python benchmarks pools [SECONDS]`.

- `sum`: two servers that allow 600 and 1,800 requests a minute. The figure is the share of 2,400 that a batch with
  both got through, the requests that they had saved up at the start left aside.
- `death`: three members of 600 requests a minute each, one of them killed after a quarter of the time and started
  again on its port after half of it. The figure is the share of what the living allowed.
- `cluster`: as `sum`, on a Ray cluster of this machine (only when named: `python benchmarks pools 60 cluster`).
- `one`: CPU of a batch with a pool of one member, against the same without a pool, in turns.

Each takes about SECONDS (60 unless said).
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("completions"))
KEY = {"COMPLETIONS_NO_KEYRING": "1"}
ROUNDS = 7


@contextlib.contextmanager
def emulator(*options: str, port: int = 0) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run an emulator; give its process and its URL."""
    process = subprocess.Popen(
        [COMMAND, "emulator", "--port", str(port), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process, process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.kill()
        process.wait()


class Place:
    """A folder with profiles and rows."""

    def __init__(self, folder: Path, members: Sequence[str], more: str = "") -> None:
        self.folder = folder
        (folder / "key").write_text("benchmark-key-0123")
        (folder / "key").chmod(0o600)
        profiles = [
            f'[profiles.m{number}]\nendpoint = "{url}"\nkey_file = "key"\n{more}\n'
            for number, url in enumerate(members)
        ]
        names = json.dumps([f"m{number}" for number in range(len(members))])
        text = "".join(profiles) + f"[profiles.all]\nmembers = {names}\n"
        (folder / "completions.toml").write_text(text)

    def batch(self, rows: int, *options: str, output: str = "out.jsonl") -> dict[str, Any]:
        """Ask so many rows; give the summary, with the CPU that it took."""
        source = self.folder / "in.jsonl"
        source.write_text(
            "".join(json.dumps({"prompt": f"row {number}", "max_tokens": 2}) + "\n" for number in range(rows))
        )
        out, summary = self.folder / output, self.folder / "summary.json"
        before = os.times()
        subprocess.run(
            [COMMAND, "batch", str(source), "-o", str(out), "--overwrite", "--summary", str(summary), "-q", *options],
            env={**os.environ, **KEY, "COMPLETIONS_CONFIG": str(self.folder / "completions.toml")},
            check=True,
        )
        after = os.times()
        found: dict[str, Any] = json.loads(summary.read_text())
        parts = out.glob("part-*.jsonl") if out.is_dir() else [out]
        lines = [json.loads(line)["row"] for part in parts for line in part.read_text().splitlines()]
        if sorted(lines) != list(range(rows)):
            sys.exit("rows were lost, or answered twice")
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        return {**found, "cpu": cpu}


def total(folder: Path, seconds: float, *options: str, output: str = "out.jsonl") -> None:
    """Measure two limits together."""
    with emulator("--rpm", "600") as (_, small), emulator("--rpm", "1800") as (_, large):
        rows = 2400 + round(2400 * seconds / 60)
        found = Place(folder, [small, large]).batch(rows, "-p", "all", *options, output=output)
    share = (rows - 2400) / found["seconds"] * 60 / 2400
    print(
        f"sum: {rows} rows in {found['seconds']:.1f} s, {found['throttled']} answered 429: {share:.1%} of 2,400",
        flush=True,
    )
    print(f"     {found['profiles']}")


def cluster(folder: Path, seconds: float) -> None:
    """Measure two limits together, on a cluster."""
    total(folder, seconds, "--engine", "ray", output="out")


def death(folder: Path, seconds: float) -> None:
    """Measure three members of which one dies and comes back."""
    down = [0.0]
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(emulator())[1] for _ in range(2)]
        victim, url = stack.enter_context(emulator())
        port = int(url.rpartition(":")[2].partition("/")[0])

        def strike() -> None:
            victim.kill()
            victim.wait()
            began = time.monotonic()
            time.sleep(seconds / 4)
            stack.enter_context(emulator(port=port))
            down[0] = time.monotonic() - began

        timer = threading.Timer(seconds / 4, strike)
        timer.start()
        rows = round(30 * seconds * 0.9)
        found = Place(folder, [*urls, url], "rpm = 600").batch(rows, "-p", "all")
        timer.join()
        allowed = 30 * found["seconds"] - 10 * down[0]
    took = f"{rows} rows in {found['seconds']:.1f} s, one member away for {down[0]:.1f} s"
    print(f"death: {took}: {rows / allowed:.1%} of what the living allow", flush=True)
    print(f"     {found['retries']} requests repeated, failed: {found['failed']}")
    print(f"     {found['profiles']}")


def one(folder: Path, seconds: float) -> None:
    """Measure what a pool of one member costs."""
    ratios, costs = [], []
    with emulator() as (_, url):
        place = Place(folder, [url])
        place.batch(200, "-p", "m0")
        rows = round(40 * seconds)
        for number in range(ROUNDS):
            names = ("m0", "all") if number % 2 else ("all", "m0")
            cpu = {name: place.batch(rows, "-p", name)["cpu"] for name in names}
            ratios.append(cpu["all"] / cpu["m0"])
            costs.append(cpu["m0"] / rows)
    print(f"one: {statistics.median(ratios):.3f} x the CPU of no pool ({statistics.median(costs) * 1e6:.0f} µs a row)")


def main() -> None:
    """Run all."""
    seconds = float((sys.argv[1:2] or ["60"])[0])
    only = sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        for measure in (total, death, one, cluster):
            if measure.__name__ in only or (not only and measure is not cluster):
                measure(Path(folder), seconds)


if __name__ == "__main__":
    main()
