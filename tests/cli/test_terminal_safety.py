"""Text of others on a real terminal: whatever it holds and wherever it comes from, it is shown and does nothing."""

import json
import re
from pathlib import Path

import pytest

from tests.answers import event
from tests.command import Cli
from tests.dialogue import converse
from tests.scripted_server import Script, ScriptedServer, response, stream_head

# Each drives a terminal, or a library that draws on one: clipboard, link, title, screen, cursor, a question that the
# terminal would answer by typing, C1 controls, order of writing, rubbing out, markup, emoji.
ATTACKS = [
    *("\x1b]52;c;aGk=\x07", "\x1b]8;;http://x\x1b\\L\x1b]8;;\x1b\\", "\x1b]0;title\x07", "\x1b[2J", "\x1b[6n"),
    *("\x1bP$qm\x1b\\", "\x9b31m", "\x90x\x9c", "\x85", "\u202e\u2066\u200f", "\x08\x7f", "\r"),
    *("[bold red]X[/bold red]", "[/nope]", ":smile:", "[link=http://x]L[/link]"),
]
EVIL = "A" + "".join(ATTACKS) + "Z"
NAME = EVIL.replace("/", "|")  # fit for a file
# What the command itself draws with: colours, the spinner's and the bar's moves, the cursor hidden meanwhile.
OWN = re.compile(r"\x1b\[[0-9;]*m|\x1b\[[0-9]*[AKG]|\x1b\[\?25[lh]|\r")
DRIVING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


ANSWER = response(
    json.dumps({"id": EVIL, "model": EVIL, "choices": [{"text": EVIL, "finish_reason": EVIL}]}).encode(),
    headers=["x-request-id: [bold]:smile:[/nope]"],
)
ERROR = json.dumps({"error": {"code": EVIL, "message": EVIL, "param": EVIL}}).encode()
REFUSAL = response(ERROR, "400 [bold]", ["x-request-id: [bold]:smile:[/nope]"])
HEADERS = response(b"{}", "200 OK").replace(b"200 OK\r\n", b"200 \x9b2J[bold]:smile:\r\nx-a: \x9b31m[bold]:smile:\r\n")
CUT = [
    stream_head(),
    b'data: {"choices":[{"text":"A\xc2',
    b'\x9b31m[bold]:smile:"}]}\n\n' + event("\x1b"),
    event("[2J"),
]

CASES: dict[str, tuple[Script, list[str]]] = {
    "text": ([ANSWER], ["complete", "P"]),
    "json": ([ANSWER], ["complete", "P", "-F", "json"]),
    "jsonl": ([ANSWER], ["complete", "P", "-F", "jsonl"]),
    "text cut anywhere": ([stream_head(), *map(event, EVIL), b"data: [DONE]\n\n"], ["stream", "P"]),
    "a control cut in two": ([*CUT, b"data: [DONE]\n\n"], ["stream", "P"]),
    "chunks": ([stream_head(), event(EVIL), b"data: [DONE]\n\n"], ["stream", "P", "-F", "jsonl"]),
    "an error": ([REFUSAL], ["complete", "P"]),
    "an error as json": ([REFUSAL], ["complete", "P", "-F", "json"]),
    "an error in a stream": ([stream_head(), event(EVIL), b"data: " + ERROR + b"\n\n"], ["stream", "P"]),
    "an exchange": ([REFUSAL], ["complete", EVIL, "-vv"]),
    "headers": ([HEADERS], ["complete", "P", "-v"]),
    "a redirect": ([response(b"", "307 X", ["location: http://x/\x9b31m[bold]:smile:"])], ["complete", "P"]),
    "what would be sent": ([ANSWER], ["complete", EVIL, "--dry-run"]),
    "curl": ([ANSWER], ["complete", EVIL, "--curl"]),
    "a profile that is not there": ([ANSWER], ["complete", "P", "-p", EVIL]),
    "a file that is not there": ([ANSWER], ["complete", "-f", NAME]),
    "an endpoint that is none": ([ANSWER], ["complete", "P", "--endpoint", EVIL]),
}


def shown(screen: bytes) -> str:
    """Give what is on the screen, the command's own strokes left out, on one line without a frame."""
    text = OWN.sub("", screen.decode())
    return re.sub(r"[\s│]", "", text)


def is_harmless(screen: bytes) -> bool:
    text = OWN.sub("", screen.decode())
    return not DRIVING.search(text) and "😄" not in text


