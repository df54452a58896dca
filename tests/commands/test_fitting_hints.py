"""A hint names only what the command has that shows it."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import completions_cli
from completions_cli.api import hints
from completions_cli.commands.fitting_hints import fitting
from completions_cli.streams import Running
from tests.command import Cli
from tests.emulator_process import EmulatorProcess

ROOT = Path(completions_cli.__file__).parent
LOWER = [ROOT / "errors.py", *(path for room in ("api", "auth", "transport") for path in (ROOT / room).glob("*.py"))]
OF_BATCH = [*(ROOT / "batch").rglob("*.py"), *(ROOT / "commands" / "batch").glob("r*.py")]
OPTION = re.compile(r"(?<![\w/-])(--[a-z][a-z-]*|-[a-zA-Z]\b)")


def _running(cli: Cli, name: str) -> Running:
    """Return a command with the options that its help shows."""
    lines = re.findall(r"^ +(-\w, )?(--[a-z-]+)", cli.run(name, "--help").stdout.decode(), re.MULTILINE)
    return Running(name, frozenset(word.strip(", ") for line in lines for word in line))


def _hints(paths: list[Path]) -> list[str]:
    calls = [node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.keyword)]
    values = [node.value for node in calls if node.arg == "hint"]
    return [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]


@pytest.mark.parametrize(("name", "paths"), [("complete", LOWER), ("batch", OF_BATCH)])
def test_what_a_command_has_is_left_as_it_is(name: str, paths: list[Path], cli: Cli) -> None:
    running, found = _running(cli, name), _hints(paths)
    assert len(found) > 10
    assert {hint: fitting(hint, running) for hint in found} == {hint: hint for hint in found}


@pytest.mark.parametrize("name", ["score", "models", "batch", "stream"])
def test_what_it_lacks_is_left_out(name: str, cli: Cli) -> None:
    running = _running(cli, name)
    for hint in [*_hints(LOWER), hints._SHORTEN, hints._TOO_LONG, hints.NAME_A_MODEL]:
        said = re.sub(r"`.*?`|completions .*", "", fitting(hint, running) or "")
        assert set(OPTION.findall(said)) <= running.options, hint


SAID = {
    ("score", "Shorten it. A lower -M helps, too: both share the context."): "Shorten it.",
    ("batch", "Change or leave out n; --dry-run shows what is sent."): "Change or leave out n.",
    ("models", "Name one with -m MODEL; `completions models` lists them."): None,
    ("models", "Send it to a file or a pipe; -o FILE writes one."): "Send it to a file or a pipe.",
    ("stream", "Raise --timeout. `stream` prints text as it comes."): "Raise --timeout.",
    (
        "complete",
        "Raise --timeout. `stream` prints text as it comes.",
    ): "Raise --timeout. `stream` prints text as it comes.",
    ("score", "It failed. Run: az ml get-logs -n NAME --name X; or try another."): (
        "It failed. Run: az ml get-logs -n NAME --name X; or try another."
    ),
    ("models", "Store it with `completions config key set -p x --stdin`."): (
        "Store it with `completions config key set -p x --stdin`."
    ),
}


@pytest.mark.parametrize(("name", "hint"), SAID)
def test_clauses_are_left_out(name: str, hint: str, cli: Cli) -> None:
    assert fitting(hint, _running(cli, name)) == SAID[name, hint]


def test_a_text_that_is_too_long_to_score_is_to_be_shortened(
    cli: Cli, emulator: Callable[..., EmulatorProcess]
) -> None:
    service = cli.service(emulator("--fault", "400-too-long").url)
    for args in (("score", "a", "-c", " b"), ("score", "a text")):
        result = service.run(*args)
        assert result.code == 6
        assert result.stderr.endswith("hint: Shorten the prompt.\n")
    assert "-M" in service.run("complete", "a").stderr
