"""Hard surroundings, for every command: an exit code that says what it was, never a bug and never a traceback."""

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.answers import ANSWER
from tests.command import Cli
from tests.scripted_server import ScriptedServer, Silence

resource = pytest.importorskip("resource")

# More of them by hand: COMPLETIONS_TEST_SIGNALS=500 scripts/test tests/cli/test_process_faults.py -k signal
SIGNALS = int(os.environ.get("COMPLETIONS_TEST_SIGNALS", "16"))
COMMANDS = {
    "complete": ["complete", "P"],
    "stream": ["stream", "P"],
    "batch": ["batch", "rows.jsonl", "-o", "out.jsonl", "--overwrite"],
    "plan": ["batch", "rows.jsonl", "--plan"],
    "list": ["config", "list"],
    "show": ["config", "show", "--json"],
    "set": ["config", "set", "timeout", "5"],
    "get": ["config", "get", "endpoint"],
    "key status": ["config", "key", "status"],
    "doctor": ["config", "doctor"],
    "local": ["local", "status"],
    "emulator": ["emulator", "--list-faults"],
}
# What says nothing on stdout cannot notice that stdout is full.
SPEAKING = [name for name in COMMANDS if name not in ("batch", "set")]

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(cli: Cli, scripted_server: ScriptedServer) -> Run:
    """Run a command by its name, in a home with a profile and rows; give its code and what it said."""
    scripted_server.play([ANSWER])
    cli.service(scripted_server.url)
    cli.profile(f'default_profile = "p"\n[profiles.p]\nendpoint = "{scripted_server.url}"\n')
    (cli.home / "rows.jsonl").write_text('"a"\n"b"\n', encoding="utf-8")

    def start(name: str, **options: Any) -> tuple[int, str]:
        process = cli.start(*COMMANDS[name], cwd=cli.home, **options)
        _, stderr = process.communicate(timeout=60)
        said = (stderr or b"").decode()
        assert process.returncode not in (1, -signal.SIGABRT, -signal.SIGSEGV), said
        assert "Traceback" not in said
        return process.returncode, said

    return start


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device /dev/full is Linux's")
@pytest.mark.parametrize("name", SPEAKING)
def test_a_full_disk_behind_stdout_is_told(name: str, run: Run) -> None:
    with Path("/dev/full").open("wb") as full:
        assert run(name, stdout=full)[0] == 16


@pytest.mark.parametrize("name", COMMANDS)
def test_closed_streams_are_no_bug(name: str, run: Run) -> None:
    def close() -> None:
        for fd in (0, 1, 2):
            os.close(fd)

    code, _ = run(name, stdin=None, stdout=None, stderr=None, preexec_fn=close)
    assert code == (16 if name in SPEAKING else 0)


@pytest.mark.parametrize("home", [None, "/dev/null", "/nonexistent"])
@pytest.mark.parametrize("name", ["complete", "list", "set", "local"])
def test_a_home_that_is_none(name: str, home: str | None, run: Run, cli: Cli) -> None:
    for variable in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        del cli.env[variable]
    if home is not None:
        cli.env["HOME"] = home
    code, said = run(name)
    assert code in (0, 3, 16)
    assert (code == 0) == ("error: " not in said)


@pytest.mark.parametrize("name", ["complete", "batch", "show"])
def test_a_locale_that_knows_ascii_alone(name: str, run: Run, cli: Cli) -> None:
    cli.env |= {"LANG": "C", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    assert run(name)[0] == 0


@pytest.mark.parametrize("files", [8, 14, 31])
@pytest.mark.parametrize("name", ["complete", "batch", "set"])
def test_too_few_files(name: str, files: int, run: Run) -> None:
    code, said = run(name, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)))
    assert code in ((2,) if name == "batch" else (0, 2, 3, 10))
    assert name != "batch" or "files" in said


@pytest.mark.parametrize("files", [6, 10, 13])
def test_too_few_files_for_the_emulator(files: int, cli: Cli) -> None:
    limited = f"ulimit -n {files}; exec {sys.executable} -m completions_cli emulator"
    done = subprocess.run(
        ["/bin/sh", "-c", limited], env=cli.env, capture_output=True, text=True, timeout=60, check=False
    )
    said = f"error: the system allows this process only {files} open files"
    assert (done.returncode, done.stdout, done.stderr.splitlines()[0]) == (2, "", said)


@pytest.mark.usefixtures("run")
def test_too_little_memory(cli: Cli) -> None:
    line = "import sys, tomllib; tomllib.loads = lambda _: 'x' * sys.maxsize; from completions_cli.main import main; main()"
    words = [sys.executable, "-c", line, "config", "list"]
    done = subprocess.run(words, env=cli.env, capture_output=True, text=True, timeout=60, check=False)
    said = "error: the system refuses more resources to this process: Cannot allocate memory"
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, said)


NO_ROOM = """
import sys
class Full:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            raise MemoryError
sys.meta_path.insert(0, Full())
from completions_cli.__main__ import run
run()
"""


@pytest.mark.parametrize("module", ["completions_cli.main", "completions_cli.render.failure"])
def test_too_little_memory_to_load_what_reports_it(module: str, cli: Cli) -> None:
    words = [sys.executable, "-c", NO_ROOM, module]
    done = subprocess.run(words, env=cli.env, capture_output=True, text=True, timeout=60, check=False)
    said = "error: the system refuses more memory to this process\nhint: Raise its limits; see ulimit -a.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.usefixtures("run")
def test_a_signal_at_any_moment_is_no_bug(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([Silence()])
    chance = random.Random(os.getpid())
    for _ in range(SIGNALS):
        name = chance.choice(list(COMMANDS))
        number = chance.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE])
        process = cli.start(*COMMANDS[name], cwd=cli.home, start_new_session=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=chance.uniform(0.3, 1.0))
        for each in (number, signal.SIGTERM, signal.SIGTERM):  # SIGPIPE says nothing; a batch drains first
            process.send_signal(each)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=2)
        said = process.communicate(timeout=30)[1].decode()
        # Before the interpreter has come to our code, a signal ends it as signals do.
        assert process.returncode in (0, 3, 10, 129, 130, 143, -number, -signal.SIGTERM), (name, number, said)
        assert "bug in completions" not in said
    assert b'[profiles.p]\nendpoint = "http://' in (cli.home / "config/completions/completions.toml").read_bytes()
    assert not list(cli.home.rglob("*.tmp"))
