"""Fixtures that every room's tests may use."""

import contextlib
import itertools
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.command import Cli
from tests.emulator_process import EmulatorProcess
from tests.scripted_server import ScriptedServer, scripted

# Started in the background by a shell, this process and all it starts would ignore Ctrl-C, which tests send.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Thousands of processes start: modules are compiled by the first that loads them, not by each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A busy machine is no reason to fail: nothing in this suite is about time. The inputs are the same in every run, so
# that what fails is what was changed; new ones are what a long run by hand is for, see docs/testing.md.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    database=None,
)
_suite = hypothesis.settings.get_profile("suite")
_examples = int(os.environ.get("HYPOTHESIS_EXAMPLES", "20000"))
hypothesis.settings.register_profile("long", _suite, derandomize=False, max_examples=_examples, stateful_step_count=100)
hypothesis.settings.register_profile("few", _suite, max_examples=30)  # for mutation testing
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@pytest.hookimpl(optionalhook=True)  # without xdist nobody asks
def pytest_xdist_auto_num_workers() -> int:
    """Run half as many tests again as there are processors: most wait for a process or a server, not for a processor."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Callable[..., EmulatorProcess]]:
    """Start emulators with given arguments: `emulator("--rpm", "60").url`; all end with the test."""
    with contextlib.ExitStack() as running:
        numbers = itertools.count()
        yield lambda *args: running.enter_context(
            EmulatorProcess(*args, log=tmp_path / f"emulator-{next(numbers)}.jsonl")
        )


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """Give a raw socket server that answers with the bytes of `.play(...)` and keeps `.requests`."""
    with scripted() as server:
        yield server


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    """Give a runner of the installed command with a fresh home."""
    home = tmp_path / "home"
    home.mkdir()
    runner = Cli(home)
    yield runner
    runner.end()
