"""The page about the emulator: each error it promises comes, by the command that it gives."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from completions_cli.emulator.fault_spec import parse_spec
from completions_cli.emulator.faults.catalogue import catalogue
from tests.command import Cli
from tests.emulator_process import EmulatorProcess

PAGE = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w-]+)` \| (.+) \| (\d+) \|$", PAGE, re.MULTILINE)


@pytest.mark.parametrize(("kind", "error", "code"), ROWS)
def test_each_error_is_provoked_by_the_command_given(
    shared: Callable[..., EmulatorProcess], cli: Cli, kind: str, error: str, code: str
) -> None:
    cli.service(shared().url)
    command = "stream" if "completions stream" in error else "complete"
    options = ["--timeout", "1"] if "--timeout 1" in error else []
    done = cli.run(command, "hi", "-H", f"x-emulator-fault: {kind}", "--retries", "0", *options)
    assert done.code == int(code)
    assert done.stderr.startswith("error: ")


def test_the_table_has_the_errors_of_the_reference() -> None:
    named = " ".join(error for _, error, _ in ROWS)
    for name in ("Unauthorized", "NotFound", "UnprocessableContent", "TooManyRequests", "ContentFilter"):
        assert f"{name}Error" in named
    assert {code for _, _, code in ROWS} == {str(number) for number in range(4, 13)}


def test_every_fault_on_the_page_exists() -> None:
    asked = re.findall(r"--fault ([\w.=:-]+)", PAGE) + re.findall(r"x-emulator-fault: ([\w.=:-]+)", PAGE)
    kinds = [parse_spec(text).kind for text in asked if text != "KIND"]
    assert len(kinds) > 5
    assert set(kinds) | {kind for kind, _, _ in ROWS} <= set(catalogue())
