"""`completions config doctor`: what it finds, the exit code of it, and the command that mends it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from completions_cli.api import endpoint as endpoints
from completions_cli.api import error_map
from completions_cli.commands.config.remedies import Situation, remedy
from tests.answers import answer
from tests.command import Cli, Result
from tests.commands.conftest import KeyringCli
from tests.emulator_process import EmulatorProcess
from tests.scripted_server import ScriptedServer, response
from tests.tls import tls_server, write_authority

KEY = "canary-key-0123456789"


def states(result: Result) -> dict[str, str]:
    return {row["check"]: row["state"] for row in result.json()}


def test_a_set_up_that_works_is_exit_0(keyring_cli: KeyringCli, emulator: Callable[..., EmulatorProcess]) -> None:
    service = emulator("--key", KEY)
    keyring_cli.profile(f'default_profile = "p"\n[profiles.p]\nendpoint = "{service.url}"\n')
    keyring_cli.run("config", "key", "set", "--stdin", stdin=KEY.encode())
    result = keyring_cli.run("config", "doctor", "--probe", "--json")
    assert result.code == 0
    assert states(result) == dict.fromkeys(["file", "profile", "endpoint", "key", "host", "port", "probe"], "ok")
    assert len(service.log()) == 1
    assert b"max_tokens" in str(service.log()[0]).encode()
    lines = keyring_cli.run("config", "doctor").text.splitlines()
    assert [line.split("\t")[1] for line in lines] == ["ok"] * 6
    assert len(service.log()) == 1  # without --probe nothing is sent
    assert "endpoint" in keyring_cli.terminal("config", "doctor").text


def test_certificates_are_checked(cli: Cli, tmp_path: Path) -> None:
    ca = trustme.CA()
    env = {"COMPLETIONS_API_KEY": KEY, "SSL_CERT_FILE": str(write_authority(ca, tmp_path))}
    with tls_server(ca.issue_cert("localhost")) as server:
        cli.profile(f'[profiles.p]\nendpoint = "https://localhost:{server.port}"\n')
        result = cli.run("config", "doctor", "-p", "p", "--json", env=env)
        assert result.code == 0, result.text
        assert states(result)["TLS"] == "ok"
        assert "certificate valid until" in result.text
        del env["SSL_CERT_FILE"]
        result = cli.run("config", "doctor", "-p", "p", "--json", env=env)
    assert result.code == 10
    assert states(result)["TLS"] == "failed"
    assert not any(server.requests)  # connections, but nothing was said on them


@pytest.mark.parametrize(
    ("env", "change"),
    [
        ({}, "completions config set -p p endpoint https://nowhere.invalid:81/v1"),
        ({"COMPLETIONS_ENDPOINT": "http://nowhere.invalid"}, "export COMPLETIONS_ENDPOINT=https://nowhere.invalid"),
    ],
)
def test_the_way_off_plain_http_is_a_command(cli: Cli, env: dict[str, str], change: str) -> None:
    cli.profile('default_profile = "p"\n[profiles.p]\nendpoint = "http://nowhere.invalid:81/v1"\n')
    hint = cli.run("config", "doctor", "--json", env=env).error()["hint"]
    assert hint == f"Run: {change}; or, if that server needs no key: completions config set -p p auth none"


def test_without_a_profile_the_way_off_plain_http_makes_one(cli: Cli) -> None:
    url = "http://nowhere.invalid"
    hint = cli.run("config", "doctor", "--json", env={"COMPLETIONS_ENDPOINT": url}).error()["hint"]
    init = f"completions config init --endpoint {url} --auth none"
    assert hint.endswith(f"if that server needs no key: {init}")
    assert cli.run(*init.split()[1:]).code == 0


@pytest.mark.parametrize(
    ("toml", "code", "check"),
    [
        ("nonsense = 1\n", 3, "file"),
        ("", 3, "settings"),
        ('[profiles.p]\nendpoint = "http://127.0.0.1:1"\n', 3, "key"),
        ('[profiles.p]\nendpoint = "http://127.0.0.1:1"\nauth = "none"\n', 10, "port"),
        ('[profiles.p]\nendpoint = "http://nowhere.invalid"\nauth = "none"\n', 10, "host"),
        ('[profiles.p]\nendpoint = "http://nowhere.invalid"\n', 3, "key"),
        ('[profiles.p]\nendpoint = "http://127.0.0.1:1"\nauth = "entra"\ntenant_id = "common"\n', 3, "key"),
        (
            '[profiles.p]\nendpoint = "http://127.0.0.1:1"\nauth = "entra"\ntenant_id = "t"\nclient_id = "c"\n',
            3,
            "client secret",
        ),
    ],
)
def test_the_exit_code_is_that_of_the_first_thing_wrong(cli: Cli, toml: str, code: int, check: str) -> None:
    cli.profile('default_profile = "p"\n' * ("profiles.p" in toml) + toml)
    result = cli.run("config", "doctor", "--probe", "--json", env={"COMPLETIONS_CONNECT_TIMEOUT": "1"})
    assert result.code == code
    assert next(name for name, state in states(result).items() if state == "failed") == check
    assert result.error()["exit_code"] == code


def test_a_proxy_is_named_without_its_password(cli: Cli) -> None:
    cli.profile('[profiles.p]\nendpoint = "https://example.net"\nauth = "none"\n')
    result = cli.run("config", "doctor", "-p", "p", env={"HTTPS_PROXY": "http://me:canary@127.0.0.1:1"})
    assert result.code == 0
    assert "host\tskipped\tthe proxy http://****@127.0.0.1:1 (HTTPS_PROXY) connects" in result.text


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        ("401 Unauthorized", b"", (4, "The key in COMPLETIONS_API_KEY is not this endpoint's")),
        ("404 Not Found", b'{"detail":"Not Found"}', (5, "completions config set -p p endpoint http://127.0.0.1:")),
        ("404 Not Found", b'{"error":{"code":"unknown_model","message":"no"}}', (5, "set -p p model MODEL")),
        ("405 Method Not Allowed", b'{"detail":"Method Not Allowed"}', (5, "no text completions")),
        ("402 Payment Required", b"", (4, "plan and billing")),
        ("410 Gone", b"", (5, "The model is retired")),
        ("424 Failed Dependency", b'{"detail":"boom"}', (5, "the server's logs say why")),
        ("429 Too Many Requests", b"", (8, "Wait and try again")),
        ("200 OK", b'{"index":0,"content":" blue","stop":true}', (12, "config set -p p endpoint http://127.0.0.1:")),
    ],
)
def test_a_refused_probe_is_explained_with_the_command_that_mends_it(
    cli: Cli, scripted_server: ScriptedServer, status: str, body: bytes, outcome: tuple[int, str]
) -> None:
    code, said = outcome
    scripted_server.play([response(body, status)])
    cli.profile(f'default_profile = "p"\n[profiles.p]\nendpoint = "{scripted_server.url}"\n')
    result = cli.run("config", "doctor", "--probe", env={"COMPLETIONS_API_KEY": KEY})
    assert result.code == code
    assert said in result.text
    assert said in result.stderr
    assert KEY not in result.text + result.stderr
    assert len(scripted_server.requests) == 1


@pytest.mark.parametrize(
    ("endpoint", "status", "body", "tried", "said"),
    [
        ("https://r.services.ai.azure.com", 404, "", {}, "set -p p endpoint https://r.services.ai.azure.com/models"),
        ("https://r.openai.azure.com", 404, "", {}, "set -p p endpoint https://r.openai.azure.com/openai/v1"),
        ("https://x/v1", 404, "", {"api_version": "2023-01-01"}, "config unset -p p api_version"),
        ("https://x/v1", 404, "", {}, "set -p p endpoint URL"),
        ("https://x/v1", 404, "Cannot POST /v1/completions", {}, "not below /v1. Run: completions config set -p p end"),
        ("https://x", 404, '{"message":"Modality not supported by the model."}', {}, "set -p p endpoint URL"),
        ("https://x", 404, '{"error":{"code":"DeploymentNotFound","message":"no"}}', {}, "set -p p deployment NAME"),
        ("https://x/v1/models", 404, "", {}, "set -p p endpoint https://x/v1"),
        ("https://x/api/v1/embeddings", 404, "", {}, "set -p p endpoint https://x/api/v1"),
        ("https://x/a/v1", 404, "", {}, "set -p p endpoint https://x"),
        ("https://x/a", 404, "There is no route /a. Check the documentation of the model.", {}, "endpoint https://x"),
        ("https://x/a", 404, '{"message":"Modality not supported by the model."}', {}, "set -p p endpoint URL"),
        ("https://x", 400, "API version not supported", {"api_version": "1"}, "config unset -p p api_version"),
        ("https://x", 400, "The api-version query parameter is required", {}, "set -p p api_version VERSION"),
        ("https://x", 424, '{"detail":"Not Found"}', {}, "no text completions"),
        ("https://e.r.inference.ml.azure.com", 424, "x", {"deployment": "blue"}, "--endpoint-name e --name blue"),
        ("https://x", 401, "", {"auth": "none"}, "set -p p auth key"),
        ("https://x", 401, "", {"profile": None, "auth": "none"}, "completions config init"),
        ("https://x", 401, "", {"key_source": "the keyring"}, "completions config key set -p p"),
        ("https://x", 401, "audience is incorrect", {"auth": "entra", "scope": "S"}, "set -p p scope SCOPE"),
        ("https://x", 403, "no", {"auth": "entra"}, "az role assignment create"),
        ("https://x", 401, '{"error":{"code":"PermissionDenied","message":"No."}}', {}, "az role assignment create"),
        ("https://x", 403, "Key based authentication is disabled", {}, "set -p p auth entra"),
        ("https://x", 404, "", {"api_version": "none"}, "set -p p endpoint https://x/v1"),
        (
            "https://r.services.ai.azure.com/managed-deployments/blue",
            404,
            "",
            {"api_version": "none"},
            "set -p p endpoint",
        ),
        ("https://x", 404, "", {"profile": None}, "export COMPLETIONS_ENDPOINT=https://x/v1"),
    ],
)
def test_each_refusal_has_its_remedy(endpoint: str, status: int, body: str, tried: dict[str, str], said: str) -> None:
    situation = Situation(**{"endpoint": endpoints.resolve(endpoint), "profile": "p", "auth": "key", **tried})  # type: ignore[arg-type] # cases
    error = error_map.from_response(status, {}, body.encode(), 0.0)
    assert said in str(remedy(error, situation))


def test_network_rules_have_no_command() -> None:
    situation = Situation(endpoints.resolve("https://x"), "p", "key")
    error = error_map.from_response(403, {}, b"Access denied due to Virtual Network/Firewall rules.", 0.0)
    assert remedy(error, situation) is None


def test_the_options_of_a_connection_are_those_of_a_call(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b'{"detail":"Not Found"}', "404 Not Found")])
    given = [
        "--endpoint",
        scripted_server.url,
        "--auth",
        "none",
        "--api-version",
        "none",
        "-m",
        "m",
        "-H",
        "x-team: blue",
    ]
    result = cli.run("config", "doctor", "--probe", *given)
    assert result.code == 5
    assert f"Run: export COMPLETIONS_ENDPOINT={scripted_server.url}/v1" in result.text
    assert b"x-team: blue" in scripted_server.requests[0]
    assert b'"model":"m"' in scripted_server.requests[0]


def parameters(cli: Cli, server: EmulatorProcess, *args: str) -> dict[str, str]:
    """Ask what a server makes of parameters."""
    cli.service(server.url, KEY)
    result = cli.run("config", "doctor", "--probe-parameters", "--json", *args)
    assert result.code == 0, result.stderr
    found = states(result)
    return {name: found[name] for name in [*found][[*found].index("probe") + 1 :]}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"n": "kept", "echo": "kept", "logprobs": "kept", "seed": "kept", "token ids": "kept"}),
        (
            ("--behaviour", "managed"),
            {"n": "kept", "several prompts": "refused", "token ids": "refused", "response_format": "ignored"},
        ),
        (("--fault", "n-ignored"), {"n": "ignored", "echo": "kept"}),
        (("--fault", "echo-ignored"), {"echo": "ignored", "echo and logprobs": "ignored", "logprobs": "kept"}),
        (("--fault", "logprobs-ignored"), {"logprobs": "ignored", "echo and logprobs": "ignored"}),
        (("--fault", "stop-ignored"), {"stop": "ignored"}),
        (("--fault", "pack-joined"), {"several prompts": "ignored", "n": "kept"}),
    ],
)
def test_a_probe_of_parameters_tells_kept_from_ignored_and_refused(
    options: tuple[str, ...], expected: dict[str, str], cli: Cli, emulator: Callable[..., EmulatorProcess]
) -> None:
    server = emulator("--key", KEY, *options)
    found = parameters(cli, server)
    assert found.items() >= expected.items()
    assert len(found) == 11
    assert len(server.log()) == 12


def test_what_stands_in_the_way_of_all_requests_ends_a_probe_of_parameters(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    plain = answer(" a", reason="length")
    scripted_server.play([b""], [plain], [plain], [response(b"{}", "401 X")])  # the first tries the port alone
    result = cli.service(scripted_server.url, KEY).run("config", "doctor", "--probe-parameters", "--json")
    assert result.code == 4
    found = states(result)
    assert (found["probe"], found["n"], found["parameters"]) == ("ok", "ignored", "failed")
    assert len(scripted_server.requests) == 3
