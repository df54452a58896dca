"""The public names of the package: what they are to a type checker, what they cost, and that their examples run."""

import asyncio
import doctest
import json
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType
from typing import assert_type

import pytest

import completions_cli
from completions_cli import AsyncClient, Client, Completion, Delta, Usage
from completions_cli.client import asynchronous, sync
from tests.answers import ANSWER
from tests.emulator_process import EmulatorProcess
from tests.scripted_server import ScriptedServer

_MODULES = "import sys, json, completions_cli; {}; print(json.dumps(sorted(sys.modules)))"
KEY = "canary-0123456789"


@pytest.mark.parametrize("module", [completions_cli, sync, asynchronous])
def test_the_examples_run(module: ModuleType, emulator: Callable[..., EmulatorProcess]) -> None:
    with Client(emulator("--key", KEY).url, api_key=KEY) as client:
        names = {**vars(completions_cli), "Client": Client, "AsyncClient": AsyncClient, "asyncio": asyncio}
        names |= {"endpoint": client._origin, "key": KEY, "client": client}
        done = doctest.testmod(module, extraglobs=names)
    assert done.failed == 0
    assert done.attempted > 1


def test_types_are_what_they_are_said_to_be(scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    with Client(scripted_server.url, api_key=KEY) as client:
        assert_type(client, Client)
        completion = client.complete("P", temperature=0.5, stop=["a"])
        assert_type(completion, Completion)
        assert_type(completion.text, str)
        assert_type(completion.usage, Usage | None)
        for delta in client.stream("P"):
            assert_type(delta, Delta)

    async def main() -> Completion:
        async with AsyncClient(scripted_server.url, api_key=KEY) as client:
            async for delta in client.stream("P"):
                assert_type(delta, Delta)
            return assert_type(await client.complete("P"), Completion)

    assert asyncio.run(main()).text == completion.text == "ok"


def test_every_public_name_is_there() -> None:
    assert all(getattr(completions_cli, name) for name in completions_cli.__all__)
    assert set(completions_cli.__all__) <= set(dir(completions_cli))
    with pytest.raises(AttributeError, match="has no attribute 'client_'"):
        _ = completions_cli.client_


@pytest.mark.parametrize(
    ("line", "unwanted"),
    [
        ("pass", {"typing", "httpx", "completions_cli.errors", "completions_cli.client"}),
        (
            "completions_cli.Client('https://x', api_key='k')",
            {"typer", "click", "rich", "keyring", "pyreqwest", "asyncio"},
        ),
        ("completions_cli.AsyncClient('https://x', api_key='k')", {"typer", "click", "rich", "keyring"}),
    ],
)
def test_a_program_loads_no_command_line(line: str, unwanted: set[str]) -> None:
    done = subprocess.run([sys.executable, "-c", _MODULES.format(line)], capture_output=True, timeout=60, check=True)
    assert not unwanted & set(json.loads(done.stdout))
