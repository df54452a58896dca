"""OUTPUT under the run's own eyes: whatever a shell does to it in the middle of a run shows as soon as it is done."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.conftest import Rows, batch, records, row_numbers
from tests.command import Cli
from tests.scripted_server import Pause, ScriptedServer, response

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be moved there")

ANSWER = response(b'{"choices":[{"index":0,"text":"ok","finish_reason":"stop"}],"model":"m"}')
# What is done in OUTPUT's folder after two of three rows, and a word of the error.
TOUCHES = {
    "rm out.jsonl": "removed or moved",
    "mv out.jsonl elsewhere": "removed or moved",
    "rm -r ../folder": "removed or moved",
    "mv ../folder ../other": "removed or moved",
    "mv ../folder ../other; mkdir ../folder; touch ../folder/out.jsonl": "replaced",
    "rm out.jsonl; touch out.jsonl": "replaced",
    "cp out.jsonl copy; mv copy out.jsonl": "replaced",
    "sed -i s/ok/OK/ out.jsonl": "replaced",
    "echo hello > other; ln -f other out.jsonl": "replaced",
    "rm out.jsonl; mkdir out.jsonl": "replaced",
    "rm out.jsonl; ln -s /dev/null out.jsonl": "replaced",
    ": > out.jsonl": "cut",
    "truncate -s 10 out.jsonl": "cut",
    "echo hello > out.jsonl": "cut",
    "echo >> out.jsonl": "written to by somebody else",
    "truncate -s 1G out.jsonl": "written to by somebody else",
    "cat out.jsonl out.jsonl > copy; cat copy > out.jsonl": "written to by somebody else",
}
HARMLESS = ["chmod 400 out.jsonl", "touch out.jsonl", "ln out.jsonl link", "rm -f out.jsonl.run", "cat out.jsonl"]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Name the output, in a folder of its own."""
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "out.jsonl"


@pytest.fixture
def server(cli: Cli, scripted_server: ScriptedServer) -> Iterator[ScriptedServer]:
    """Answer two rows; the third waits."""
    pause = Pause()
    scripted_server.play([ANSWER], [ANSWER], [pause, ANSWER])
    cli.service(scripted_server.url)
    yield scripted_server
    pause.go.set()


def _start(cli: Cli, rows: Rows, output: Path | str, *extra: str, cwd: Path | None = None) -> subprocess.Popen[bytes]:
    return cli.start("batch", str(rows(3)), "-o", str(output), "-j", "1", *extra, cwd=cwd)


def _shell(command: str, folder: Path) -> None:
    subprocess.run(["/bin/sh", "-c", command], cwd=folder, check=True)


@pytest.mark.parametrize("touch", TOUCHES)
def test_what_happens_to_it_shows(touch: str, cli: Cli, server: ScriptedServer, rows: Rows, output: Path) -> None:
    ordered = ("--ordered",) if len(touch) % 2 else ()
    process = _start(cli, rows, output, *ordered)
    server.wait_for_requests(3)
    process.send_signal(signal.SIGSTOP)  # or it looks between two steps of a change
    _shell(touch, output.parent)
    process.send_signal(signal.SIGCONT)
    _, stderr = process.communicate(timeout=60)  # the third answer never comes
    assert process.returncode == 16, stderr
    assert f"error: {output} was {TOUCHES[touch]}" in stderr.decode()
    assert b"hint: " in stderr


