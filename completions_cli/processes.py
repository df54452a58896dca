"""Ends a child together with all that it started."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kill a child, its descendants and, if it leads a process group, what else is in there; reap it."""
    if sys.platform == "win32":
        _run("taskkill", "/F", "/T", "/PID", str(process.pid))
    else:
        started = _descendants(process.pid)  # before it ends: then they are somebody else's
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(process.pid) == process.pid:
                os.killpg(process.pid, signal.SIGKILL)
        for pid in started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _descendants(pid: int) -> list[int]:
    children = _children(pid)
    return children + [other for child in children for other in _descendants(child)]


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.parent.parent.joinpath("self").exists():  # no Linux
        return [int(line) for line in _run("pgrep", "-P", str(pid)).split()]
    with contextlib.suppress(OSError):
        return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text("ascii").split()]
    return []


def _run(*command: str) -> bytes:
    with contextlib.suppress(OSError):
        return subprocess.run(command, check=False, capture_output=True).stdout  # noqa: S603 - programs of the system
    return b""
