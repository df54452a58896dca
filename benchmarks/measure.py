"""Runs commands in turn and compares what they cost: machines are noisy, ratios within one run less so."""

import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".environments"


@dataclass(frozen=True)
class Contender:
    """A command to measure. `quiet` hides what it prints."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Cost:
    """Medians over the rounds: CPU (user and system) and wall time in seconds."""

    cpu: float
    wall: float


def environment(name: str, *requirements: str) -> Path:
    """Give the bin folder of a virtual environment with these packages, bytecode compiled; made once."""
    folder = ENVIRONMENTS / name
    done = folder / "ready"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--quiet", *requirements]
        subprocess.run(pip, check=True)  # noqa: S603 - our own environment
        subprocess.run([str(folder / "bin" / "python"), "-m", "compileall", "-q", str(folder / "lib")], check=False)  # noqa: S603
        done.touch()
    return folder / "bin"


def ours(*extras: str) -> Path:
    """Give the bin folder of an environment with this checkout installed as a user would."""
    root = str(HERE.parent)
    wanted = f"{root}[{','.join(extras)}]" if extras else root
    bin_folder = environment("completions", wanted)
    # Again each time: the checkout, or what it depends on, may have changed since.
    pip = [str(bin_folder / "python"), "-m", "pip", "install", "--quiet", "--quiet", wanted]
    subprocess.run(pip, check=True)  # noqa: S603 - our own environment
    return bin_folder


def once(contender: Contender) -> Cost:
    """Run a command once, to the end; its output is thrown away. Fails when it does."""
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - the commands of this folder
        contender.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**_clean(), **(contender.env or {})},
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{contender.name} failed with exit code {process.returncode}: {' '.join(contender.command)}")
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - started)


def compare(contenders: Sequence[Contender], rounds: int) -> dict[str, Cost]:
    """Run all in turn, `rounds` times after one to warm up; give each one's medians."""
    for contender in contenders:
        once(contender)
    costs: dict[str, list[Cost]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            costs[contender.name].append(once(contender))
    return {
        name: Cost(statistics.median(cost.cpu for cost in found), statistics.median(cost.wall for cost in found))
        for name, found in costs.items()
    }


def table(costs: Mapping[str, Cost], base: str) -> str:
    """Lay out the medians in milliseconds, and the ratio of each one's CPU to that of `base`."""
    rows = ["| command | CPU ms | wall ms | CPU ratio |", "|---|---:|---:|---:|"]
    rows += [
        f"| {name} | {cost.cpu * 1000:.0f} | {cost.wall * 1000:.0f} | {cost.cpu / costs[base].cpu:.2f} |"
        for name, cost in costs.items()
    ]
    return "\n".join(rows)


def _clean() -> dict[str, str]:
    """Keep the environment small, and let Python use compiled bytecode."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "COMPLETIONS_NO_KEYRING": "1"}
