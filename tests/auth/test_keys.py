"""Where a key comes from: the order, what is refused, and that a source answers for itself."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend

from completions_cli.auth import keys
from completions_cli.auth.keyring_store import KeyringStore
from completions_cli.errors import ConfigError
from completions_cli.settings.key_sources import KeySource
from tests.auth.keyring_backends import FileKeyring, RaisingKeyring

VARIABLE = KeySource("variable", "COMPLETIONS_API_KEY", "COMPLETIONS_API_KEY")
KEYRING = KeySource("keyring", "p@https://h", "the keyring")
AZURE = KeySource("variable", "AZURE_INFERENCE_CREDENTIAL", "AZURE_INFERENCE_CREDENTIAL")
ENVIRON = {"COMPLETIONS_API_KEY": "from-variable", "AZURE_INFERENCE_CREDENTIAL": "from-azure"}


@pytest.fixture(autouse=True)
def file_backend(tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]) -> None:
    use_keyring(FileKeyring(tmp_path / "keyring.json"))


def test_the_first_source_that_has_a_key_wins_and_later_ones_are_not_asked(tmp_path: Path) -> None:
    store = KeyringStore({})
    store.set("p@https://h", "from-keyring")
    (tmp_path / "keyring.calls").unlink()
    assert keys.find([VARIABLE, KEYRING], ENVIRON, store).reveal() == "from-variable"
    assert not (tmp_path / "keyring.calls").exists()
    assert keys.find([KEYRING, AZURE], ENVIRON, store).reveal() == "from-keyring"
    store.delete("p@https://h")
    assert keys.find([KEYRING, AZURE], ENVIRON, store).reveal() == "from-azure"


def test_a_broken_keyring_is_passed_over_when_another_source_has_a_key(
    tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    use_keyring(RaisingKeyring(tmp_path / "k"))
    assert keys.find([KEYRING, AZURE], ENVIRON, KeyringStore({})).reveal() == "from-azure"
    with pytest.raises(ConfigError, match="no key for p@https://h, and no usable keyring") as caught:
        keys.find([KEYRING], ENVIRON, KeyringStore({}))
    assert "COMPLETIONS_API_KEY_FILE" in str(caught.value.hint)


def test_no_source_is_an_error_that_names_the_variables() -> None:
    with pytest.raises(ConfigError) as caught:
        keys.find([], {}, KeyringStore({}))
    assert "COMPLETIONS_API_KEY or COMPLETIONS_API_KEY_FILE" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "key"),
    [(b"k-1\n", "k-1"), (b"\xef\xbb\xbfk-1\r\n", "k-1"), (b" \tk-1 \n\n", "k-1")],
)
def test_a_key_file_is_stripped(tmp_path: Path, content: bytes, key: str) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    source = KeySource("file", str(path), "COMPLETIONS_API_KEY_FILE")
    assert keys.find([source], {}, KeyringStore({})).reveal() == key


@pytest.mark.parametrize("key", ["", " ", "a b", "a\nb", "a\x1bb", "clé", "a\x00b", "a\x7fb"])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        keys.find([VARIABLE], {"COMPLETIONS_API_KEY": key}, KeyringStore({}))
    assert "COMPLETIONS_API_KEY" in caught.value.message
    assert not key.strip() or key not in caught.value.message


def test_a_key_that_is_not_stored_yet_is_named_with_the_command_that_stores_it() -> None:
    with pytest.raises(ConfigError, match="no key for my p@https://h") as caught:
        keys.find([KeySource("keyring", "my p@https://h", "the keyring")], {}, KeyringStore({}))
    assert "Run: completions config key set -p 'my p';" in str(caught.value.hint)
    with pytest.raises(ConfigError) as caught:
        keys.find([KeySource("keyring", "p@https://h", "the keyring", is_own=False)], {}, KeyringStore({}))
    assert "Run: completions config key set -p p --endpoint https://h;" in str(caught.value.hint)


@pytest.mark.parametrize("content", [b"k" * 40000, b"k" * 1_000_000])
def test_a_key_file_that_is_something_else_is_not_sent_away(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="too long to be one"):
        keys.find([KeySource("file", str(path), "COMPLETIONS_API_KEY_FILE")], {}, KeyringStore({}))


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device that never ends")
def test_a_key_file_that_never_ends_is_given_up() -> None:
    with pytest.raises(ConfigError, match="COMPLETIONS_API_KEY_FILE"):
        keys.find([KeySource("file", "/dev/zero", "COMPLETIONS_API_KEY_FILE")], {}, KeyringStore({}))


def test_a_key_in_place_of_the_name_of_its_file_is_not_shown() -> None:
    key = "sk-Qx7vK2mN8pL4wR9tY6uZ3aB"
    with pytest.raises(ConfigError, match="COMPLETIONS_API_KEY_FILE") as caught:
        keys.find([KeySource("file", key, "COMPLETIONS_API_KEY_FILE")], {}, KeyringStore({}))
    assert key not in caught.value.message


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match="COMPLETIONS_API_KEY_FILE"):
        keys.find([KeySource("file", str(path), "COMPLETIONS_API_KEY_FILE")], {}, KeyringStore({}))
    with pytest.raises(ConfigError, match="cannot be read"):
        keys.find([KeySource("file", str(tmp_path), "COMPLETIONS_API_KEY_FILE")], {}, KeyringStore({}))


def test_the_status_of_a_source_is_told_without_running_a_command(
    tmp_path: Path, use_keyring: Callable[[KeyringBackend], None]
) -> None:
    store, ran = KeyringStore({}), tmp_path / "ran"
    command = KeySource("command", ("touch", str(ran)), "key_command")
    environ = {**ENVIRON, "PATH": os.environ["PATH"]}
    states = [keys.status(source, environ, store).state for source in (VARIABLE, KEYRING, command)]
    assert states == ["present", "absent", "not tried"]
    assert not ran.exists()
    assert keys.status(VARIABLE, {"COMPLETIONS_API_KEY": "a b"}, store).state == "unusable"
    use_keyring(RaisingKeyring(tmp_path / "k"))
    assert keys.status(KEYRING, {}, store).state == "unusable"


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602, 0o601])
def test_a_key_file_that_others_may_use_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("a-key\n")
    path.chmod(mode)
    source = KeySource("file", str(path), "key_file", is_private=True)
    with pytest.raises(ConfigError, match=f"mode {mode:o}") as caught:
        keys.find([source], {}, KeyringStore({}))
    assert caught.value.hint == f"Run: chmod 600 {path}"
    path.chmod(0o600)
    assert keys.find([source], {}, KeyringStore({})).reveal() == "a-key"
