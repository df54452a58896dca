"""The models that an endpoint lists, where they help: in the hint about one that it does not serve, and at the tab key."""

import json
import os
from pathlib import Path

import pytest

from completions_cli.wall_clock import unix_time
from tests.command import Cli
from tests.scripted_server import HangUp, ScriptedServer, response

LISTED = response(json.dumps({"data": [{"id": name} for name in ("org/Base-7B", "coder-1b", "a", "b", "c")]}).encode())
UNKNOWN = response(b'{"error":{"code":"model_not_found","message":"The model is not found"}}', "404 Not Found")


def hint(cli: Cli, *args: str) -> str:
    result = cli.run("complete", "Once", *args)
    assert result.code == 5
    return result.stderr.splitlines()[-1]


def cached(cli: Cli) -> list[Path]:
    return list((cli.home / ".cache").rglob("*.json"))


def offered(cli: Cli, words: str) -> list[str]:
    """Press the tab key after these words."""
    env = {
        "_COMPLETIONS_COMPLETE": "complete_bash",
        "COMP_WORDS": f"completions {words}",
        "COMP_CWORD": str(words.count(" ") + 1),
    }
    return cli.run(env=env).text.split()


@pytest.mark.parametrize("typed", ["base-7b", "org/base-7B", "Base7B", "rog/Base-7B"])
def test_a_model_that_is_not_there_is_answered_with_the_nearest(
    typed: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([UNKNOWN], [LISTED])
    assert hint(cli.service(scripted_server.url), "-m", typed).startswith("hint: Did you mean -m org/Base-7B?")
    asked = [request.split(b" ")[0] for request in scripted_server.requests]
    assert asked == [b"POST", b"GET"]


def test_an_endpoint_is_asked_once_a_day_at_most(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([UNKNOWN], [LISTED], [UNKNOWN], [UNKNOWN], [LISTED])
    cli.service(scripted_server.url)
    assert "-m coder-1b?" in hint(cli, "-m", "coder1b")
    assert "-m coder-1b?" in hint(cli, "-m", "coder_1b")
    assert len(scripted_server.requests) == 3
    (file,) = cached(cli)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    yesterday = json.loads(file.read_text()) | {"listed": unix_time() - 24 * 60 * 60 - 1}
    file.write_text(json.dumps(yesterday))
    assert "-m coder-1b?" in hint(cli, "-m", "coder_1b")
    assert len(scripted_server.requests) == 5


def test_few_models_are_named_where_none_is_near(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([UNKNOWN], [response(b'{"data":[{"id":"blue"},{"id":"a\\u001b[2Jb"}]}')])
    said = hint(cli.service(scripted_server.url), "-m", "zzz")
    assert said == r"hint: Name a model with -m. The endpoint serves: blue, a\x1b[2Jb."


@pytest.mark.parametrize(
    "answer", [response(b"{}", "401 X"), response(b"no list"), response(b'{"data":[]}'), HangUp(), UNKNOWN]
)
def test_without_a_list_the_hint_is_as_before(
    answer: bytes | HangUp, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([UNKNOWN], [answer])
    assert "`completions models` lists them" in hint(cli.service(scripted_server.url), "-m", "blue")
    assert len(scripted_server.requests) == 2
    assert not cached(cli) or answer == response(b'{"data":[]}')


def test_a_model_that_is_listed_is_not_suggested(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([UNKNOWN], [LISTED])
    assert "Did you mean" not in hint(cli.service(scripted_server.url), "-m", "coder-1b")


@pytest.mark.parametrize("status", ["401 X", "429 X", "422 X"])
def test_other_errors_ask_for_no_list(status: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b'{"error":{"message":"no"}}', status)])
    cli.service(scripted_server.url).run("complete", "Once", "-m", "blue", "--retries", "0")
    assert len(scripted_server.requests) == 1


@pytest.mark.parametrize("content", ["", "[]", '{"listed":"x","ids":[1]}', "[" * 100_000, '{"listed":1e400,"ids":0}'])
def test_a_damaged_cache_is_none(content: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([LISTED], [UNKNOWN], [LISTED])
    cli.service(scripted_server.url).run("models")
    (file,) = cached(cli)
    file.write_text(content)
    assert offered(cli, "complete -m ") == []
    assert "-m coder-1b?" in hint(cli, "-m", "coder1b")


def test_a_cache_that_cannot_be_written_disturbs_nobody(cli: Cli, scripted_server: ScriptedServer) -> None:
    (cli.home / ".cache").write_text("a file")
    scripted_server.play([LISTED])
    result = cli.service(scripted_server.url).run("models")
    assert (result.code, result.stderr) == (0, "")


def test_lists_that_are_too_old_are_forgotten(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([LISTED])
    cli.service(scripted_server.url).run("models")
    (first,) = cached(cli)
    os.utime(first, (0, 0))
    cli.run("models", "--api-version", "2025-01-01")
    (second,) = cached(cli)
    assert second.name != first.name


def test_the_tab_key_offers_what_the_endpoint_listed_and_asks_nobody(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([LISTED])
    url = scripted_server.url
    cli.profile(f'[profiles.blue]\nendpoint = "{url}"\nauth = "none"\n[profiles.red]\nendpoint = "{url}/red"\n')
    assert offered(cli, "complete -p blue -m ") == []
    cli.run("models", "-p", "blue")
    assert offered(cli, "complete -p blue -m ") == ["org/Base-7B", "coder-1b", "a", "b", "c"]
    assert offered(cli, "stream -p blue -m c") == ["coder-1b", "c"]
    assert offered(cli, f"batch rows.txt --endpoint {url} -m co") == ["coder-1b"]
    assert offered(cli, "complete -p red -m ") == []
    assert offered(cli, "complete -p none -m ") == []
    assert len(scripted_server.requests) == 1


@pytest.mark.parametrize(
    "name", ["$(touch x)", "a b", "`id`", "a;b", "a'b", '"', "-x", "a\nb", "a\x1b[2J", "~", "*", "a&b", "", "#"]
)
def test_the_tab_key_offers_nothing_that_a_shell_would_act_on(
    name: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(json.dumps({"data": [{"id": name or " "}, {"id": "plain"}]}).encode())])
    cli.service(scripted_server.url).run("models")
    assert offered(cli, "complete -m ") == ["plain"]
