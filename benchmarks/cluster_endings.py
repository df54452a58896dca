"""Runs on one cluster of three nodes that must end, of every kind: how many ended, how soon, and what hung.

python benchmarks/cluster_endings.py [--rounds N] [--minutes M] [--played]    (200 rounds, or as many as fit into 60)

A round is one run of each kind, all at the same time: a refused key, too many failed rows, a budget that is spent, an
outage, SIGTERM, and a driver that is killed. A run is over when its driver has ended with the right exit code and no
worker of the round is left. Exit code 1 if a run hung, ended with another code, or wrote a row twice. --played has
the workers in threads of the driver instead of on Ray (`played_cluster.py`), which takes a fifth of the time.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from signal import Signals
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))
from benchmarks.cluster import COMMAND, QUIET, TOKEN, lines
from completions_cli.batch.entry import read
from tests.cluster_process import ClusterProcess
from tests.emulator_process import EmulatorProcess

ROWS = 20_000  # more than any run gets to
HANGS = 240.0  # seconds after which a run is said to hang
POLL = 0.1
MOST_SAID = 400  # characters
CPUS = 8  # of a node: room for the workers of all kinds
WORKERS = "ray::_Asker"
PLAYED = (sys.executable, str(Path(__file__).with_name("played_cluster.py")))


class Kind(NamedTuple):
    """What the emulator is told, what the run is told, its exit code, and the signal that ends it, if one does."""

    emulator: tuple[str, ...]
    options: tuple[str, ...]
    code: int
    signal: Signals | None = None


KINDS = {
    "auth": Kind(("--fault", "401"), (), 4),
    "errors": Kind(("--fault", "400-filter:0.5"), ("--max-errors", "5"), 14),
    "budget": Kind(("--latency", "0.05"), ("-M", "8", "--max-tokens-total", "4000"), 14),
    "outage": Kind(("--fault", "500"), ("--retries", "1"), 14),
    "signal": Kind(("--latency", "0.3"), (), 143, Signals.SIGTERM),
    "gone": Kind(("--latency", "0.3"), (), -Signals.SIGKILL, Signals.SIGKILL),
}


class Ended(NamedTuple):
    """How a run ended, and the seconds from what ended it; without a signal those from its last request."""

    kind: str
    words: str
    seconds: float


@dataclass(slots=True)
class Run:
    """A run under way. Its requests are in `log`, from `begins` on; it is sent its signal after `mark` of them."""

    kind: str
    driver: "subprocess.Popen[bytes]"
    output: Path
    log: Path
    begins: int
    mark: int
    started_at: float = field(default_factory=time.monotonic)
    size: int = 0
    reason_at: float | None = None  # when a signal was sent, or the last request was seen

    def look(self) -> Ended | None:
        """See to the run; return how it ended once it has."""
        now, size, kind = time.monotonic(), self.log.stat().st_size, KINDS[self.kind]
        if kind.signal is None and size > self.size:
            self.reason_at = now
        self.size = size
        if self.driver.poll() is not None:
            is_right = self.driver.returncode == kind.code
            said = self.output.with_name("stderr").read_text(errors="replace")[-MOST_SAID:]
            words = "ended" if is_right else f"exit code {self.driver.returncode}: {said}"
            return Ended(self.kind, words, now - (self.reason_at or self.started_at))
        if kind.signal is not None and self.reason_at is None and self.requests() >= self.mark:
            self.driver.send_signal(kind.signal)
            self.reason_at = now
        if now - (self.reason_at or self.started_at) > HANGS:
            self.driver.kill()
            self.driver.wait()
            return Ended(self.kind, "hung", HANGS)
        return None

    def requests(self) -> int:
        """Count the requests of this run that the emulator has seen."""
        with self.log.open("rb") as file:
            file.seek(self.begins)
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))

    def doubled(self) -> int:
        """Count the rows that are written twice."""
        found = [entry.row for line in lines(self.output) if (entry := read(line, "native")) is not None]
        return len(found) - len(set(found))


def main() -> None:
    """Run rounds until there are enough, or the time is over; print counts and times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--played", action="store_true")
    asked = parser.parse_args()
    ends, chance = time.monotonic() + asked.minutes * 60, random.Random(0)  # noqa: S311 - nothing secret
    seconds, failures = defaultdict[str, list[float]](list), Counter[str]()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="endings-")))
        servers = {
            kind: stack.enter_context(EmulatorProcess(*told.emulator, log=folder / f"{kind}.log"))
            for kind, told in KINDS.items()
        }
        cluster = None if asked.played else ClusterProcess({**os.environ, **QUIET, **TOKEN}, cpus=CPUS)
        if cluster is not None:
            stack.callback(cluster.stop)
        (folder / "in.jsonl").write_text("".join(f'{{"prompt": "Row {row} says"}}\n' for row in range(ROWS)))
        for number in range(asked.rounds):
            if time.monotonic() > ends:
                break
            for ended in one_round(folder, number, cluster, servers, chance):
                seconds[ended.kind].append(ended.seconds)
                failures.update([f"{ended.kind}: {ended.words}"] if ended.words != "ended" else [])
            longest = {kind: round(max(times), 1) for kind, times in seconds.items()}
            print(f"round {number + 1}: longest seconds so far {longest}; failures {dict(failures)}", flush=True)
    for kind, times in seconds.items():
        median = sorted(times)[len(times) // 2]
        print(f"{kind}: {len(times)} runs, {median:.1f} s until they ended in the median, {max(times):.1f} s at most")
    print(f"failures: {dict(failures)}")
    sys.exit(bool(failures))


def one_round(
    folder: Path,
    number: int,
    cluster: ClusterProcess | None,
    servers: Mapping[str, EmulatorProcess],
    chance: random.Random,
) -> list[Ended]:
    """Run one of each kind at the same time; return how they ended, and what was wrong with the round itself."""
    address = cluster.address if cluster is not None else None
    running = [start(folder, kind, address, servers[kind].url, chance) for kind in KINDS]
    found: list[Ended] = []
    while running:
        time.sleep(POLL)
        for run in running.copy():
            if (ended := run.look()) is not None:
                running.remove(run)
                found.append(ended)
                if run.doubled():
                    found.append(Ended(run.kind, "a row twice", ended.seconds))
    left_at = time.monotonic()
    while cluster is not None and cluster.count(WORKERS):
        if time.monotonic() - left_at > HANGS:
            found.append(Ended("gone", f"workers left after round {number + 1}", HANGS))
            break
        time.sleep(POLL)
    return found


def start(folder: Path, kind: str, address: str | None, url: str, chance: random.Random) -> Run:
    """Start a run of a kind, into a folder of its own."""
    output, log = Path(tempfile.mkdtemp(dir=folder, prefix=f"{kind}-")) / "out", folder / f"{kind}.log"
    service = {"COMPLETIONS_ENDPOINT": url, "COMPLETIONS_API_KEY": "none-is-needed-0123"}
    options = ("--engine", "ray", "--address", address or "played", "--workers", "2", "-j", "40", "-q")
    program = PLAYED if address is None else (COMMAND,)
    command = [*program, "batch", str(folder / "in.jsonl"), "-o", str(output), *options, *KINDS[kind].options]
    begins, mark = log.stat().st_size, chance.randint(0, 400)
    with output.with_name("stderr").open("wb") as stderr:
        driver = subprocess.Popen(command, env={**os.environ, **QUIET, **TOKEN, **service}, stderr=stderr)
    return Run(kind, driver, output, log, begins, mark)


if __name__ == "__main__":
    main()
