"""A key from a command: its first line, and never longer than it should take."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from completions_cli.auth import key_command
from completions_cli.errors import ConfigError
from tests.command import Cli

ENVIRON = {"PATH": os.environ["PATH"]}
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
needs_setsid = pytest.mark.skipif(shutil.which("setsid") is None, reason="needs setsid")


def has_ended(pid: int) -> bool:
    """Wait for a process to end; a zombie has."""
    for _ in range(1000):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.01)
                continue
        return True
    return False


@posix_only
@pytest.mark.parametrize(
    ("script", "key"),
    [
        ("printf k-1", "k-1"),
        ("printf 'k-1\\nuser: me\\n'", "k-1"),
        ("printf 'k-1\\r\\n'", "k-1\r"),  # white space goes where all keys are checked
        ("echo noise >&2; echo k-1", "k-1"),
        ("echo k-1; sleep 60 & disown 2>/dev/null; exit 0", "k-1"),
    ],
)
def test_the_first_line_is_the_key(script: str, key: str) -> None:
    assert key_command.run(["sh", "-c", script], ENVIRON) == key


@posix_only
def test_stderr_is_shown_only_on_failure_and_without_what_was_printed() -> None:
    with pytest.raises(ConfigError) as caught:
        key_command.run(["sh", "-c", "echo canary-key; echo 'vault is sealed: canary-key' >&2; exit 3"], ENVIRON)
    assert caught.value.message == "key_command sh ended with exit code 3: vault is sealed: ****"


@posix_only
def test_a_command_that_prints_nothing_is_an_error() -> None:
    with pytest.raises(ConfigError, match="printed no key"):
        key_command.run(["sh", "-c", "echo; echo k"], ENVIRON)


def test_a_command_that_cannot_be_run_is_named() -> None:
    with pytest.raises(ConfigError, match="key_command no-such-program cannot be run: No such file"):
        key_command.run(["no-such-program"], ENVIRON)
    with pytest.raises(ConfigError, match="NUL"):
        key_command.run(["a\0b"], ENVIRON)


@posix_only
def test_our_own_keys_are_not_in_its_environment() -> None:
    script = 'echo "[$COMPLETIONS_API_KEY$AZURE_INFERENCE_CREDENTIAL]$OTHER"'
    environ = {**ENVIRON, "COMPLETIONS_API_KEY": "canary", "AZURE_INFERENCE_CREDENTIAL": "canary", "OTHER": "kept"}
    assert key_command.run(["sh", "-c", script], environ) == "[]kept"


@posix_only
@pytest.mark.parametrize("session", ["", pytest.param("setsid ", marks=needs_setsid)])
def test_it_is_ended_with_its_children_when_it_takes_too_long(session: str, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f'echo $$ > {pids}; {session}sh -c "echo \\$\\$ >> {pids}; sleep 60" & wait'
    with pytest.raises(ConfigError, match=r"took longer than 0\.5 s"):
        key_command.run(["sh", "-c", script], ENVIRON, timeout=0.5)
    for pid in pids.read_text(encoding="utf-8").split():
        assert has_ended(int(pid))


@posix_only
@pytest.mark.parametrize("stopper", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_its_children_from_its_first_moment_on(tmp_path: Path, stopper: signal.Signals) -> None:
    """The command interrupts its caller at once, and again and again: some signals come before its start is known."""
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ >> {pids}; kill -{stopper.value} $PPID; wait"
    program = f"""
import signal, sys
from completions_cli.auth import key_command
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
for _ in range(20):
    try:
        key_command.run(["sh", "-c", {script!r}], {ENVIRON!r})
    except (KeyboardInterrupt, SystemExit) as stopped:
        print(type(stopped).__name__)
"""
    caller = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    assert set(caller.stdout.split()) == {"KeyboardInterrupt" if stopper is signal.SIGINT else "SystemExit"}
    started = pids.read_text(encoding="utf-8").split()
    assert len(started) == 40
    assert [pid for pid in started if not has_ended(int(pid))] == []


@posix_only
@pytest.mark.parametrize(
    "stopper", ["HUP", "TERM", "QUIT", "USR1", "ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT", "RTMIN"]
)
def test_no_signal_leaves_it_behind(tmp_path: Path, stopper: str) -> None:
    """A signal that nobody handles ends the caller as it would anyway, and the command before that."""
    number = getattr(signal, f"SIG{stopper}", signal.SIGTERM)  # not every system has all
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {pids}; kill -{int(number)} $PPID; wait"
    program = (
        f"import sys; from completions_cli.auth import key_command; key_command.run({['sh', '-c', script]}, {ENVIRON})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, cwd=tmp_path)
    assert done.returncode == -number
    assert [pid for pid in pids.read_text(encoding="utf-8").split() if not has_ended(int(pid))] == []


@posix_only
@pytest.mark.parametrize("stopper", ["HUP", "TERM", "INT"])
def test_no_signal_to_the_command_line_leaves_it_behind(tmp_path: Path, cli: Cli, stopper: str) -> None:
    pids = tmp_path / "pids"
    script = f"sleep 60 & echo $! $$ > {pids}; kill -{stopper} $PPID; wait"
    words = json.dumps(["sh", "-c", script])
    cli.profile(f'[profiles.p]\nendpoint = "http://127.0.0.1:1"\nkey_command = {words}\n')
    assert cli.run("complete", "-p", "p", "P").code not in (0, 1)
    assert [pid for pid in pids.read_text(encoding="utf-8").split() if not has_ended(int(pid))] == []
