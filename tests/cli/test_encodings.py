"""Text is UTF-8, whatever the locale, the code page or Python's own settings say."""

import json
from pathlib import Path

import pytest

from tests.command import Cli
from tests.scripted_server import ScriptedServer, response

NARROW = {
    "cp1252": {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
    "cp437": {"PYTHONIOENCODING": "cp437:strict"},
    "ascii": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    "a locale that is not UTF-8": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
TEXT = "Zürich 東京 🙂"


@pytest.fixture(params=NARROW)
def narrow(request: pytest.FixtureRequest, cli: Cli) -> Cli:
    cli.env.update(NARROW[request.param])
    return cli


def sent(server: ScriptedServer) -> dict[str, object]:
    body: dict[str, object] = json.loads(server.requests[-1].partition(b"\r\n\r\n")[2])
    return body


def test_prompts_options_and_answers(narrow: Cli, scripted_server: ScriptedServer) -> None:
    answer = {"choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}]}
    scripted_server.play([response(json.dumps(answer).encode())] * 2)
    narrow.service(scripted_server.url)
    shown = narrow.run("complete", TEXT, "-m", TEXT, "-x", f"k={TEXT}")
    assert (shown.stdout.decode(), shown.stderr) == (f"{TEXT}\n", "")
    assert {sent(scripted_server)[name] for name in ("prompt", "model", "k")} == {TEXT}
    assert narrow.run("complete", stdin=TEXT.encode()).stdout.decode() == f"{TEXT}\n"
    assert sent(scripted_server)["prompt"] == TEXT


def test_files_errors_and_profiles(narrow: Cli, tmp_path: Path) -> None:
    assert narrow.run("complete", "-p", TEXT).stderr.startswith(f"error: there is no profile {TEXT!r}")
    file = str(tmp_path / f"{TEXT}.toml")
    assert narrow.run("config", "init", "--config", file, "-p", TEXT, "--endpoint", "https://x.example").code == 0
    assert narrow.run("config", "list", "--config", file).text.startswith(f"{TEXT}\thttps://x.example\t")
    assert narrow.run("complete", "-f", f"{file}.none").stderr.startswith(f"error: {file}.none cannot be read")


def test_a_page(narrow: Cli) -> None:
    shown = narrow.run("emulator", "--list-faults")
    assert (shown.code, shown.stderr) == (0, "")
    assert len(shown.stdout.decode().splitlines()) > 100
