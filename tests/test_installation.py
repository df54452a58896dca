"""An extra is installed by the tool that installed the command."""

import sys
from importlib import metadata
from pathlib import Path

import pytest

from completions_cli.installation import install


class _Recorded:
    """A distribution with a record of where it came from, as pip writes it."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    def read_text(self, name: str) -> str | None:
        """Return the record."""
        assert name == "direct_url.json"
        return self._text


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
    monkeypatch.setattr(metadata, "distribution", lambda _: _Recorded("{}"))
    assert install("local") == command


@pytest.mark.parametrize("kind", ['"dir_info": {}', '"dir_info": {"editable": true}', '"archive_info": {}'])
def test_a_copy_from_a_checkout_gets_its_extras_from_there(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a checkout"
    place.mkdir()
    recorded = _Recorded(f'{{"url": "{place.as_uri()}", {kind}}}')
    monkeypatch.setattr(metadata, "distribution", lambda _: recorded)
    assert install("local") == f"pip install '{place}[local]'"
    place.rmdir()
    assert install("local") == "pip install 'completions-cli[local]'"


@pytest.mark.parametrize("text", ['{"url": "https://x.example/y.git", "vcs_info": {}}', "[]", "{", None])
def test_a_record_that_names_no_place_here_is_left_alone(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda _: _Recorded(text))
    assert install("local") == "pip install 'completions-cli[local]'"
