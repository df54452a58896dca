"""The command with a keyring of the tests' own."""

import json
from pathlib import Path

import pytest

from tests.command import Cli

_ROOT = Path(__file__).parents[2]


class KeyringCli(Cli):
    """Runs the command with one of the backends of tests/auth/keyring_backends.py."""

    def __init__(self, home: Path, backend: str = "FileKeyring") -> None:
        super().__init__(home)
        self.file = home / "keyring.json"
        self.env |= {
            "PYTHON_KEYRING_BACKEND": f"tests.auth.keyring_backends.{backend}",
            "PYTHONPATH": str(_ROOT),
            "KEYRING_FILE": str(self.file),
            "COMPLETIONS_NO_KEYRING": "",
        }

    def backend(self, name: str) -> "KeyringCli":
        """Use another backend from now on."""
        self.env["PYTHON_KEYRING_BACKEND"] = f"tests.auth.keyring_backends.{name}"
        return self

    def entries(self) -> dict[str, str]:
        """Give what the keyring holds, by user name."""
        if not self.file.exists():
            return {}
        loaded: dict[str, str] = json.loads(self.file.read_text(encoding="utf-8"))
        return {name.removeprefix("completions-cli "): secret for name, secret in loaded.items()}


@pytest.fixture
def keyring_cli(tmp_path: Path) -> KeyringCli:
    """Give a runner with a keyring in a file, and a fresh home."""
    home = tmp_path / "home"
    home.mkdir()
    return KeyringCli(home)
