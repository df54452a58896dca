"""A conversation with the command on a terminal that is its controlling one: wait for a question, type the answer."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.command import COMMAND, Cli, Result

_TIME_LIMIT = 30
# The new session takes the terminal on stdin as its own, so that Ctrl-C and /dev/tty work.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def converse(cli: Cli, args: Iterable[str], *turns: tuple[str, bytes]) -> Result:
    """Run the command; for each turn wait until the screen shows the text and it reads, then type.

    The screen is `stdout`.
    """
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _ON_TERMINAL, COMMAND, *args],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**cli.env, "TERM": "xterm", "COLUMNS": "200", "LINES": "24"},
        start_new_session=True,
    )
    os.close(follower)
    screen, seen = b"", 0
    try:
        for expected, typed in turns:
            screen = _read_until(leader, screen, expected.encode(), seen)
            seen = screen.find(expected.encode(), seen) + len(expected.encode())
            assert seen >= len(expected.encode()), screen
            _wait_until_it_reads(process.pid)
            os.write(leader, typed)
        screen = _read_until(leader, screen, None, 0)
        return Result(process.wait(timeout=_TIME_LIMIT), screen, "")
    finally:
        process.kill()
        process.wait()
        os.close(leader)


def _wait_until_it_reads(pid: int) -> None:
    """Wait until a process that has asked sleeps, where the system shows it.

    Python notices a Ctrl-C that comes between the question and the read only after the read: no person is as quick.
    """
    stat = Path(f"/proc/{pid}/stat")
    ends = time.monotonic() + _TIME_LIMIT
    while stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "RD":
        assert time.monotonic() < ends
        time.sleep(0.01)


def _read_until(leader: int, screen: bytes, expected: bytes | None, start: int) -> bytes:
    """Read until the screen shows something from `start` on, or the other side has closed."""
    ends = time.monotonic() + _TIME_LIMIT
    while (expected is None or expected not in screen[start:]) and time.monotonic() < ends:
        if not select.select([leader], [], [], 0.5)[0]:
            continue
        try:
            part = os.read(leader, 65536)
        except OSError:  # Linux's way of saying that it has closed
            break
        if not part:
            break
        screen += part
    return screen
