"""Servers that others wrote, run from a configuration of a test's own until it ends; skipped where they are missing."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

_WHERE = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
_STARTS_WITHIN = 20


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def path_of(name: str) -> str:
    """Find a program, or skip the test."""
    found = shutil.which(name, path=_WHERE)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@contextlib.contextmanager
def running(folder: Path, port: int, name: str, *args: str) -> Iterator[None]:
    """Run a program until it listens on `port`, and for the length of the block; its words go to a file."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen([path_of(name), *args], stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=folder)
    try:
        _wait_for(port, process, log)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _STARTS_WITHIN
    while time.monotonic() < ends:
        assert process.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        process_waits = 0.02
        time.sleep(process_waits)
    pytest.fail(f"nothing listens on {port}: {log.read_text(encoding='utf-8', errors='replace')}")