@pytest.mark.parametrize("name", CASES)
def test_what_a_server_or_the_user_says_does_nothing(name: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    script, args = CASES[name]
    scripted_server.play(script)
    screen = cli.service(scripted_server.url).terminal(*args, "--retries", "0").stdout
    assert is_harmless(screen)
    if name != "chunks":
        assert ":smile:" in shown(screen)
    assert "[bold" in shown(screen)


@pytest.mark.parametrize("path", ["/dev/tty", "/dev/stdout", "/proc/self/fd/1", "/dev/fd/2"])
def test_a_terminal_that_is_named_as_a_file_is_one(path: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    cli.service(scripted_server.url)
    for name in ("text", "json", "jsonl", "text cut anywhere", "a control cut in two", "chunks"):
        script, args = CASES[name]
        scripted_server.play(script)
        screen = converse(cli, [*args, "-o", path]).stdout
        assert is_harmless(screen), name
        assert "[bold" in shown(screen) or name == "chunks"


def test_a_table_on_a_terminal_that_is_named_does_nothing(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    rows, out = tmp_path / "rows.jsonl", str(tmp_path / "out.jsonl")
    rows.write_text(json.dumps({"id": EVIL, "prompt": "x"}) + "\n", encoding="utf-8")
    scripted_server.play([ANSWER])
    assert cli.service(scripted_server.url).run("batch", str(rows), "-o", out).code == 0
    for table in ("csv", "tsv", "jsonl"):
        screen = converse(cli, ["batch", "export", out, "-o", "/dev/tty", "-F", table]).stdout
        assert is_harmless(screen), table
        assert "[bold" in shown(screen)
    assert converse(cli, ["batch", "export", out, "-o", "/dev/tty", "-F", "parquet"]).code == 2


PROFILE = f"""
default_profile = "[bold]:smile:"
[profiles."[bold]:smile:"]
endpoint = "http://h/[bold]:smile:"
auth = "none"
model = {json.dumps(EVIL)}
[profiles."[bold]:smile:".extra]
x = {json.dumps(EVIL)}
"""


@pytest.mark.parametrize(
    "args",
    ["show", "show --json", "show --origin", "list", "list --json", "get model", "get extra", "doctor"],
)
def test_what_a_profile_file_says_does_nothing(args: str, cli: Cli) -> None:
    cli.profile(PROFILE)
    screen = cli.terminal("config", *args.split()).stdout
    assert is_harmless(screen)
    assert "[bold" in shown(screen)
    assert ":smile:" in shown(screen)


@pytest.mark.parametrize(
    "toml",
    [
        f"[profiles.{json.dumps(EVIL)}]\n",
        f"[profiles.p]\n{json.dumps(EVIL)} = 1\n",
        f"default_profile = {json.dumps(EVIL)}\n",
    ],
    ids=["a name", "a key", "a default"],
)
def test_what_is_wrong_in_a_profile_file_does_nothing(toml: str, cli: Cli) -> None:
    cli.profile(toml)
    screen = cli.terminal("config", "list").stdout
    assert is_harmless(screen)
    assert "error" in shown(screen)


def test_the_name_of_a_file_does_nothing(cli: Cli) -> None:
    for args in (("config", "path", "--config", NAME), ("complete", "P", "--config", NAME)):
        screen = cli.terminal(*args).stdout
        assert is_harmless(screen)
        assert "[bold" in shown(screen)


def test_the_bytes_in_a_pipe_are_untouched(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    cli.profile(PROFILE)
    assert cli.service(scripted_server.url).run("complete", "P", "-N").text == EVIL
    assert cli.run("config", "get", "model").text == EVIL + "\n"
    assert cli.run("config", "path", "--config", NAME).text == NAME + "\n"


def test_what_a_batch_tells_does_nothing(cli: Cli, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    rows = tmp_path / f"{NAME[:80]}.jsonl"
    rows.write_text(json.dumps({"id": EVIL, "prompt": "x"}) + '\n{"[bold]:smile:\n', encoding="utf-8")
    cli.service(scripted_server.url)
    for answer, args in (
        (REFUSAL, ["--fail-fast"]),
        (response(ERROR, "401 X"), ["-v"]),
        (ANSWER, ["--template", f"{{{EVIL}}}"]),
        (response(ERROR, "500 X"), ["--retries", "0"]),
    ):
        scripted_server.play([answer])
        screen = cli.terminal("batch", str(rows), "-o", f"{rows}.out", "--overwrite", *args).stdout
        assert is_harmless(screen)
        assert "]52;c;aGk=" in shown(screen)
