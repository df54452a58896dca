"""Runs commands in turn and compares what they cost: machines are noisy, ratios within one round less so."""

import contextlib
import datetime as dt
import os
import platform
import pty
import statistics
import subprocess
import sys
import threading
import time
import venv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".environments"
KEY = {"COMPLETIONS_API_KEY": "k" * 32}


@dataclass(frozen=True)
class Contender:
    """A command to measure; `terminal` gives it one to write to, read as fast as it comes."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None
    terminal: bool = False


@dataclass(frozen=True)
class Cost:
    """CPU (user and system) and wall time in seconds, and the peak of resident memory in MB."""

    cpu: float
    wall: float
    peak: float = 0.0


def environment(name: str, *requirements: str, newer: float = 0.0) -> Path:
    """Give the bin folder of a virtual environment with these packages, bytecode compiled; made once.

    Packages are installed again when what they are made of is `newer`, in seconds since 1970, than the environment.
    """
    folder = ENVIRONMENTS / name
    python, done = str(folder / "bin" / "python"), folder / "ready"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
    if not done.exists() or done.stat().st_mtime < newer:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--quiet", *requirements], check=True)
        subprocess.run([python, "-m", "compileall", "-q", str(folder / "lib")], check=False)
        done.touch()
    return folder / "bin"


def ours(*extras: str) -> Path:
    """Give the bin folder of an environment with this checkout installed as a user would."""
    root = HERE.parent
    sources = [root / "pyproject.toml", *(root / "completions_cli").rglob("*.*")]
    newer = max(path.stat().st_mtime for path in sources if path.suffix != ".pyc")
    wanted = f"{root}[{','.join(extras)}]" if extras else str(root)
    return environment("-".join(("completions", *extras)), wanted, newer=newer)


def machine() -> str:
    """Tell when and where this runs, and what else was running."""
    cpu = next((line for line in _lines("/proc/cpuinfo") if line.startswith("model name")), platform.processor())
    load = " ".join(f"{part:.1f}" for part in os.getloadavg())
    return (
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} x {cpu.partition(': ')[2]}, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, load {load}\n"
    )


def run(contender: Contender, *, peak: bool = False) -> Cost:
    """Run a command once, to the end; its output is thrown away. Fails when it does.

    With `peak` its memory is watched, from /proc: the figure that wait4 gives counts what forked it.
    """
    started = time.perf_counter()
    with _output(contender) as stdout, _started(contender, stdout) as process:
        highest = _watched(process.pid) if peak else 0.0
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{contender.name} failed with exit code {process.returncode}: {' '.join(contender.command)}")
    return Cost(used.ru_utime + used.ru_stime, time.perf_counter() - started, highest)


def compare(contenders: Sequence[Contender], rounds: int) -> dict[str, list[Cost]]:
    """Run all in turn, `rounds` times after one to warm up, in which memory is watched."""
    peaks = {contender.name: run(contender, peak=True).peak for contender in contenders}
    costs: dict[str, list[Cost]] = {contender.name: [] for contender in contenders}
    for _ in range(rounds):
        for contender in contenders:
            once = run(contender)
            costs[contender.name].append(Cost(once.cpu, once.wall, peaks[contender.name]))
    return costs


def table(costs: Mapping[str, Sequence[Cost]], *bases: str) -> str:
    """Lay out the medians, and the medians of each round's CPU over that of `bases`."""
    rows = [
        "| command | CPU ms | wall ms | peak MB |" + "".join(f" CPU, {base} = 1 |" for base in bases),
        "|---|---:|---:|---:|" + "---:|" * len(bases),
    ]
    for name, found in costs.items():
        cpu, wall = (statistics.median(each) * 1000 for each in zip(*((c.cpu, c.wall) for c in found), strict=True))
        ratios = "".join(f" {ratio(found, costs[base]):.2f} |" for base in bases)
        rows.append(f"| {name} | {cpu:.0f} | {wall:.0f} | {found[0].peak:.0f} |{ratios}")
    return "\n".join(rows)


def ratio(costs: Sequence[Cost], bases: Sequence[Cost]) -> float:
    """Give the median of what each round's CPU is to the other's in the same round."""
    return statistics.median(cost.cpu / base.cpu for cost, base in zip(costs, bases, strict=True))


def _started(contender: Contender, stdout: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        contender.command,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.DEVNULL,
        env={**clean(), **(contender.env or {})},
    )


@contextlib.contextmanager
def _output(contender: Contender):  # noqa: ANN202 - an iterator of one descriptor
    if not contender.terminal:
        yield subprocess.DEVNULL
        return
    ours_end, theirs = pty.openpty()
    reader = threading.Thread(target=_drain, args=(ours_end,), daemon=True)
    reader.start()
    try:
        yield theirs
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours_end)


def _drain(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 65536):
            pass


def _watched(pid: int) -> float:
    """Watch a process until it ends; give the most memory it had, in MB."""
    highest = 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        line = next((line for line in _lines(f"/proc/{pid}/status") if line.startswith("VmHWM")), "VmHWM: 0")
        highest = max(highest, int(line.split()[1]))
        time.sleep(0.003)
    return highest / 1024


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def clean() -> dict[str, str]:
    """Keep the environment small, and let Python use compiled bytecode."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "COMPLETIONS_NO_KEYRING": "1"}
