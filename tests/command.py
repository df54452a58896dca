"""Runs the installed command as a user would: a process of its own, a home of its own, real pipes or a terminal."""

import contextlib
import json
import os
import pty
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = str(Path(sys.executable).with_name("completions"))
_TIME_LIMIT = 60


@dataclass(frozen=True)
class Result:
    """What a run left behind."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text."""
        return self.stdout.decode()

    def json(self) -> Any:
        """Parse standard output as one JSON document."""
        return json.loads(self.stdout)

    def error(self) -> dict[str, Any]:
        """Give the error object that -F json puts on stderr."""
        found: dict[str, Any] = json.loads(self.stderr.splitlines()[-1])["error"]
        return found


class Cli:
    """Calls the command with an environment that holds nothing of the machine's own settings."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._started: list[subprocess.Popen[bytes]] = []
        self.env = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_DATA_HOME": str(home / "data"),
            "COMPLETIONS_NO_KEYRING": "1",
        }

    def service(self, url: str, key: str = "test-key-0123456789") -> "Cli":
        """Use this endpoint and key from now on."""
        self.env |= {"COMPLETIONS_ENDPOINT": url, "COMPLETIONS_API_KEY": key}
        return self

    def profile(self, toml: str) -> Path:
        """Write the user's profile file."""
        path = self.home / "config" / "completions" / "completions.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(toml, encoding="utf-8")
        return path

    def run(self, *args: str | bytes, stdin: bytes | None = b"", env: dict[str, str] | None = None) -> Result:
        """Run to the end. `stdin` None leaves it at the null device."""
        done = subprocess.run(
            [COMMAND, *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env={**self.env, **(env or {})},
            timeout=_TIME_LIMIT,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode())

    def start(self, *args: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start and leave running; pipes unless told otherwise."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen([COMMAND, *args], env=self.env, **{**streams, **options})
        self._started.append(process)
        return process

    def end(self) -> None:
        """End what a test that failed left running, which would otherwise fail the next test as well."""
        for process in self._started:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(BrokenPipeError):
                    if pipe:
                        pipe.close()

    def terminal(self, *args: str, typed: bytes = b"", env: dict[str, str] | None = None) -> Result:
        """Run on a terminal of 80 columns, where stdout and stderr are one; the screen's bytes are `stdout`."""
        leader, follower = pty.openpty()
        os.set_inheritable(follower, True)
        process = subprocess.Popen(
            [COMMAND, *args],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**self.env, "TERM": "xterm", "COLUMNS": "80", "LINES": "24", **(env or {})},
            start_new_session=True,
        )
        os.close(follower)
        if typed:
            os.write(leader, typed)
        screen = read_terminal(leader)
        os.close(leader)
        return Result(process.wait(timeout=_TIME_LIMIT), screen, "")


def read_terminal(leader: int) -> bytes:
    """Read until the other side has closed; Linux then says EIO."""
    parts = []
    ends = time.monotonic() + _TIME_LIMIT
    while time.monotonic() < ends:
        if not select.select([leader], [], [], 1)[0]:
            continue
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)
