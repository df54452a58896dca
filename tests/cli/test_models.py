"""`completions models`: one GET, with the key, retries and errors of every call."""

import json
from collections.abc import Callable

import pytest

from tests.command import Cli
from tests.emulator_process import EmulatorProcess
from tests.local_weights import DATA_HOME, weights_path
from tests.scripted_server import ScriptedServer, Silence, response

KEY = "canary-key-0123456789"
TWO = b'{"object":"list","data":[{"id":"blue"},{"id":"green"}]}'


@pytest.mark.parametrize("behaviour", ["reference", "managed", "foundry"])
@pytest.mark.parametrize("base", ["", "/v1"])
def test_the_emulator_lists_its_models(
    behaviour: str, base: str, cli: Cli, emulator: Callable[..., EmulatorProcess]
) -> None:
    server = emulator("--behaviour", behaviour, "--deployment", "blue", "--deployment", "green", "--key", KEY)
    cli.service(server.url + base, KEY)
    result = cli.run("models")
    assert (result.code, result.stdout, result.stderr) == (0, b"blue\ngreen\n", "")
    document = cli.run("models", "-F", "json").json()
    assert [entry["id"] for entry in document["data"]] == ["blue", "green"]
    lines = cli.run("models", env={"COMPLETIONS_FORMAT": "jsonl"}).text.splitlines()
    assert [json.loads(line) for line in lines] == document["data"]
    refused = cli.run("models", "-F", "json", env={"COMPLETIONS_API_KEY": "another-key-0123456"})
    assert (refused.code, refused.stdout, refused.error()["kind"]) == (4, b"", "auth")


def test_it_is_one_get_that_is_labelled_and_signed(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(TWO)])
    cli.profile(
        f'[profiles.team]\nendpoint = "{scripted_server.url}"\nkey_command = ["echo", "{KEY}"]\n'
        'deployment = "blue"\nextra_parameters = "drop"\n[profiles.team.headers]\nx-team = "red"\n'
    )
    result = cli.run("models", "-p", "team", "-vv")
    assert (result.code, result.stdout) == (0, b"blue\ngreen\n")
    (request,) = scripted_server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *others = head.decode().lower().split("\r\n")
    sent = dict(line.split(": ", 1) for line in others)
    assert first == "get /models?api-version=2024-04-01-preview http/1.1"
    assert (body, sent["azureml-model-deployment"], sent["x-team"]) == (b"", "blue", "red")
    assert (sent["authorization"], sent["api-key"]) == (f"bearer {KEY}", KEY)
    assert not {"content-type", "content-length", "transfer-encoding", "extra-parameters"} & sent.keys()
    assert "> GET http://" in result.stderr
    assert KEY not in result.stderr


def test_what_may_pass_is_retried(cli: Cli, scripted_server: ScriptedServer) -> None:
    busy = response(b'{"error":{"message":"busy"}}', "503 Service Unavailable", ["retry-after-ms: 1"])
    scripted_server.play([busy], [b""], [response(TWO)])
    result = cli.service(scripted_server.url).run("models", "--max-wait", "5")
    assert (result.code, result.stdout) == (0, b"blue\ngreen\n")
    assert "attempt 3 of 5" in result.stderr
    scripted_server.play([busy])
    assert cli.run("models", "--retries", "0").code == 9


@pytest.mark.parametrize("status", ["404 Not Found", "405 Method Not Allowed"])
@pytest.mark.parametrize(("base", "advice"), [("", "Does the endpoint end in /v1?"), ("/v1", "no list of models")])
def test_an_endpoint_without_the_route_is_not_found(
    status: str, base: str, advice: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(b'{"detail":"Not Found"}', status)])
    result = cli.service(scripted_server.url + base).run("models", "--api-version", "none")
    assert (result.code, result.stdout) == (5, b"")
    assert advice in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (response(b'{"answer":42}'), 12, '{"answer":42}'),
        (response(b"<html>Welcome"), 12, "<html>Welcome"),
        (response(b'{"error":{"message":"out of models","code":"400"}}'), 6, "out of models"),
        (
            response(TWO).replace(b"content-length: 5", b"content-length: 9")[:-9],
            12,
            "before the response was complete",
        ),
        (response(b"", "302 Found", ["location: https://elsewhere.example/"]), 10, "elsewhere.example"),
        (response(json.dumps({"seen": KEY}).encode()), 12, "****"),
    ],
)
def test_anything_else_is_an_error_and_nothing_on_stdout(
    answer: bytes, code: int, said: str, cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([answer])
    result = cli.service(scripted_server.url, KEY).run("models")
    assert (result.code, result.stdout) == (code, b"")
    assert said in result.stderr
    assert "hint: " in result.stderr
    assert KEY not in result.stderr


def test_a_whole_list_counts_though_its_connection_breaks(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(TWO).replace(b"content-length: 5", b"content-length: 9")])
    assert cli.service(scripted_server.url).run("models").stdout == b"blue\ngreen\n"


def test_a_server_that_takes_its_time_is_waited_for(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([Silence()])
    result = cli.service(scripted_server.url).run("models", "--connect-timeout", "0.1", "--timeout", "0.5")
    assert result.code == 11
    assert "silent for 0.5 s (--timeout)" in result.stderr


def test_ids_are_a_line_each_and_drive_no_terminal(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b'[{"id":"a\\u001b[2J\\nb"},{"id":"\\ud800\\u00e9"}]')])
    cli.service(scripted_server.url)
    assert cli.run("models").stdout == "a\x1b[2J\\nb\n?é\n".encode()
    screen = cli.terminal("models").stdout
    assert b"a\\x1b[2J\\nb\r\n" in screen
    assert b"\x1b[2J" not in screen
    assert json.loads(cli.run("models", "-F", "json").stdout)[0]["id"] == "a\x1b[2J\nb"
    assert b"\x1b[2J" not in cli.terminal("models", "-F", "json").stdout


def test_an_empty_list_is_said(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b'{"object":"list","data":null}')])
    result = cli.service(scripted_server.url).run("models")
    assert (result.code, result.stdout, result.stderr) == (0, b"", "note: the endpoint lists no models\n")


def test_without_an_endpoint_it_is_a_matter_of_configuration(cli: Cli) -> None:
    assert cli.run("models").code == 3
    assert cli.run("models", "-F", "yaml", "--endpoint", "http://localhost:1").code == 2


def test_the_embedded_model_is_listed(cli: Cli) -> None:
    weights_path()
    cli.env["XDG_DATA_HOME"] = str(DATA_HOME)
    result = cli.run("models", "-p", "local")
    assert (result.code, len(result.text.splitlines())) == (0, 1)
    served = cli.run("complete", "-p", "local", "One", "-M", "1", "-F", "json").json()["model"]
    assert result.text == f"{served}\n"
