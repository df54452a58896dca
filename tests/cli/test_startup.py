"""What each path loads: a heavy module that creeps in costs every call."""

import json
import subprocess
import sys

import pytest

from tests.answers import ANSWER
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
_PAGES = {
    f"completions_cli.commands.{name}" for name in ("help_pages", "descriptions", "lazy", "plain_values", "examples")
}
_HEAVY = {"rich", "keyring", "tomlkit", "filelock", "pydantic", "click", "ssl", "truststore", "asyncio"}


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


def ours(modules: set[str], *rooms: str) -> set[str]:
    """Pick the modules of these rooms of the package."""
    return {name for name in modules if name.startswith(tuple(f"completions_cli.{room}" for room in rooms))}


def tab(cli: Cli, words: str) -> set[str]:
    """Press the tab key after these words."""
    env = {
        "_COMPLETIONS_COMPLETE": "complete_bash",
        "COMP_WORDS": f"completions {words}",
        "COMP_CWORD": str(words.count(" ") + 1),
    }
    return loaded(cli, env=env)


def test_version_loads_no_command(cli: Cli) -> None:
    modules = loaded(cli, "--version")
    assert not modules & (_HEAVY | {"httpx", "tomllib", "platformdirs"})
    assert not ours(modules, "commands.", "client", "render", "settings", "api") - _PAGES


def test_help_loads_no_command(cli: Cli) -> None:
    modules = loaded(cli, "--help")
    assert not modules & (_HEAVY | {"httpx", "platformdirs"})
    assert not ours(modules, "commands.", "client", "render", "settings", "api") - _PAGES


@pytest.mark.parametrize("command", ["complete", "score", "models"])
def test_the_help_of_a_command_loads_that_command_alone(command: str, cli: Cli) -> None:
    modules = loaded(cli, command, "--help")
    assert not modules & (_HEAVY | {"httpx"})
    assert not ours(modules, "client", "render", "batch", "local", "emulator", "commands.batch", "commands.config")


def test_tab_completion_of_a_command_loads_none(cli: Cli) -> None:
    modules = tab(cli, "co")
    assert not modules & (_HEAVY | {"httpx"})
    assert not ours(modules, "commands.", "client", "render", "settings", "api") - _PAGES


@pytest.mark.parametrize("words", ["complete -p b", "stream -p b", "complete --max", "stream --color a", "models -p b"])
def test_tab_completion_after_a_command_loads_neither_http_nor_keyring(words: str, cli: Cli) -> None:
    cli.profile('[profiles.blue]\nendpoint = "https://x"\n')
    modules = tab(cli, words)
    assert not modules & (_HEAVY | {"httpx"})
    assert not ours(modules, "client", "render", "auth", "transport", "commands.call", "commands.resolution")


@pytest.mark.parametrize("command", ["complete", "stream"])
def test_a_call_in_a_pipe_loads_neither_rich_nor_keyring_nor_the_batch(
    command: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWER])
    modules = loaded(cli.service(scripted_server.url), command, "P")
    assert "httpx" in modules
    # httpx itself imports ssl and asyncio's ground.
    assert not modules & (_HEAVY - {"ssl", "asyncio"} | {"tomllib"})
    assert not ours(modules, "batch", "local", "emulator", "commands.batch", "commands.config")


def test_a_list_of_models_loads_neither_rich_nor_keyring_nor_the_batch(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(b'{"data":[{"id":"blue"}]}')])
    modules = loaded(cli.service(scripted_server.url), "models")
    assert "httpx" in modules
    assert not modules & (_HEAVY - {"ssl", "asyncio"} | {"tomllib"})
    assert not ours(modules, "batch", "local", "emulator", "commands.batch", "commands.config")


def test_a_score_loads_hardly_more_than_a_completion(cli: Cli, scripted_server: ScriptedServer) -> None:
    figures = b'{"tokens":["a"," b"],"token_logprobs":[null,-0.5],"top_logprobs":null,"text_offset":[0,1]}'
    usage = b'"usage":{"prompt_tokens":2,"completion_tokens":0,"total_tokens":2}'
    body = b'{"choices":[{"index":0,"text":"a b","finish_reason":"length","logprobs":' + figures + b"}]," + usage + b"}"
    scripted_server.play([response(body)])
    completed = loaded(cli.service(scripted_server.url), "complete", "P")
    scored = loaded(cli, "score", "a", "-c", " b")
    assert not scored & (_HEAVY - {"ssl", "asyncio"} | {"tomllib"})
    own = {name for name in scored - completed if not name.startswith("completions_cli.")}
    assert not own
    assert len(ours(scored - completed, "")) < 15


def test_a_dry_run_loads_no_http(cli: Cli) -> None:
    modules = loaded(cli.service("http://127.0.0.1:9"), "complete", "P", "--dry-run")
    assert not modules & (_HEAVY | {"httpx"})


def test_a_batch_loads_neither_httpx_nor_rich_nor_keyring(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    rows = cli.home / "rows.txt"
    rows.write_text("one\n")
    modules = loaded(cli.service(scripted_server.url), "batch", str(rows), "-o", str(cli.home / "out"), "-q")
    assert "pyreqwest" in modules
    assert not modules & (_HEAVY - {"asyncio", "ssl", "filelock"} | {"httpx"})
    assert not ours(modules, "local", "emulator", "commands.config")


def test_the_plan_of_a_batch_loads_neither_httpx_nor_rich_nor_keyring(cli: Cli) -> None:
    rows = cli.home / "rows.txt"
    rows.write_text("one\n")
    args = ("batch", str(rows), "-o", str(cli.home / "out"), "--plan")
    modules = loaded(cli.service("http://127.0.0.1:9"), *args)
    assert not modules & (_HEAVY - {"asyncio", "ssl", "filelock"} | {"httpx"})


def test_a_look_at_the_configuration_loads_no_http(cli: Cli) -> None:
    cli.profile('[profiles.blue]\nendpoint = "https://x"\n')
    modules = loaded(cli, "config", "path")
    assert not modules & (_HEAVY | {"httpx"})
    assert not ours(modules, "batch", "local", "emulator", "commands.batch")
