"""An extra is installed by the tool that installed the command."""

import sys

import pytest

from completions_cli.installation import install


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/me/.local/share/pipx/venvs/completions-cli", "pipx install --force 'completions-cli[local]'"),
        ("/home/me/.local/share/uv/tools/completions-cli", "uv tool install 'completions-cli[local]'"),
        ("/home/me/project/.venv", "pip install 'completions-cli[local]'"),
        ("/usr", "pip install 'completions-cli[local]'"),
    ],
)
def test_an_extra_is_installed_as_the_command_was(prefix: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", prefix)
    assert install("local") == command
