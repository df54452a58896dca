"""A machine without a keyring: the key of a profile in a file that is its owner's alone."""

import os
import subprocess
import sys

import pytest

from tests.answers import ANSWER
from tests.command import COMMAND, Cli
from tests.dialogue import converse
from tests.scripted_server import ScriptedServer, response

KEY = "file-key-0123456789"
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="modes of files, terminals")


@posix_only
def test_a_key_file_is_made_when_asked_for_used_and_deleted(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    path = cli.profile(f'[profiles.team]\nendpoint = "{scripted_server.url}"  # mine\n')
    stored = cli.run("config", "key", "set", "--to-file", "--stdin", stdin=KEY.encode())
    file = path.with_name("team.key")
    assert (stored.code, str(file) in stored.stderr, KEY in stored.stderr) == (0, True, False)
    assert (file.read_text(), file.stat().st_mode & 0o777) == (f"{KEY}\n", 0o600)
    assert 'key_file = "team.key"' in path.read_text()
    assert "# mine" in path.read_text()
    assert cli.run("complete", "hi").text == "ok\n"
    assert f"api-key: {KEY}".encode() in scripted_server.requests[0]
    status = cli.run("config", "key", "status")
    assert (status.code, "key_file\tpresent" in status.text) == (0, True)
    assert cli.run("config", "key", "delete").code == 0
    assert (file.exists(), "key_file" in path.read_text()) == (False, False)


def test_a_key_file_goes_with_its_profile(cli: Cli) -> None:
    path = cli.profile('[profiles.team]\nendpoint = "https://team.example"\n')
    cli.run("config", "key", "set", "--to-file", "--stdin", stdin=KEY.encode())
    removed = cli.run("config", "remove", "team")
    file = path.with_name("team.key")
    assert (removed.code, file.exists()) == (0, False)
    assert f"deleted the key file {file}" in removed.stderr
    assert "keyring" not in removed.stderr


@pytest.mark.parametrize(
    ("named", "others"),
    [("mine.key", ""), ("team.key", '[profiles.b]\nendpoint = "https://b.example"\nkey_file = "team.key"\n')],
)
def test_a_key_file_that_may_have_other_uses_stays(named: str, others: str, cli: Cli) -> None:
    path = cli.profile(f'[profiles.team]\nendpoint = "https://team.example"\nkey_file = "{named}"\n{others}')
    file = path.with_name(named)
    file.write_text(KEY)
    removed = cli.run("config", "remove", "team")
    assert (removed.code, file.read_text()) == (0, KEY)
    assert f"the key file {file} is still there" in removed.stderr


def test_a_key_file_that_another_profile_uses_is_not_deleted(cli: Cli) -> None:
    both = "".join(f'[profiles.{name}]\nendpoint = "https://{name}.example"\nkey_file = "k"\n' for name in "ab")
    path = cli.profile(both)
    path.with_name("k").write_text(KEY)
    deleted = cli.run("config", "key", "delete", "-p", "a")
    assert (deleted.code, "still the key file of b" in deleted.stderr) == (0, True)
    assert path.with_name("k").read_text() == KEY
    assert path.read_text().count("key_file") == 1


@posix_only
@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_key_file_that_others_can_read_is_refused(mode: int, cli: Cli, scripted_server: ScriptedServer) -> None:
    path = cli.profile(f'[profiles.team]\nendpoint = "{scripted_server.url}"\nkey_file = "k"\n').with_name("k")
    path.write_text(KEY)
    path.chmod(mode)
    result = cli.run("complete", "hi")
    assert (result.code, KEY in result.stderr) == (3, False)
    assert f"hint: Run: chmod 600 {path}" in result.stderr
    assert scripted_server.requests == []
    path.rename(cli.home / "its k")
    cli.profile(f'[profiles.team]\nendpoint = "{scripted_server.url}"\nkey_file = "~/its k"\n')
    command = cli.run("complete", "hi").stderr.partition("Run: ")[2]
    subprocess.run(["/bin/sh", "-c", command], check=True, timeout=10)
    assert (cli.home / "its k").stat().st_mode & 0o777 == 0o600


@posix_only
@pytest.mark.parametrize("kind", ["pipe", "device", "link to a pipe", "standard output"])
def test_a_key_is_stored_in_nothing_but_a_file(kind: str, cli: Cli) -> None:
    path = cli.profile('[profiles.team]\nendpoint = "https://team.example"\n')
    file, pipe = path.with_name("team.key"), path.with_name("pipe")
    os.mkfifo(pipe)
    if kind == "pipe":
        pipe.rename(file)
    else:
        file.symlink_to({"device": "/dev/null", "standard output": "/dev/stdout"}.get(kind, "pipe"))
    result = cli.run("config", "key", "set", "--to-file", "--stdin", stdin=KEY.encode())
    assert (result.code, result.text) == (3, "")
    assert f"the key file {file} is not a regular file" in result.stderr
    assert "key_file" not in path.read_text()


@posix_only
def test_a_file_that_is_open_already_gets_no_key(cli: Cli) -> None:
    """It has its own mode, and the key would be for all who may read it."""
    cli.profile('[profiles.team]\nendpoint = "https://team.example"\nkey_file = "/dev/stdout"\n')
    line = f"printf %s {KEY} | {COMMAND} config key set -p team --to-file --stdin > {cli.home / 'out'}"
    done = subprocess.run(["/bin/sh", "-c", line], env=cli.env, capture_output=True, check=False, timeout=60)
    assert (done.returncode, (cli.home / "out").read_bytes()) == (16, b"")
    assert b"it is not a regular file" in done.stderr


@posix_only
def test_a_key_file_is_not_sent_elsewhere(cli: Cli, scripted_server: ScriptedServer) -> None:
    path = cli.profile('[profiles.team]\nendpoint = "https://elsewhere.example"\nkey_file = "k"\n').with_name("k")
    path.write_text(KEY)
    path.chmod(0o600)
    assert cli.run("complete", "hi", "--endpoint", scripted_server.url).code == 3
    assert scripted_server.requests == []


def test_without_a_keyring_nobody_is_asked_for_a_key(cli: Cli) -> None:
    cli.profile('[profiles.team]\nendpoint = "https://team.example"\n')
    result = cli.run("config", "key", "set", "--stdin", stdin=KEY.encode())
    assert (result.code, "key set -p NAME --to-file" in result.stderr) == (3, True)
    assert "keyring.backends" not in result.stderr


@posix_only
def test_the_wizard_says_that_there_is_no_keyring_before_it_asks_for_the_key(cli: Cli) -> None:
    result = converse(
        cli,
        ["config", "init", "-p", "team"],
        ("Endpoint", b"https://team.example\n"),
        ("[key]: ", b"\n"),
        ("no usable keyring", b""),
        ("team.key (press Enter to do this later): ", KEY.encode() + b"\n"),
    )
    assert (result.code, KEY in result.text) == (0, False)
    assert cli.run("config", "key", "status").code == 0


def test_a_script_is_told_what_comes_next_without_a_keyring(cli: Cli) -> None:
    result = cli.run("config", "init", "-p", "team", "--endpoint", "https://team.example")
    assert "next: completions config key set -p team --to-file, or set COMPLETIONS_API_KEY:" in result.stderr
    assert not list(cli.home.rglob("*.key"))


@posix_only
def test_folders_of_what_is_remembered_are_the_users_own(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b'{"data":[{"id":"m"}]}')])
    line = f"umask 000; {COMMAND} models"
    done = subprocess.run(
        ["/bin/sh", "-c", line], env=cli.service(scripted_server.url).env, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"m\n")
    made = [path for path in cli.home.rglob("*") if ".cache" in path.parts]
    assert any(path.is_file() for path in made)
    assert {path.stat().st_mode & 0o077 for path in made} == {0}


@posix_only
def test_a_umask_of_nothing_opens_nothing(cli: Cli) -> None:
    init = f"{COMMAND} config init -p team --endpoint https://contoso.example --auth key"
    line = f"umask 000; {init}; printf %s {KEY} | {COMMAND} config key set -p team --to-file --stdin"
    done = subprocess.run(["/bin/sh", "-c", line], env=cli.env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = cli.home / "config" / "completions"
    modes = {path.name: path.stat().st_mode & 0o077 for path in (folder.parent, folder, *folder.iterdir())}
    assert {"completions.toml", "team.key"} < set(modes)
    assert set(modes.values()) == {0}
