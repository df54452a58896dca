"""Servers that others wrote, run from a configuration of a test's own until it ends; skipped where they are missing."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

_WHERE = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
# Where scripts/install-peers puts packages.
_PACKAGES = Path(__file__).parents[2] / ".cache" / "peers"
_STARTS_WITHIN = 120  # seconds; some take ten, on a machine with nothing else to do


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def path_of(name: str) -> str:
    """Find a program of the system, or skip the test."""
    found = shutil.which(name, path=_WHERE)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def program(package: str, name: str) -> str:
    """Find a program of a package that scripts/install-peers installs, or skip the test."""
    for folder in ("bin", "node_modules/.bin"):
        found = _PACKAGES / package / folder / name
        if found.exists():
            return str(found)
    pytest.skip(f"{package} is not installed; scripts/install-peers does that")


@contextlib.contextmanager
def running(folder: Path, port: int, path: str, *args: str, env: Mapping[str, str] | None = None) -> Iterator[None]:
    """Run a program until it listens on `port`, and for the length of the block; its words go to a file."""
    log = folder / f"{Path(path).name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [path, *args],
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            cwd=folder,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        _wait_for(port, process, log)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on {port}: {log.read_text(encoding='utf-8', errors='replace')}")
