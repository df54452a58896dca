"""What each path loads: a heavy module that creeps in costs every call."""

import json
import subprocess
import sys

import pytest

from tests.command import Cli
from tests.scripted_server import ScriptedServer, response

_LISTED = """
import json, os, sys
os._exit = lambda code: None
from completions_cli.__main__ import run
sys.argv[0] = "completions"
run()
os.write(2, b"\\n" + json.dumps(sorted(sys.modules)).encode())
"""
_HEAVY = {"rich", "keyring", "tomlkit", "filelock", "platformdirs", "pydantic", "click", "ssl", "truststore", "asyncio"}


def loaded(cli: Cli, *args: str, env: dict[str, str] | None = None) -> set[str]:
    """Run the command in an interpreter that lists its modules at the end."""
    done = subprocess.run(
        [sys.executable, "-c", _LISTED, *args],
        env={**cli.env, **(env or {})},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=True,
    )
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    assert "completions_cli.main" in modules
    return modules


def test_version_loads_no_command(cli: Cli) -> None:
    modules = loaded(cli, "--version")
    assert not modules & (
        _HEAVY
        | {"httpx", "completions_cli.client.caller", "completions_cli.render", "tomllib", "completions_cli.commands"}
    )


def test_tab_completion_of_a_profile_loads_neither_http_nor_keyring(cli: Cli) -> None:
    cli.profile('[profiles.blue]\nendpoint = "https://x"\n')
    env = {"_COMPLETIONS_COMPLETE": "complete_bash", "COMP_WORDS": "completions complete -p b", "COMP_CWORD": "3"}
    modules = loaded(cli, env=env)
    assert not modules & (_HEAVY | {"httpx", "completions_cli.client.caller"})


@pytest.mark.parametrize("command", ["complete", "stream"])
def test_a_call_in_a_pipe_loads_neither_rich_nor_keyring_nor_the_batch(
    command: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(b'{"choices":[{"index":0,"text":"ok","finish_reason":"stop"}]}')])
    modules = loaded(cli.service(scripted_server.url), command, "P")
    assert "httpx" in modules
    # httpx itself imports ssl and asyncio's ground.
    assert not modules & (_HEAVY - {"ssl", "asyncio"})
    assert not {name for name in modules if name.startswith(("completions_cli.batch", "completions_cli.local"))}
