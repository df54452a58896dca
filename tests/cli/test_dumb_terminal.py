"""TERM=dumb, which screen readers and editors' shells set: nothing is drawn, nothing moves, each message is a line."""

import pytest

from tests.command import Cli, Result
from tests.emulator_process import Start
from tests.scripted_server import ScriptedServer, response

_BOTH = b'{"choices":[{"index":0,"text":"one","finish_reason":"stop"},{"index":1,"text":"two","finish_reason":"stop"}]}'


def dumb(cli: Cli, *args: str) -> Result:
    """Run on a dumb terminal; what moves, draws or colours is an error."""
    result = cli.terminal(*args, env={"TERM": "dumb"})
    assert "\x1b" not in result.text
    assert "\r" not in result.text.replace("\r\n", "")
    assert not [char for char in result.text if "\u2500" <= char <= "\u28ff"], "box drawing, blocks, braille"
    return result


def test_an_answer_that_takes_its_time(cli: Cli, emulator: Start) -> None:
    lines = dumb(cli.service(emulator("--latency", "0.6").url), "complete", "P", "-M", "3").text.splitlines()
    assert len(lines) == 3, "the answer, its figures, and that it was cut off"
    assert "3 tokens" in lines[1]


def test_several_choices(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(_BOTH)])
    shown = dumb(cli.service(scripted_server.url), "complete", "--prompt-json", '["a","b"]', "-q")
    assert shown.text.splitlines() == ["choice 0:", "one", "choice 1:", "two"]


def test_an_error(cli: Cli) -> None:
    lines = dumb(cli, "complete", "P").text.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]


def test_a_batch(cli: Cli, emulator: Start) -> None:
    (cli.home / "rows.txt").write_text("row\n" * 8)
    cli.service(emulator("--latency", "0.3").url)
    lines = dumb(cli, "batch", str(cli.home / "rows.txt"), "-o", str(cli.home / "out")).text.splitlines()
    assert lines[0] == "done: 8 rows; 8 ok, 0 failed"


@pytest.mark.parametrize("args", [("config", "list"), ("config", "show", "blue"), ("config", "doctor"), ("--help",)])
def test_tables_and_pages(args: tuple[str, ...], cli: Cli) -> None:
    cli.profile('default_profile = "blue"\n[profiles.blue]\nendpoint = "http://127.0.0.1:9"\nauth = "none"\n')
    assert len(dumb(cli, *args).text.splitlines()) > 1
