"""The profile `local`: a real model, the same path as any endpoint."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from completions_cli.local import engine
from tests.command import Cli
from tests.local_weights import DATA_HOME, weights_path


@pytest.fixture
def local(cli: Cli) -> Cli:
    """Give a command whose data folder holds the weights."""
    weights_path()
    cli.env["XDG_DATA_HOME"] = str(DATA_HOME)
    return cli


def test_a_real_model_completes_a_prompt(local: Cli) -> None:
    result = local.run("complete", "-p", "local", "The capital of France is", "-M", "6", "-t", "0", "-u")
    assert (result.code, "Paris" in result.text) == (0, True)
    assert "prompt_tokens=5 completion_tokens=6 total_tokens=11" in result.stderr


def test_a_prompt_on_stdin_is_streamed(local: Cli) -> None:
    whole = local.run("complete", "-p", "local", "-M", "8", "-t", "0", stdin=b"The capital of France is\n")
    streamed = local.run("stream", "-p", "local", "-M", "8", "-t", "0", stdin=b"The capital of France is\n")
    assert (streamed.code, streamed.stdout) == (0, whole.stdout)


@pytest.mark.parametrize("command", ["complete", "stream"])
def test_every_prompt_of_an_array_is_counted(command: str, local: Cli) -> None:
    prompts = json.dumps(["Once upon a time", "One two three"])
    result = local.run(command, "-p", "local", "--prompt-json", prompts, "-M", "3", "-F", "json", "-t", "0")
    answer = result.json()
    alone = [
        local.run(command, "-p", "local", prompt, "-M", "3", "-F", "json", "-t", "0").json()
        for prompt in json.loads(prompts)
    ]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    for field in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert answer["usage"][field] == sum(one["usage"][field] for one in alone)


@pytest.mark.parametrize("prompt", ['"Hi there"', '["A b c","d e f"]', "[1,2,3]", "[[1,2],[3,4]]"])
def test_the_four_prompt_forms_against_a_server_of_others(prompt: str, cli: Cli) -> None:
    with engine.running(weights_path()) as server:
        cli.service(server.endpoint, key=server.key)
        result = cli.run("complete", "--prompt-json", prompt, "-M", "4", "-F", "jsonl")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert (result.code, [line["index"] for line in lines]) == (0, [0, 1] if prompt.startswith(('["', "[[")) else [0])


def test_a_context_too_small_for_the_prompt_is_explained(local: Cli) -> None:
    result = local.run("complete", "-p", "local", "-M", "1", stdin=b"word " * 20_000)
    assert (result.code, "hint: Shorten the prompt" in result.stderr) == (6, True)


def test_any_gguf_can_be_named(local: Cli) -> None:
    assert local.run("complete", "-p", "local", "--model-path", str(weights_path()), "Hi", "-M", "1").code == 0
    missing = local.run("complete", "-p", "local", "--model-path", "/nonexistent.gguf", "Hi")
    assert (missing.code, "/nonexistent.gguf" in missing.stderr) == (3, True)


def test_the_profile_has_its_own_endpoint(local: Cli) -> None:
    result = local.run("complete", "-p", "local", "--endpoint", "https://x", "Hi")
    assert (result.code, "runs its own endpoint" in result.stderr) == (2, True)


def test_a_profile_of_that_name_may_set_parameters(local: Cli) -> None:
    local.profile("[profiles.local.params]\nmax_tokens = 2\ntemperature = 0\n")
    assert "completion_tokens=2" in local.run("complete", "-p", "local", "Hi", "-u").stderr


def test_a_user_without_a_home_is_told_what_to_set(cli: Cli) -> None:
    """As in a container that runs under a bare number."""
    del cli.env["HOME"], cli.env["XDG_DATA_HOME"]
    nobody = "import pwd; pwd.getpwuid = lambda _: {}['no entry']; from completions_cli.main import main; main()"
    for command in (["local", "status"], ["complete", "-p", "local", "P"]):
        done = subprocess.run(
            [sys.executable, "-c", nobody, *command],
            env=cli.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert (done.returncode, "XDG_DATA_HOME" in done.stderr) == (3, True)


# What Python loads at its start: of a user who may have no more processes.
NO_FORK = """
import _posixsubprocess, errno, os

def refuse(*_):
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

_posixsubprocess.fork_exec = refuse
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_a_limit_on_processes_is_not_a_bug(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(NO_FORK)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    result = cli.run(
        *("complete", "-p", "local", "--model-path", str(tmp_path / "m.gguf"), "P"), env={"PYTHONPATH": str(tmp_path)}
    )
    assert result.code == 2
    assert "the system refuses more resources to this process: Resource temporarily unavailable" in result.stderr
