"""A pipe that nobody writes to, where a file should be, keeps no command waiting."""

import os
import subprocess
from pathlib import Path

import pytest
import trustme

from completions_cli import opening
from completions_cli.auth import keys
from completions_cli.auth.keyring_store import KeyringStore
from completions_cli.errors import ConfigError
from completions_cli.settings.key_sources import KeySource
from tests.answers import ANSWER
from tests.command import COMMAND, Cli
from tests.scripted_server import ScriptedServer
from tests.tls import tls_server, write_authority

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")


def pipe(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path, 0o600)
    return path


def test_a_key_file_that_is_a_pipe_is_refused(cli: Cli) -> None:
    pipe(cli.profile('[profiles.p]\nendpoint = "http://127.0.0.1:9"\nkey_file = "k"\n').with_name("k"))
    for command in (["complete", "P"], ["config", "doctor"], ["config", "key", "status"]):
        done = cli.run(*command)
        assert "is not a regular file" in done.stderr + done.text, command
    assert cli.run("complete", "P").code == 3


def test_a_pipe_in_the_default_place_of_profiles_is_refused(cli: Cli) -> None:
    pipe(cli.home / "config" / "completions" / "completions.toml")
    for command in (["complete", "P"], ["config", "list"], ["config", "set", "timeout", "5"], ["config", "edit"]):
        done = cli.run(*command)
        assert done.code == 3, command
        assert "is not a regular file" in done.stderr


@pytest.mark.parametrize("variable", ["XDG_CONFIG_HOME", "COMPLETIONS_CONFIG"])
@pytest.mark.parametrize("typed", ["stream -p l", "stream -m x"])
def test_the_tab_key_waits_for_no_writer(variable: str, typed: str, cli: Cli) -> None:
    named = pipe(cli.home / "config" / "completions" / "completions.toml")
    cli.env[variable] = str(named if variable == "COMPLETIONS_CONFIG" else named.parent.parent)
    asked = {
        "_COMPLETIONS_COMPLETE": "complete_bash",
        "COMP_WORDS": f"completions {typed}",
        "COMP_CWORD": "3",
    }
    done = cli.run(env=asked)
    assert (done.text.split(), done.stderr) == (["local"] if "-p" in typed else [], "")


def test_a_key_may_come_from_a_process_substitution(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    cli.service(scripted_server.url)
    del cli.env["COMPLETIONS_API_KEY"]
    line = f"COMPLETIONS_API_KEY_FILE=<(echo a-key-of-20-letters) '{COMMAND}' complete P"
    done = subprocess.run(["/bin/bash", "-c", line], env=cli.env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"ok\n"), done.stderr


def test_certificates_may_come_from_a_process_substitution(cli: Cli, tmp_path: Path) -> None:
    authority = trustme.CA()
    ca = write_authority(authority, tmp_path)
    ca.write_bytes("# Autoridad Raíz\n".encode() + ca.read_bytes())
    with tls_server(authority.issue_cert("127.0.0.1")) as server:
        cli.service(f"https://127.0.0.1:{server.port}")
        line = f"'{COMMAND}' complete P --ca-bundle <(cat '{ca}')"
        done = subprocess.run(["/bin/bash", "-c", line], env=cli.env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, b"secure\n"), done.stderr


def test_profiles_may_come_from_a_process_substitution(cli: Cli) -> None:
    line = f"'{COMMAND}' config list --config <(echo '[profiles.piped]')"
    done = subprocess.run(["/bin/bash", "-c", line], env=cli.env, capture_output=True, timeout=60, check=False)
    assert (done.returncode, b"piped" in done.stdout) == (0, True), done.stderr


def test_a_pipe_with_a_key_that_never_comes_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "STREAM_SECONDS", 0.1)
    path = pipe(tmp_path / "key")
    with pytest.raises(ConfigError, match="did not end within"):
        keys.find([KeySource("file", str(path), "COMPLETIONS_API_KEY_FILE")], {}, KeyringStore({}))
    path.open("wb").close()  # the reader is let go
