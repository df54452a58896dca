"""Files in the working folder are data: none is taken for a part of the program or its settings."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import COMMAND, Cli

# Of the standard library, of our dependencies, and names that Python itself looks for.
MODULES = (
    "json",
    "typing",
    "typer",
    "httpx",
    "keyring",
    "tomllib",
    "completions_cli.main",
    "sitecustomize",
    "readline",
)


@pytest.mark.parametrize("command", [[COMMAND], [sys.executable, "-m", "completions_cli"]])
@pytest.mark.parametrize("words", [["--version"], ["config", "list"], ["complete", "P", "--dry-run"]])
def test_modules_that_lie_there_are_not_run(command: list[str], words: list[str], cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text("raise SystemExit(66)\n", encoding="utf-8")
    (folder / "completions.toml").write_text("no TOML", encoding="utf-8")
    (folder / ".netrc").write_text("machine x login y password z", encoding="utf-8")
    cli.service("https://contoso.example")
    done = subprocess.run([*command, *words], cwd=folder, env=cli.env, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
