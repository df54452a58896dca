"""Clients that others wrote, each in an installation of its own, against each behaviour of the emulator."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.emulator_process import Start
from tests.peers.programs import program

_SCRIPTS = Path(__file__).parent / "clients"
# What reaches out for lists of prices and models does without.
_OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
_OURS = ""  # the installation that the tests run in

_CLIENTS = {
    "openai 3": (_OURS, "openai_package.py"),
    "openai 2": ("openai2", "openai_package.py"),
    "langchain-openai": ("langchain", "langchain_openai_package.py"),
    "llama-index": ("llama-index", "llama_index_package.py"),
    "litellm": ("litellm", "litellm_package.py"),
}
_ROUTES = {"reference": "", "managed": "/v1", "foundry": "/openai/v1"}
# langchain asks for an array of one prompt, which managed endpoints refuse; litellm names no api-version.
_NOT_THERE = {("langchain-openai", "managed"), ("litellm", "reference")}


def _run(client: str, url: str) -> dict[str, Any]:
    package, script = _CLIENTS[client]
    python = program(package, "python") if package else sys.executable
    command = [python, str(_SCRIPTS / script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=110, env=_OFFLINE)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize(
    ("client", "behaviour"),
    [(client, behaviour) for client in _CLIENTS for behaviour in _ROUTES if (client, behaviour) not in _NOT_THERE],
)
def test_it_works_as_it_is(client: str, behaviour: str, emulator: Start) -> None:
    with emulator("--behaviour", behaviour) as server:
        got = _run(client, server.url + _ROUTES[behaviour])
    assert len(got["texts"]) > 1
    assert len(set(got["texts"])) == 1, "streamed or not, the text of one seed is one"
    assert got["texts"][0].startswith(" Hello")
    assert got["refused"]


def test_langchain_asks_a_managed_endpoint_for_an_array_which_it_refuses(emulator: Start) -> None:
    with emulator("--behaviour", "managed") as server, pytest.raises(AssertionError, match="422"):
        _run("langchain-openai", f"{server.url}/v1")
    assert json.loads(server.log()[-1]["body"])["prompt"] == ["Hello"]
