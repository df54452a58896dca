"""Keys from `config key set` to the request: stored for an origin, found by calls to that origin alone."""

import sys
import time
from collections.abc import Callable

import pytest

from tests.command import Cli
from tests.commands.conftest import KeyringCli
from tests.dialogue import converse
from tests.emulator_process import EmulatorProcess

KEY = "key-0123456789abcdef"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@pytest.fixture
def service(emulator: Callable[..., EmulatorProcess], keyring_cli: KeyringCli) -> EmulatorProcess:
    started = emulator("--key", KEY)
    keyring_cli.profile(f'default_profile = "p"\n[profiles.p]\nendpoint = "{started.url}"\n')
    return started


def entry(service: EmulatorProcess, profile: str = "p") -> str:
    return f"{profile}@{service.url}"


def test_a_stored_key_is_used_and_deleted(keyring_cli: KeyringCli, service: EmulatorProcess) -> None:
    cli = keyring_cli
    assert cli.run("complete", "hi").code == 3
    result = cli.run("config", "key", "set", "--stdin", stdin=f"  {KEY}\r\n".encode())
    assert (result.code, result.stdout) == (0, b"")
    assert cli.entries() == {entry(service): KEY}
    assert entry(service) in result.stderr
    assert "FileKeyring" in result.stderr
    assert cli.run("complete", "hi").code == 0
    assert cli.run("config", "key", "status").text == "the keyring\tpresent\t\n"
    assert cli.run("config", "key", "delete").code == 0
    assert cli.entries() == {}
    assert cli.run("config", "key", "delete").code == 3


@posix_only
def test_a_key_can_be_typed_unseen(keyring_cli: KeyringCli, service: EmulatorProcess) -> None:
    prompt = f"Key for {entry(service)}: "
    result = converse(keyring_cli, ["config", "key", "set"], (prompt, KEY.encode() + b"\n"))
    assert result.code == 0
    assert KEY not in result.text
    assert keyring_cli.entries() == {entry(service): KEY}
    assert converse(keyring_cli, ["config", "key", "set"], (prompt, b"\x03")).code == 130


@posix_only
def test_a_new_user_comes_from_nothing_to_a_completion(
    keyring_cli: KeyringCli, emulator: Callable[..., EmulatorProcess]
) -> None:
    started = emulator("--key", KEY)
    turns = (
        ("[foundry]: ", b"\n"),
        ("Endpoint", started.url.encode() + b"\n"),
        ("[none]: ", b"key\n"),
        ("(press Enter to do this later): ", KEY.encode() + b"\n"),
    )
    assert converse(keyring_cli, ["config", "init"], *turns).code == 0
    assert keyring_cli.run("complete", "Once upon a time").code == 0


@pytest.mark.usefixtures("service")
def test_without_a_terminal_the_key_must_come_from_stdin(keyring_cli: KeyringCli) -> None:
    result = keyring_cli.run("config", "key", "set", stdin=KEY.encode())
    assert result.code == 2
    assert "--stdin" in result.stderr
    assert keyring_cli.entries() == {}


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("key", [b"", b" \n", b"two words", b"a\nb", b"caf\xc3\xa9", b"\xff", b"a\x1bb"])
def test_what_cannot_be_a_key_is_not_stored(keyring_cli: KeyringCli, key: bytes) -> None:
    result = keyring_cli.run("config", "key", "set", "--stdin", stdin=key)
    assert result.code in (2, 3)
    assert "stdin" in result.stderr
    assert keyring_cli.entries() == {}


def test_a_key_goes_to_the_origin_it_was_stored_for_and_to_no_other(
    keyring_cli: KeyringCli, service: EmulatorProcess, emulator: Callable[..., EmulatorProcess]
) -> None:
    keyring_cli.run("config", "key", "set", "--stdin", stdin=KEY.encode())
    other = emulator()
    result = keyring_cli.run("complete", "hi", "--endpoint", other.url)
    assert result.code == 3
    assert other.log() == []
    assert keyring_cli.run("complete", "hi", "--endpoint", service.url + "/completions").code == 0
    assert f"hint: Run: completions config key set -p p --endpoint {other.url};" in result.stderr
    remedy = ("config", "key", "set", "-p", "p", "--endpoint", other.url)
    assert keyring_cli.run(*remedy, "--stdin", stdin=b"another-key").code == 0
    assert keyring_cli.entries() == {entry(service): KEY, f"p@{other.url}": "another-key"}
    assert keyring_cli.run("complete", "hi", "-p", "p", "--endpoint", other.url).code == 0


