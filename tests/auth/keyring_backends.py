"""Keyring backends for tests, each a real one of the keyring library: loaded by PYTHON_KEYRING_BACKEND."""

import json
import os
import threading
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):
    """Keeps secrets in the file named by KEYRING_FILE, and the names of all calls in KEYRING_FILE.calls."""

    priority = 1

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # the library's constructor
        self._path = path or Path(os.environ.get("KEYRING_FILE", os.devnull))

    def get_password(self, service: str, username: str) -> str | None:
        self._note("get", username)
        return self._load().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._note("set", username)
        if len(password.encode("utf-16-le")) > 2560:
            raise OSError(1783, "The stub received bad data")
        self._path.write_text(json.dumps({**self._load(), f"{service} {username}": password}), encoding="utf-8")

    def delete_password(self, service: str, username: str) -> None:
        self._note("delete", username)
        entries = self._load()
        if entries.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError(username)
        self._path.write_text(json.dumps(entries), encoding="utf-8")

    def _load(self) -> dict[str, str]:
        if not self._path.exists():
            return {}
        loaded: dict[str, str] = json.loads(self._path.read_text(encoding="utf-8"))
        return loaded

    def _note(self, call: str, username: str) -> None:
        with self._path.with_suffix(".calls").open("a", encoding="utf-8") as file:
            file.write(f"{call} {username}\n")


class PlaintextKeyring(FileKeyring):
    """What must never be used, going by its name."""


class HangingKeyring(FileKeyring):
    """Waits for ever for someone to unlock it."""

    def get_password(self, service: str, username: str) -> str | None:
        threading.Event().wait()
        return None

    def set_password(self, service: str, username: str, password: str) -> None:
        threading.Event().wait()

    def delete_password(self, service: str, username: str) -> None:
        threading.Event().wait()


class RaisingKeyring(FileKeyring):
    """Fails at everything, quoting what it was given."""

    def get_password(self, service: str, username: str) -> str | None:
        raise RuntimeError(f"cannot read {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise ValueError(f"cannot store {password}")

    def delete_password(self, service: str, username: str) -> None:
        raise SystemExit(f"cannot delete {username}")
