"""How the command behaves as a process: pipes that break, disks that fill, signals, terminals."""

import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.answers import DONE, answer, event
from tests.command import COMMAND, Cli
from tests.scripted_server import Pause, ScriptedServer, Silence, response, stream_head

KEY = "test-key-0123456789"
WHOLE = answer("answer")


# Output


def test_output_goes_to_a_file(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    target = cli.home / "out.txt"
    target.write_text("old")
    target.chmod(0o640)
    result = cli.service(scripted_server.url).run("complete", "P", "-o", str(target))
    assert (result.code, result.stdout, target.read_text()) == (0, b"", "answer\n")
    assert target.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in cli.home.iterdir()] == ["out.txt"]


def test_a_broken_answer_leaves_the_file_and_keeps_what_came(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("half")])
    target = cli.home / "out.txt"
    target.write_text("old")
    result = cli.service(scripted_server.url).run("stream", "P", "-o", str(target))
    assert (result.code, target.read_text()) == (12, "old")
    assert (cli.home / "out.txt.partial").read_text() == "half"
    assert "out.txt.partial" in result.stderr


def test_an_answer_is_kept_beside_a_place_that_it_cannot_take(cli: Cli, scripted_server: ScriptedServer) -> None:
    pause = Pause()
    scripted_server.play([stream_head(), event("half"), pause, event(" and half", "stop"), DONE])
    target = cli.home / "out.txt"
    process = cli.service(scripted_server.url).start("stream", "P", "-o", str(target))
    scripted_server.wait_for_requests(1)
    target.mkdir()
    pause.go.set()
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, (cli.home / "out.txt.partial").read_text()) == (16, "half and half\n")
    assert b"note: the answer is in" in stderr