@pytest.mark.usefixtures("service")
def test_a_variable_that_is_used_instead_of_the_stored_key_is_named(keyring_cli: KeyringCli) -> None:
    result = keyring_cli.run("config", "key", "set", "--stdin", stdin=KEY.encode(), env={"COMPLETIONS_API_KEY": "x"})
    assert (result.code, "note: COMPLETIONS_API_KEY is set" in result.stderr) == (0, True)


@pytest.mark.usefixtures("service")
def test_removing_a_profile_removes_its_key(keyring_cli: KeyringCli) -> None:
    keyring_cli.run("config", "key", "set", "--stdin", stdin=KEY.encode())
    assert keyring_cli.run("config", "remove", "p").code == 0
    assert keyring_cli.entries() == {}


def test_a_key_is_not_stored_for_unencrypted_http(keyring_cli: KeyringCli) -> None:
    keyring_cli.profile('[profiles.p]\nendpoint = "http://example.net"\n')
    result = keyring_cli.run("config", "key", "set", "-p", "p", "--stdin", stdin=KEY.encode())
    assert result.code == 3
    assert "unencrypted http" in result.stderr


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize("backend", ["PlaintextKeyring", "RaisingKeyring"])
def test_a_keyring_that_cannot_be_used_is_exit_3_and_names_the_variables(keyring_cli: KeyringCli, backend: str) -> None:
    commands = (["key", "set", "--stdin"], ["key", "delete"], ["key", "status"], ["doctor"])
    for args in (["complete", "hi"], *(["config", *command] for command in commands)):
        result = keyring_cli.backend(backend).run(*args, stdin=KEY.encode())
        assert result.code == 3
        assert "no usable keyring" in result.stderr
        assert "COMPLETIONS_API_KEY_FILE" in result.stderr
        assert "key set -p" not in result.stderr.replace("--to-file", "") or "--to-file" in result.stderr
        assert KEY not in result.stderr


@pytest.mark.usefixtures("service")
def test_a_profile_that_is_removed_without_its_key_says_so(keyring_cli: KeyringCli) -> None:
    result = keyring_cli.backend("RaisingKeyring").run("config", "remove", "p")
    assert result.code == 0
    assert "a key for p@http" in result.stderr
    assert "no usable keyring" in result.stderr


@pytest.mark.parametrize(
    "says", ['auth = "none"', 'key_command = ["x"]', 'key_file = "x"', 'headers = { api-key = "x" }']
)
def test_a_profile_that_had_no_key_in_the_keyring_is_removed_without_a_word_on_it(
    keyring_cli: KeyringCli, says: str
) -> None:
    keyring_cli.profile(f'[profiles.p]\nendpoint = "https://p.example"\n{says}\n')
    result = keyring_cli.backend("RaisingKeyring").run("config", "remove", "p")
    assert (result.code, "keyring" in result.stderr) == (0, False)


@pytest.mark.usefixtures("service")
def test_a_keyring_that_hangs_costs_three_seconds(keyring_cli: KeyringCli) -> None:
    started = time.monotonic()
    result = keyring_cli.backend("HangingKeyring").run("complete", "hi")
    assert result.code == 3
    assert "did not answer within 3 s" in result.stderr
    assert 3 <= time.monotonic() - started < 30
    key = {"COMPLETIONS_API_KEY": KEY}
    assert keyring_cli.run("complete", "hi", env=key).code == 0  # not asked at all


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
def test_a_key_command_serves_its_own_endpoint(
    keyring_cli: KeyringCli, service: EmulatorProcess, emulator: Callable[..., EmulatorProcess]
) -> None:
    command = f'key_command = ["sh", "-c", "echo {KEY}; echo more"]'
    keyring_cli.profile(f'default_profile = "p"\n[profiles.p]\nendpoint = "{service.url}"\n{command}\n')
    assert keyring_cli.run("complete", "hi").code == 0
    other = emulator()
    assert keyring_cli.run("complete", "hi", "--endpoint", other.url).code == 3
    assert other.log() == []
    assert keyring_cli.run("config", "key", "status").text.startswith("key_command\tnot tried\t")


@pytest.mark.skipif(sys.platform == "win32", reason="there, its folder decides")
def test_a_profile_file_that_anybody_may_change_is_warned_of(cli: Cli) -> None:
    file = cli.profile('[profiles.p]\nendpoint = "https://x.example"\nauth = "none"\n')
    for mode, is_told in ((0o600, False), (0o664, False), (0o666, True)):
        file.chmod(mode)
        for words in (("complete", "P", "--dry-run"), ("config", "list")):
            assert (f"run: chmod 600 {file}" in cli.run(*words).stderr) is is_told
