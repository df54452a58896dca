"""Paths that cannot be used, wherever one is typed: an error in the user's terms, never a bug, and nothing is sent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import COMMAND, Cli
from tests.scripted_server import ScriptedServer, response

ANSWER = b'{"object":"text_completion","choices":[{"index":0,"text":"ok","finish_reason":"stop"}]}'

# A path is typed in place of PATH; ROWS and OUT stand for an input and the output of a batch.
COMMANDS = [
    "complete -f PATH",
    "complete hi -o PATH",
    "complete hi --prepend @PATH",
    "complete hi --config PATH",
    "complete hi --ca-bundle PATH --endpoint https://localhost:9 --auth none --retries 0",
    "complete hi --client-cert PATH --endpoint https://localhost:9 --auth none --retries 0",
    "complete hi -p local --model-path PATH",
    "score hi --choices PATH",
    "batch PATH -o new.jsonl",
    "batch ROWS -o PATH",
    "batch ROWS -o new.jsonl --summary PATH",
    "batch ROWS -o PATH --engine ray --plan",
    "batch status PATH",
    "batch merge PATH -o new.jsonl",
    "batch export PATH -o new.csv",
    "config set -p a timeout 3 --config PATH",
    "config schema --save --config PATH",
]
# Runs a program as one whom permissions bind, whoever starts it: root without the right to pass them by.
BOUND = """
import ctypes, os, sys
system = ctypes.CDLL(None)
for right in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    system.prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.argv[1], sys.argv[1:])
"""
ODD = {"too long": "x" * 300, "a loop": "loop/x", "nobody's home": "~nobody-of-this-name/x"}


@pytest.mark.parametrize("path", ODD)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_path_that_cannot_be_used(
    command: str, path: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "circle")
    (tmp_path / "circle").symlink_to(tmp_path / "loop")
    rows = tmp_path / "rows.jsonl"
    rows.write_text('"hi"\n')
    typed = command.replace("PATH", ODD[path]).replace("ROWS", str(rows)).split()
    result = cli.service("http://127.0.0.1:9").run(*typed)
    assert result.code in ({0, 2, 16} if "--plan" in typed else {2, 3, 10, 16}), result.stderr
    assert "bug" not in result.stderr
    assert "127.0.0.1:9" not in result.stderr  # nothing was asked


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
@pytest.mark.parametrize(
    "command",
    [
        *COMMANDS,
        "emulator --log PATH",
        "batch export OUT -o PATH.csv",
        "batch status CLOSED",
        "batch CLOSED -o a.jsonl",
    ],
)
def test_a_path_in_a_folder_that_is_closed_to_the_user(command: str, cli: Cli, tmp_path: Path) -> None:
    closed, rows, out = tmp_path / "closed", tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    closed.mkdir(mode=0)
    rows.write_text('"hi"\n')
    out.write_text('{"row": 0, "choices": [{"index": 0, "text": "a"}], "error": null}\n')
    typed = command.replace("PATH", f"{closed}/x").replace("ROWS", str(rows)).replace("OUT", str(out))
    typed = typed.replace("CLOSED", str(closed))
    done = subprocess.run(
        [sys.executable, "-c", BOUND, COMMAND, *typed.split()],
        cwd=tmp_path,
        env=cli.service("http://127.0.0.1:9").env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    closed.chmod(0o700)
    writes = any(f"{option} PATH" in command for option in ("-o", "--summary", "--log", "--save --config"))
    plans = "--plan" in typed
    assert done.returncode in ({0, 2, 16} if plans else {16} if writes else {2, 3, 10}), done.stderr
    assert plans or "Permission denied" in done.stderr
    assert "127.0.0.1:9" not in done.stderr  # nothing was asked


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_table_goes_into_a_pipe_whose_folder_is_closed(cli: Cli, tmp_path: Path) -> None:
    closed, out = tmp_path / "closed", tmp_path / "out.jsonl"
    closed.mkdir()
    os.mkfifo(closed / "pipe")
    closed.chmod(0o500)
    line = '{"row": %d, "choices": [{"index": 0, "text": "a"}], "error": null}\n'
    out.write_text("".join(line % row for row in (3, 1, 2)))  # not in order: they need an index on the disk
    export = ["batch", "export", str(out), "-o", str(closed / "pipe"), "-F", "csv"]
    with subprocess.Popen(
        [sys.executable, "-c", BOUND, COMMAND, *export], env=cli.env, stderr=subprocess.PIPE, text=True
    ) as process:
        reading = os.open(closed / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        _, stderr = process.communicate(timeout=60)
        table = os.read(reading, 65536).decode()
    os.close(reading)
    closed.chmod(0o700)
    assert (process.returncode, [row.split(",")[1] for row in table.splitlines()]) == (0, ["row", "1", "2", "3"]), (
        stderr
    )


@pytest.mark.skipif(sys.platform == "win32", reason="its files have no such limit")
@pytest.mark.parametrize("command", ["batch status OUT", "batch export OUT -o -", "complete -e"])
def test_a_machine_without_a_folder_for_temporary_files(command: str, cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text('{"row": 0, "choices": [{"index": 0, "text": "a"}], "error": null}\n')
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 0; exec "$@"', "sh", COMMAND, *command.replace("OUT", str(out)).split()],
        env={**cli.service("http://127.0.0.1:9").env, "EDITOR": "cat"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "status" in command:
        assert (done.returncode, "1 ok" in done.stdout) == (0, True), done.stderr
    else:
        assert done.returncode == 2
        assert "no folder for temporary files can be written to\nhint: Set TMPDIR" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed there")
@pytest.mark.parametrize(
    "command",
    [
        "complete hi -o new.txt",
        "config set -p a timeout 3 --config new.toml",
        "batch ROWS -o new.jsonl",
        "batch merge ROWS -o new.jsonl",
        "batch export ROWS -o new.csv",
    ],
)
def test_a_working_folder_that_was_removed(command: str, cli: Cli, tmp_path: Path) -> None:
    rows, gone = tmp_path / "rows.jsonl", tmp_path / "gone"
    rows.write_text('{"row":0,"prompt":"hi","choices":[{"index":0,"text":"ho","finish_reason":"stop"}]}\n')
    gone.mkdir()
    typed = command.replace("ROWS", str(rows)).split()
    shell = ["sh", "-c", f'cd {gone}; rmdir {gone}; exec "$@"', "sh", COMMAND, *typed]
    env = cli.service("http://127.0.0.1:9").env
    done = subprocess.run(shell, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "folder that this runs in was removed" in done.stderr) == (2, True), done.stderr


def test_a_name_that_begins_with_a_tilde_is_a_name(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~rows.jsonl").write_text('"hi"\n')
    result = cli.service("http://127.0.0.1:9").run("batch", "~rows.jsonl", "-o", "~out.jsonl", "--plan")
    assert (result.code, b"1 to send" in result.stdout) == (0, True), result.stderr


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/full", "/dev/random"])
def test_a_device_without_an_end_is_no_input(device: str, cli: Cli, tmp_path: Path) -> None:
    if not Path(device).is_char_device():
        pytest.skip("this system has no such device")
    result = cli.service("http://127.0.0.1:9").run("batch", device, "-o", str(tmp_path / "out.jsonl"))
    assert (result.code, "is a device" in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize("command", ["batch FILE -o new.jsonl", "batch - -o new.jsonl", "batch status FILE"])
def test_a_file_that_fails_to_be_read(command: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    failing = Path("/proc/self/mem")  # its first bytes are never mapped
    if not failing.exists():
        pytest.skip("this system has no such file")
    typed = command.replace("FILE", str(failing)).split()
    with failing.open("rb") as stdin:
        process = cli.service("http://127.0.0.1:9").start(*typed, stdin=stdin)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, b"cannot be read: Input/output error" in stderr) == (2, True), stderr


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_a_name_with_a_line_end_forges_no_line(
    end: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    scripted_server.play([response(ANSWER)])
    (tmp_path / "rows.jsonl").write_text('"hi"\n')
    output = str(tmp_path / f"a{end}done: 1000 rows.jsonl")
    cli.service(scripted_server.url)
    ran = cli.run("batch", str(tmp_path / "rows.jsonl"), "-o", output)
    seen = cli.run("batch", "status", output)
    exported = cli.run("batch", "export", output, "-o", f"{output}.csv")
    merged = cli.run("batch", "merge", output, "-o", f"{output}.merged")
    for text in (ran.stderr, seen.stdout.decode(), exported.stderr, merged.stderr):
        assert not [line for line in text.splitlines() if line.startswith("done: 1000")], text
    assert [result.code for result in (ran, seen, exported, merged)] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "command",
    [
        "config init -p a --endpoint http://127.0.0.1:9 --auth none --config NAME",
        "complete hi --unix-socket NAME --retries 1",
        "complete hi --fail-on NAME --retries 0",
    ],
)
def test_nor_does_one_that_is_typed_elsewhere(
    command: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    typed = [word.replace("NAME", "a\nforged") for word in command.split()]
    result = cli.service("http://127.0.0.1:9").run(*typed)
    assert "a\\nforged" in result.stderr
    assert not [line for line in result.stderr.splitlines() if line.startswith("forged")]