def test_output_to_a_missing_folder_is_refused_before_anything_is_sent(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([WHOLE])
    result = cli.service(scripted_server.url).run("complete", "P", "-o", str(cli.home / "no" / "out"))
    assert (result.code, scripted_server.requests) == (16, [])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device /dev/full is Linux's")
@pytest.mark.parametrize("command", [["complete", "P"], ["stream", "P"], ["--version"], ["--help"]])
def test_a_full_disk_never_exits_0(command: list[str], cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    with Path("/dev/full").open("wb") as full:
        process = cli.service(scripted_server.url).start(*command, stdout=full)
        _, stderr = process.communicate(timeout=30)
    assert (process.returncode, b"Traceback" in stderr) == (16, False)


def _limit_files_to_100_bytes() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


def test_a_full_disk_behind_o(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(json.dumps({"choices": [{"index": 0, "text": "x" * 9999}]}).encode())])
    process = cli.service(scripted_server.url).start(
        "complete", "P", "-o", str(cli.home / "out"), preexec_fn=_limit_files_to_100_bytes
    )
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 16, stderr
    assert list(cli.home.iterdir()) == []


def test_a_reader_that_leaves_ends_the_stream_quietly(cli: Cli, scripted_server: ScriptedServer) -> None:
    gate = Pause()
    scripted_server.play([stream_head(), event("one\n"), gate, *[event("more\n")] * 200, Silence()])
    process = cli.service(scripted_server.url).start("stream", "P")
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"one\n"
    process.stdout.close()
    gate.go.set()
    assert process.wait(timeout=30) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_help_into_a_closed_pipe(cli: Cli) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = cli.start("--help", stdout=writer)
    os.close(writer)
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (141, b"")


@pytest.mark.parametrize(("closed", "code"), [(">&-", 16), ("<&-", 2), ("2>&-", 0)])
def test_closed_standard_streams(closed: str, code: int, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    prompt = "" if closed == "<&-" else "P"
    cli.service(scripted_server.url)
    line = f"{shlex.quote(COMMAND)} complete {prompt} {closed}"
    done = subprocess.run(["/bin/sh", "-c", line], env=cli.env, capture_output=True, timeout=30, check=False)
    assert done.returncode == code
    assert b"Traceback" not in done.stderr


# Signals


ENDINGS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_a_signal_leaves_what_came_beside_the_file_and_no_other(
    number: signal.Signals, code: int, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    scripted_server.play([stream_head(), event("kept"), Silence()])
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "out").write_text("old", encoding="utf-8")
    process = cli.service(scripted_server.url).start("stream", "P", "-o", str(folder / "out"))
    temporary = _written(folder)
    process.send_signal(number)
    process.communicate(timeout=10)
    assert process.returncode == code
    assert not temporary.exists()
    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == {
        "out": "old",
        "out.partial": "kept",
    }


def test_what_a_killed_command_left_is_removed_by_the_next(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    scripted_server.play([stream_head(), event("kept"), Silence()], [WHOLE])
    folder = tmp_path / "folder"
    folder.mkdir()
    process = cli.service(scripted_server.url).start("stream", "P", "-o", str(folder / "out"))
    _written(folder)
    process.kill()
    process.communicate(timeout=10)
    assert cli.run("complete", "P", "-o", str(folder / "out")).code == 0
    assert [path.name for path in folder.iterdir()] == ["out"]


def _written(folder: Path) -> Path:
    """Wait until something stands in a temporary file of the folder."""
    while not (found := [path for path in folder.glob(".*.tmp") if path.stat().st_size]):
        pass
    return found[0]


def test_a_hangup_that_nohup_ignores_ends_nothing(cli: Cli, scripted_server: ScriptedServer) -> None:
    pause = Pause()
    scripted_server.play([stream_head(), event("a"), pause, event("b"), DONE])
    process = cli.service(scripted_server.url).start(
        "stream", "P", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
    )
    assert process.stdout
    assert process.stdout.read(1) == b"a"
    process.send_signal(signal.SIGHUP)
    pause.go.set()
    rest, _ = process.communicate(timeout=10)
    assert (process.returncode, rest) == (0, b"b\n")


@pytest.mark.parametrize(
    "name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link", "link to the link", "/dev/fd/5"]
)
@pytest.mark.parametrize("redirect", [">", ">>"])
def test_a_file_that_is_open_already_is_written_to_and_not_replaced(
    name: str, redirect: str, cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    scripted_server.play([answer("new")])
    (tmp_path / "link").symlink_to("/dev/stdout")
    (tmp_path / "link to the link").symlink_to("link")
    out = tmp_path / "out"
    out.write_text("before\n", encoding="utf-8")
    inode = out.stat().st_ino
    descriptor = "5" if name.endswith("5") else "1"
    path = name if name.startswith("/") else str(tmp_path / name)
    cli.service(scripted_server.url)
    line = f"{shlex.quote(COMMAND)} complete P -o {shlex.quote(path)} {descriptor}{redirect} {shlex.quote(str(out))}"
    done = subprocess.run(["/bin/sh", "-c", line], env=cli.env, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    before = "before\n" if redirect == ">>" else ""
    assert (out.read_text(encoding="utf-8"), out.stat().st_ino) == (f"{before}new\n", inode)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "link", "link to the link", "out"]


def test_a_fifo_is_written_to(cli: Cli, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    scripted_server.play([answer("new")])
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    process = cli.service(scripted_server.url).start("complete", "P", "-o", str(fifo))
    assert fifo.read_bytes() == b"new\n"
    assert process.wait(timeout=10) == 0
    process.communicate()
    assert fifo.is_fifo()


@pytest.mark.parametrize(("number", "code"), ENDINGS)
def test_a_signal_stops_at_once_and_keeps_the_text(
    number: signal.Signals, code: int, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([stream_head(), event("kept"), Silence()])
    process = cli.service(scripted_server.url).start("stream", "P")
    assert process.stdout
    assert process.stdout.read(4) == b"kept"
    process.send_signal(number)
    rest, stderr = process.communicate(timeout=10)
    assert (process.returncode, rest, stderr) == (code, b"", b"")


def test_ctrl_c_while_waiting_for_a_retry(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b"{}", "429 X", ["retry-after: 100"])])
    process = cli.service(scripted_server.url).start("complete", "P")
    assert process.stderr
    assert b"trying again in 100.0 s" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 130


# Terminal


def test_control_characters_cannot_drive_a_terminal(cli: Cli, scripted_server: ScriptedServer) -> None:
    evil = "a\x1b]52;c;aGk=\x07\x1b[2J\x9b31m\x08\r\u202e\tb\n"
    scripted_server.play([stream_head(), *[event(char) for char in evil], DONE])
    result = cli.service(scripted_server.url).terminal("stream", "P", "-q")
    assert result.code == 0
    assert result.stdout == (
        b"a\\x1b]52;c;aGk=\\x07\\x1b[2J\\x9b31m\\x08\\x0d\\u202e\tb\r\n"  # the terminal's own CR before LF
    )


def test_a_terminal_shows_several_choices_with_headers(cli: Cli, scripted_server: ScriptedServer) -> None:
    body = (
        b'{"choices":[{"index":1,"text":"two","finish_reason":"stop"},{"index":0,"text":"one","finish_reason":"stop"}]}'
    )
    scripted_server.play([response(body)])
    result = cli.service(scripted_server.url).terminal("complete", "--prompt-json", '["a","b"]', "-q")
    assert result.text.replace("─", "").split() == ["choice", "0", "one", "choice", "1", "two"]


def test_usage_is_shown_on_a_terminal_unless_quiet(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    shown = cli.service(scripted_server.url).terminal("complete", "P", env={"NO_COLOR": "1"})
    quiet = cli.terminal("complete", "P", "-q")
    assert "stop · " in shown.text
    assert not re.search(rb"\x1b\[[0-9;]*m", shown.stdout)
    assert quiet.stdout == b"answer\r\n"


def test_an_error_on_a_terminal_is_a_panel_with_inert_markup(cli: Cli, scripted_server: ScriptedServer) -> None:
    body = b'{"error":{"message":"[/foo] [red]x :smile: \\u001b[31m\\u009b"}}'
    scripted_server.play([response(body, "400 X")])
    result = cli.service(scripted_server.url).terminal("complete", "P", "-q", "--color", "never")
    assert result.code == 6
    assert "[/foo] [red]x :smile: \\x1b[31m\\x9b" in result.text
    assert "\x1b" not in result.text
    assert "╭" in result.text


def test_no_prompt_on_a_terminal_is_one_line_of_help(cli: Cli) -> None:
    result = cli.terminal("complete", "--color", "never")
    assert (result.code, "no prompt" in result.text) == (2, True)
    assert "--help shows" in result.text


def test_the_editor_gives_the_prompt(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    editor = cli.home / "editor"
    editor.write_text('#!/bin/sh\nprintf "edited\\n" > "$2"\n')
    editor.chmod(0o755)
    cli.env["VISUAL"] = f"{editor} --wait"
    assert cli.service(scripted_server.url).run("complete", "-e").code == 0
    assert b'"prompt":"edited"' in scripted_server.requests[0]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (r"printf 'a\377' > $1", "what the editor saved is not UTF-8: byte 1 is 0xff"),
        ("exit 3", "ended with exit code 3"),
        (None, "cannot be used: No such file or directory"),
    ],
)
def test_an_editor_that_fails_says_how(script: str | None, words: str, cli: Cli) -> None:
    editor = cli.home / "editor"
    if script is not None:
        editor.write_text(f"#!/bin/sh\n{script}\n")
        editor.chmod(0o755)
    result = cli.service("http://127.0.0.1:1").run("complete", "-e", env={"VISUAL": str(editor)})
    assert (result.code, words in result.stderr) == (2, True), result.stderr


# What is shown of a request


def test_dry_run_sends_nothing_and_hides_secrets(cli: Cli, scripted_server: ScriptedServer) -> None:
    args = ("complete", "P", "--dry-run", "-H", "x-api-token: hidden-value", "-H", "x-team: blue", "-d", "d1")
    result = cli.service(scripted_server.url).run(*args)
    assert (result.code, scripted_server.requests) == (0, [])
    head, _, body = result.text.partition("\n\n")
    lines = head.splitlines()
    assert lines[0] == f"POST {scripted_server.url}/completions?api-version=2024-04-01-preview"
    shown = {"authorization: Bearer ****", "api-key: ****", "x-api-token: ****", "x-team: blue"}
    assert shown | {"azureml-model-deployment: d1"} <= set(lines)
    assert body == '{"prompt":"P","max_tokens":256}\n'
    assert KEY not in result.text
    assert "hidden-value" not in result.text


def test_several_dry_runs_have_an_empty_line_between(cli: Cli) -> None:
    result = cli.service("http://127.0.0.1:9").run("complete", "P", "-n", "2", "--seed", "1", "--dry-run")
    bodies = [part for part in result.text.split("\n\n") if part.startswith("{")]
    assert [json.loads(body)["seed"] for body in bodies] == [1, 2]


@pytest.mark.skipif(not Path("/usr/bin/curl").exists(), reason="needs curl")
def test_the_curl_command_sends_the_same_request(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    args = ("complete", 'it\'s "quoted" $HOME\n`x`', "-x", "k=v", "-t", "0")
    cli.service(scripted_server.url).run(*args)
    command = cli.run(*args, "--curl").text
    assert KEY not in command
    done = subprocess.run(["/bin/sh", "-c", command], env=cli.env, capture_output=True, timeout=30, check=True)
    assert json.loads(done.stdout)["choices"][0]["text"] == "answer"
    ours, curls = (request.partition(b"\r\n\r\n") for request in scripted_server.requests)
    assert ours[2] == curls[2]
    for header in (b"authorization: Bearer " + KEY.encode(), b"extra-parameters: pass-through"):
        assert header in ours[0]
        assert header in curls[0]


@pytest.mark.parametrize("flag", ["-v", "-vv"])
def test_verbose_shows_the_exchange_without_the_key(flag: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    body = f'{{"error":"you sent {KEY}"}}'.encode()
    scripted_server.play([response(body, "400 Bad Request", [f"x-echo: Bearer {KEY}"])])
    result = cli.service(scripted_server.url).run("complete", "P", flag)
    assert "> POST http://127.0.0.1" in result.stderr
    assert "> authorization: Bearer ****" in result.stderr
    assert "< HTTP/1.1 400 Bad Request" in result.stderr
    assert ('> {"prompt":"P","max_tokens":256}' in result.stderr) == (flag == "-vv")
    assert KEY not in result.stderr


# Odd surroundings


@pytest.mark.parametrize("missing", ["HOME", "LANG", "XDG_CONFIG_HOME", "PATH"])
def test_an_environment_without(missing: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    del cli.service(scripted_server.url).env[missing]
    assert cli.run("complete", "é").text == "answer\n"


def test_a_bare_command_is_a_mistake_and_shows_the_help_on_stderr(cli: Cli) -> None:
    bare, asked = cli.run(), cli.run("--help")
    assert (bare.code, bare.stdout) == (2, b"")
    assert bare.stderr.startswith(asked.text)
    assert "\nerror: no command was given\nhint: " in bare.stderr


def test_version_runs_nothing_else(cli: Cli) -> None:
    result = cli.run("--version", "complete", "P")
    assert (result.code, result.text.startswith("completions "), result.text.count("\n")) == (0, True, 1)


def test_python_m_is_the_same_command(cli: Cli) -> None:
    line = [sys.executable, "-m", "completions_cli", "--version"]
    done = subprocess.run(line, env=cli.env, capture_output=True, timeout=30, check=True)
    assert done.stdout == cli.run("--version").stdout


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["complet"], "Did you mean complete?"),
        (["local", "statsu"], "Did you mean status?"),
        (["complete", "--temprature", "1", "x"], "Did you mean --temperature?"),
    ],
)
def test_a_typo_is_met_with_the_nearest_name(typed: list[str], words: str, cli: Cli) -> None:
    result = cli.run(*typed)
    assert (result.code, words in result.stderr) == (2, True)


@pytest.mark.parametrize("typed", [["local", "nope"], ["complete", "--nope", "x"]])
def test_what_resembles_nothing_is_met_with_no_name(typed: list[str], cli: Cli) -> None:
    assert "Did you mean" not in cli.run(*typed).stderr