@pytest.mark.parametrize("touch", ["mv ../folder ../other", "rm out.jsonl", ": > out.jsonl"])
def test_it_shows_at_the_end_of_a_short_run_too(
    touch: str, cli: Cli, scripted_server: ScriptedServer, rows: Rows
) -> None:
    pause = Pause()
    scripted_server.play([ANSWER], [ANSWER], [pause, ANSWER])
    cli.service(scripted_server.url)
    folder = cli.home.parent / "folder"
    folder.mkdir(exist_ok=True)
    process = _start(cli, rows, "out.jsonl", cwd=folder)
    scripted_server.wait_for_requests(3)
    process.send_signal(signal.SIGSTOP)
    _shell(touch, folder)
    pause.go.set()
    process.send_signal(signal.SIGCONT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 16, stderr


@pytest.mark.parametrize("touch", HARMLESS)
def test_what_does_no_harm_is_no_error(
    touch: str, cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path
) -> None:
    pause = Pause()
    scripted_server.play([ANSWER], [ANSWER], [pause, ANSWER])
    cli.service(scripted_server.url)
    process = _start(cli, rows, output, "--ordered")
    scripted_server.wait_for_requests(3)
    _shell(touch, output.parent)
    pause.go.set()
    process.communicate(timeout=60)
    assert (process.returncode, row_numbers(output)) == (0, [0, 1, 2])


def test_a_moved_output_can_be_put_back(cli: Cli, server: ScriptedServer, rows: Rows, output: Path) -> None:
    process = _start(cli, rows, output)
    server.wait_for_requests(3)
    _shell("mv out.jsonl elsewhere", output.parent)
    assert (process.communicate(timeout=60), process.returncode)[1] == 16
    _shell("mv elsewhere out.jsonl", output.parent)
    server.play([ANSWER])
    assert batch(cli, rows(3), "-o", output).code == 0
    assert (row_numbers(output), len(server.requests)) == ([0, 1, 2], 4)


@pytest.mark.parametrize("name", ["out.jsonl", "hard", "soft"])
@pytest.mark.parametrize("extra", [(), ("--overwrite",), ("--retry-failed",)])
def test_a_second_run_is_refused_under_every_name(
    name: str, extra: tuple[str, ...], cli: Cli, server: ScriptedServer, rows: Rows, output: Path
) -> None:
    process = _start(cli, rows, output)
    server.wait_for_requests(3)
    _shell("ln out.jsonl hard; ln -s out.jsonl soft; rm -f out.jsonl.lock; cp out.jsonl.run hard.run", output.parent)
    before = output.read_bytes()
    second = batch(cli, rows(3), "-o", output.parent / name, *extra)
    assert (second.code, "another run is writing" in second.stderr, output.read_bytes()) == (2, True, before)
    merged = batch(cli, "merge", output, "-o", output.parent / name, "--overwrite")
    assert (merged.code, output.read_bytes()) == (2, before)
    process.kill()
    process.communicate()


def test_a_run_file_that_is_a_link_is_not_followed(
    cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path
) -> None:
    scripted_server.play([ANSWER])
    victim = output.parent / "victim"
    victim.write_text("precious", encoding="utf-8")
    output.with_name("out.jsonl.run").symlink_to(victim)
    assert batch(cli.service(scripted_server.url), rows(3), "-o", output).code == 0
    assert victim.read_text(encoding="utf-8") == "precious"
    assert not output.with_name("out.jsonl.run").is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="has no such pipes")
def test_a_run_file_that_is_a_pipe_is_not_waited_for(
    cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path
) -> None:
    scripted_server.play([ANSWER])
    beside = output.with_name("out.jsonl.run")
    os.mkfifo(beside)
    assert batch(cli.service(scripted_server.url), rows(3), "-o", output).code == 0
    assert beside.is_file()


def test_what_a_killed_run_left_is_swept(cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path) -> None:
    scripted_server.play([ANSWER])
    cli.service(scripted_server.url)
    folder = output.parent
    left = [folder / ".out.jsonl.abcd1234.completions.tmp", folder / ".out.jsonl.run.x_y_z_12.completions.tmp"]
    others = [folder / ".other.jsonl.abcd1234.completions.tmp", folder / ".out.jsonl.abcd1234.tmp"]
    for path in left + others:
        path.touch()
    assert batch(cli, rows(3), "-o", output).code == 0
    assert sorted(folder.iterdir()) == sorted([*others, output, folder / "out.jsonl.run"])


