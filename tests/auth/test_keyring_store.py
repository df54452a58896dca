"""Secrets in real backends of the keyring library: a file, none, one that hangs, one that raises, a Secret Service."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null

from completions_cli.auth.keyring_store import KeyringStore, NoKeyringError
from tests.auth.keyring_backends import FileKeyring, HangingKeyring, PlaintextKeyring, RaisingKeyring

USER = "foundry@https://example.net"


@pytest.fixture
def file_backend(tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]) -> FileKeyring:
    backend = FileKeyring(tmp_path / "keyring.json")
    use_keyring(backend)
    return backend


def entries(tmp_path: Path) -> dict[str, str]:
    loaded: dict[str, str] = json.loads((tmp_path / "keyring.json").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.usefixtures("file_backend")
def test_a_secret_is_stored_read_and_deleted_under_the_service_name(tmp_path: Path) -> None:
    store = KeyringStore({})
    assert store.get(USER) is None
    store.set(USER, "k-1")
    assert entries(tmp_path) == {f"completions-cli {USER}": "k-1"}
    assert store.get(USER) == "k-1"
    assert store.delete(USER)
    assert not store.delete(USER)
    assert entries(tmp_path) == {}


@pytest.mark.usefixtures("file_backend")
def test_a_secret_too_long_for_windows_is_kept_in_parts(tmp_path: Path) -> None:
    store, token = KeyringStore({}), "ab" * 2500
    store.set(USER, token)
    assert store.get(USER) == token
    assert len(entries(tmp_path)) == 6
    store.set(USER, "c" * 1300)
    assert store.get(USER) == "c" * 1300
    assert len(entries(tmp_path)) == 3  # parts no longer used are gone
    store.set(USER, "short")
    assert entries(tmp_path) == {f"completions-cli {USER}": "short"}
    store.set(USER, token)
    assert store.delete(USER)
    assert entries(tmp_path) == {}


def test_parts_of_two_writers_are_no_secret(tmp_path: Path, file_backend: FileKeyring) -> None:
    store = KeyringStore({})
    store.set(USER, "a" * 3000)
    file_backend.set_password("completions-cli", f"{USER}#2", "b" * 1200)
    assert store.get(USER) is None
    file_backend.delete_password("completions-cli", f"{USER}#2")
    assert store.get(USER) is None
    assert store.delete(USER)
    assert entries(tmp_path) == {}


@given(secret=st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=4000))
def test_any_secret_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, secret: str) -> None:
    keyring.set_keyring(FileKeyring(tmp_path_factory.mktemp("k") / "keyring.json"))
    store = KeyringStore({})
    store.set(USER, secret)
    assert store.get(USER) == secret


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring(), chainer.ChainerBackend()])
def test_backends_that_keep_nothing_are_no_keyring(
    use_keyring: Callable[[KeyringBackend], None], backend: KeyringBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(backend, chainer.ChainerBackend):
        monkeypatch.setattr(chainer.ChainerBackend, "backends", [])  # as on a machine without any
    use_keyring(backend)
    with pytest.raises(NoKeyringError, match="there is none on this machine") as caught:
        KeyringStore({}).set(USER, "k")
    assert "COMPLETIONS_API_KEY to the key" in str(caught.value.hint)
    assert "COMPLETIONS_API_KEY_FILE" in str(caught.value.hint)


class HomeMadeKeyring(PlaintextKeyring):
    """Goes by another name than what it is made of."""


@pytest.mark.parametrize("kind", [PlaintextKeyring, HomeMadeKeyring])
def test_plain_text_is_refused_also_at_the_head_of_a_chain(
    kind: type[FileKeyring],
    tmp_path: Path,
    use_keyring: Callable[[KeyringBackend], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, safe = kind(tmp_path / "plain.json"), FileKeyring(tmp_path / "keyring.json")
    use_keyring(plain)
    with pytest.raises(NoKeyringError):
        KeyringStore({}).set(USER, "k")
    monkeypatch.setattr(chainer.ChainerBackend, "backends", [plain, safe])
    use_keyring(chainer.ChainerBackend())
    KeyringStore({}).set(USER, "k")
    assert entries(tmp_path)
    assert not (tmp_path / "plain.json").exists()


class HomeMadeChain(chainer.ChainerBackend):
    """A chain of the user's own."""