SHIM = r"""
#include <errno.h>
int flock(int fd, int operation) { errno = NUMBER; return -1; }
"""


# A file has another number each time it is looked at by name, as on some network file systems.
NUMBERS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/stat.h>
static unsigned long number = 1000;
static int look(const char *name, const char *path, struct stat *found) {
  int (*real)(const char *, struct stat *) = dlsym(RTLD_NEXT, name);
  int result = real(path, found);
  if (strstr(path, "out.jsonl")) found->st_ino = ++number;
  return result;
}
int stat(const char *path, struct stat *found) { return look("stat", path, found); }
int stat64(const char *path, struct stat64 *found) { return look("stat64", path, (struct stat *)found); }
"""


def _preload(cli: Cli, code: str, folder: Path) -> Cli:
    gcc = shutil.which("gcc")
    if sys.platform != "linux" or gcc is None:
        pytest.skip("needs gcc and LD_PRELOAD")
    (folder / "shim.c").write_text(code, encoding="utf-8")
    shim = folder / "shim.so"
    subprocess.run([gcc, "-shared", "-fPIC", "-o", shim, folder / "shim.c", "-ldl"], check=True)
    cli.env["LD_PRELOAD"] = str(shim)
    return cli


@pytest.fixture(params=["ENOSYS", "ENOLCK", "EOPNOTSUPP"])
def without_locks(request: pytest.FixtureRequest, cli: Cli, tmp_path: Path) -> Cli:
    """Have every flock refused, as on file systems that have none."""
    return _preload(cli, SHIM.replace("NUMBER", request.param), tmp_path)


def test_files_that_have_no_numbers_of_their_own_are_known_by_name_and_size(
    cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path, tmp_path: Path
) -> None:
    pause = Pause()
    scripted_server.play([ANSWER])
    _preload(cli.service(scripted_server.url), NUMBERS, tmp_path)
    whole = batch(cli, rows(3), "-o", output, "--ordered", "--limit", "1")
    assert (whole.code, row_numbers(output)) == (0, [0]), whole.stderr
    scripted_server.play([ANSWER], [pause, ANSWER])
    process = _start(cli, rows, output)
    scripted_server.wait_for_requests(3)
    _shell("rm out.jsonl", output.parent)
    assert (process.communicate(timeout=60), process.returncode)[1] == 16
    pause.go.set()


def test_where_there_are_no_locks_a_lock_file_stands_in(
    without_locks: Cli, server: ScriptedServer, rows: Rows, output: Path
) -> None:
    lock = output.with_name("out.jsonl.lock")
    process = _start(without_locks, rows, output, "--ordered")
    server.wait_for_requests(3)
    assert json.loads(lock.read_bytes())["pid"] == process.pid
    second = batch(without_locks, rows(3), "-o", output)
    assert (second.code, "another run is writing" in second.stderr) == (2, True), second.stderr
    process.kill()
    process.communicate()
    server.play([ANSWER])
    third = batch(without_locks, rows(3), "-o", output, "--ordered")
    assert (third.code, row_numbers(output)) == (0, [0, 1, 2]), third.stderr
    assert "does not support locks" in third.stderr
    assert "Warning" not in third.stderr
    assert not lock.exists()


def test_a_lock_file_of_another_machine_holds_until_it_is_silent(
    without_locks: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path
) -> None:
    scripted_server.play([ANSWER])
    without_locks.service(scripted_server.url)
    lock = output.with_name("out.jsonl.lock")
    lock.write_text('{"token": "x", "pid": 1, "machine": "another"}', encoding="utf-8")
    assert batch(without_locks, rows(3), "-o", output).code == 2
    assert lock.exists()
    now = lock.stat().st_mtime
    os.utime(lock, (now - 61, now - 61))
    assert batch(without_locks, rows(3), "-o", output).code == 0
    assert [len(records(output)), lock.exists()] == [3, False]