@pytest.mark.parametrize("wrapped", [tuple, list, iter])
def test_a_chain_under_another_name_is_searched_like_one(
    wrapped: Callable[[list[KeyringBackend]], object],
    tmp_path: Path,
    use_keyring: Callable[[KeyringBackend], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(HomeMadeChain, "backends", wrapped([PlaintextKeyring(tmp_path / "plain.json")]))
    use_keyring(HomeMadeChain())  # type: ignore[no-untyped-call] # the library's constructor
    with pytest.raises(NoKeyringError):
        KeyringStore({}).set(USER, "k")
    assert not (tmp_path / "plain.json").exists()


def test_a_backend_that_raises_anything_is_no_keyring_and_its_words_stay_unsaid(
    tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    class Stores(RaisingKeyring):
        def get_password(self, service: str, username: str) -> str | None:
            return "old"

    use_keyring(RaisingKeyring(tmp_path / "k"))
    with pytest.raises(NoKeyringError, match="failed with RuntimeError"):
        KeyringStore({}).get(USER)
    use_keyring(Stores(tmp_path / "k"))
    with pytest.raises(NoKeyringError, match="failed with ValueError") as caught:
        KeyringStore({}).set(USER, "canary")
    assert "canary" not in caught.value.message
    with pytest.raises(NoKeyringError, match="failed with SystemExit"):
        KeyringStore({}).delete(USER)


def test_a_backend_that_hangs_is_given_up_once_and_for_all(
    tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    use_keyring(HangingKeyring(tmp_path / "k"))
    store = KeyringStore({}, timeout=0.05)
    with pytest.raises(NoKeyringError, match=r"did not answer within 0\.05 s"):
        store.get(USER)
    use_keyring(FileKeyring(tmp_path / "k"))
    with pytest.raises(NoKeyringError, match="did not answer"):
        store.get(USER)


@pytest.mark.usefixtures("file_backend")
def test_the_variable_keeps_the_keyring_out(tmp_path: Path) -> None:
    with pytest.raises(NoKeyringError, match="COMPLETIONS_NO_KEYRING"):
        KeyringStore({"COMPLETIONS_NO_KEYRING": "1"}).get(USER)
    assert not (tmp_path / "keyring.calls").exists()
    assert KeyringStore({"COMPLETIONS_NO_KEYRING": "0"}).get(USER) is None


_ROUND_TRIP = """
from completions_cli.auth.keyring_store import KeyringStore
store = KeyringStore({}, timeout=20)
store.set("p@https://h", "x" * 3000)
assert store.get("p@https://h") == "x" * 3000
print(store.backend())
assert store.delete("p@https://h")
assert store.get("p@https://h") is None
"""


def in_a_desktop_session(daemon: str, code: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run Python code beside gnome-keyring over D-Bus, as on a Linux desktop, in a session and a home of its own."""
    session = shutil.which("dbus-run-session")
    if session is None or shutil.which("gnome-keyring-daemon") is None:
        pytest.skip("needs dbus-run-session and gnome-keyring-daemon (Debian packages dbus, gnome-keyring)")
    script = f'{daemon} --components=secrets >/dev/null && exec "$0" -c "$1"'
    environ = {
        "HOME": str(home),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "XDG_RUNTIME_DIR": str(home),
        "XDG_DATA_HOME": str(home),
        "PYTHONPATH": str(Path.cwd()),
    }
    return subprocess.run(
        [session, "--", "sh", "-c", script, sys.executable, code],
        env=environ,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_secret_service_keeps_secrets(tmp_path: Path) -> None:
    done = in_a_desktop_session("printf test | gnome-keyring-daemon --unlock", _ROUND_TRIP, tmp_path)
    assert done.stdout == "keyring.backends.SecretService.Keyring\n", done.stderr


def test_a_secret_service_that_nobody_can_unlock_is_no_keyring(tmp_path: Path) -> None:
    code = (
        f"import os\ntry:\n exec({_ROUND_TRIP!r})\nexcept Exception as error:\n print(error, flush=True)\nos._exit(0)"
    )
    done = in_a_desktop_session("gnome-keyring-daemon --start", code, tmp_path)
    assert done.stdout.startswith("no usable keyring: "), done.stderr


def test_a_machine_without_a_message_bus_has_no_keyring(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ROUND_TRIP],
        env={"HOME": str(tmp_path), "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nonexistent", "PATH": "/usr/bin:/bin"},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "NoKeyringError: no usable keyring" in done.stderr.splitlines()[-1]
