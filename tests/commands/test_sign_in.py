"""`auth = "entra"` from outside: a token from a local authority, on its way to a service."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.answers import ANSWER
from tests.auth.authority import WRONG_SECRET, Authority, running
from tests.commands.conftest import KeyringCli
from tests.scripted_server import ScriptedServer, response

SECRET = "canary~client.secret"
WHOLE = [ANSWER]
REFUSED = [response(b'{"error":{"code":"401","message":"expired"}}', "401 Unauthorized")]


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def user(keyring_cli: KeyringCli, authority: Authority, scripted_server: ScriptedServer) -> KeyringCli:
    """Someone with a profile that signs in at the authority."""
    scripted_server.play(WHOLE)
    keyring_cli.profile(f"""
default_profile = "p"
[profiles.p]
endpoint = "{scripted_server.url}"
auth = "entra"
tenant_id = "contoso.com"
client_id = "client-1"
authority = "{authority.url}"
ca_bundle = "{authority.ca_file}"
retries = 0
""")
    return keyring_cli


def bearers(server: ScriptedServer) -> list[str]:
    heads = [request.partition(b"\r\n\r\n")[0].decode().lower() for request in server.requests]
    return [head.partition("authorization: bearer ")[2][:7] for head in heads]


def test_a_client_secret_from_the_keyring_becomes_a_token_that_is_kept(
    user: KeyringCli, authority: Authority, scripted_server: ScriptedServer
) -> None:
    assert user.run("config", "key", "set", "--stdin", stdin=SECRET.encode()).code == 0
    for _ in range(2):
        assert user.run("complete", "hi").code == 0
    assert bearers(scripted_server) == ["token-1", "token-1"]
    assert len(authority.forms) == 1
    assert authority.forms[0]["client_secret"] == SECRET
    assert authority.forms[0]["scope"] == "https://cognitiveservices.azure.com/.default"
    assert b"api-key" not in scripted_server.requests[0]
    assert user.run("config", "key", "delete").code == 0
    assert user.entries() == {}


def test_a_refused_token_is_renewed_once(
    user: KeyringCli, authority: Authority, scripted_server: ScriptedServer
) -> None:
    scripted_server.play(REFUSED, WHOLE)
    env = {"COMPLETIONS_API_KEY": SECRET}
    assert user.run("complete", "hi", env=env).code == 0
    assert bearers(scripted_server) == ["token-1", "token-2"]
    scripted_server.play(REFUSED)
    result = user.run("complete", "hi", env=env)
    assert result.code == 4
    assert bearers(scripted_server) == ["token-1", "token-2", "token-2", "token-3"]
    assert len(authority.forms) == 3


def test_a_wrong_secret_is_exit_4_in_the_authoritys_words(
    user: KeyringCli, authority: Authority, scripted_server: ScriptedServer
) -> None:
    authority.answers = [(401, WRONG_SECRET)]
    result = user.run("complete", "hi", "-vv", env={"COMPLETIONS_API_KEY": SECRET})
    assert result.code == 4
    assert "AADSTS7000215: Invalid client secret provided" in result.stderr
    assert "config key set" in result.stderr
    assert SECRET not in result.stderr
    assert len(authority.forms) == 1
    assert scripted_server.requests == []


def test_a_wrong_tenant_is_exit_3(user: KeyringCli, authority: Authority) -> None:
    authority.answers = [(400, {"error_description": "AADSTS90002: Tenant 'contoso.com' not found."})]
    result = user.run("complete", "hi", env={"COMPLETIONS_API_KEY": SECRET})
    assert result.code == 3
    assert "tenant_id" in result.stderr


def test_the_tenant_common_is_refused_before_anything_is_sent(user: KeyringCli, authority: Authority) -> None:
    user.run("config", "set", "tenant_id", "common")
    result = user.run("complete", "hi", env={"COMPLETIONS_API_KEY": SECRET})
    assert result.code == 3
    assert authority.paths == []


def test_the_authority_can_come_from_a_variable(user: KeyringCli, authority: Authority) -> None:
    user.run("config", "unset", "authority")
    env = {"COMPLETIONS_API_KEY": SECRET, "COMPLETIONS_AUTHORITY": authority.url}
    assert user.run("complete", "hi", env=env).code == 0
    assert user.run("complete", "hi", env={**env, "COMPLETIONS_AUTHORITY": "http://example.net"}).code == 3


def test_a_broken_keyring_does_not_stop_a_sign_in(user: KeyringCli, scripted_server: ScriptedServer) -> None:
    env = {"COMPLETIONS_API_KEY": SECRET}
    assert user.backend("RaisingKeyring").run("complete", "hi", env=env).code == 0
    assert bearers(scripted_server) == ["token-1"]


def test_a_token_is_not_sent_over_unencrypted_http(user: KeyringCli, authority: Authority) -> None:
    result = user.run("complete", "hi", "--endpoint", "http://example.net", env={"COMPLETIONS_API_KEY": SECRET})
    assert result.code == 3
    assert "unencrypted http" in result.stderr
    assert authority.paths == []


def test_no_token_is_asked_for_a_host_that_is_not_azures_unless_its_profile_names_the_scope(
    user: KeyringCli, authority: Authority
) -> None:
    env = {"COMPLETIONS_API_KEY": SECRET}
    user.run("config", "set", "scope", "api://mine/.default")
    elsewhere = user.run("complete", "hi", "--endpoint", "https://x.invalid", env=env)
    assert elsewhere.code == 3
    assert "config set scope" in elsewhere.stderr
    assert authority.paths == []
    user.run("config", "set", "endpoint", "https://x.invalid")
    assert user.run("complete", "hi", env=env).code == 10
    assert authority.forms[0]["scope"] == "api://mine/.default"


def test_without_a_tenant_the_identity_of_the_environment_signs_in(
    user: KeyringCli, authority: Authority, scripted_server: ScriptedServer
) -> None:
    for key in ("tenant_id", "client_id"):
        user.run("config", "unset", key)
    env = {"AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555", "AZURE_CLIENT_ID": "app"}
    env |= {"AZURE_CLIENT_SECRET": SECRET}
    result = user.run("complete", "hi", env=env)
    assert result.code == 0, result.stderr
    assert result.stderr == ""
    assert bearers(scripted_server) == ["token-1"]
    assert authority.forms[0]["client_secret"] == SECRET
    authority.answers = [(401, WRONG_SECRET)]
    user.file.unlink()
    result = user.run("complete", "hi", "-vv", env=env)
    assert result.code == 4
    assert "AADSTS7000215" in result.stderr
    assert SECRET not in result.stderr


def test_without_the_extra_the_error_names_it(user: KeyringCli, tmp_path: Path) -> None:
    user.run("config", "unset", "tenant_id")
    (tmp_path / "azure.py").touch()  # a module, where the library is a package
    path = f"{tmp_path}:{user.env['PYTHONPATH']}"
    result = user.run("complete", "hi", "-vv", env={"PYTHONPATH": path})
    assert result.code == 3
    assert "[entra]" in result.stderr


def test_a_dry_run_asks_nobody_for_a_token(user: KeyringCli, authority: Authority) -> None:
    shown = json.loads(user.run("complete", "hi", "--dry-run", "-F", "json").text)
    assert shown["headers"]["authorization"] == "Bearer ****"
    assert "api-key" not in shown["headers"]
    assert authority.paths == []


BUSY = (
    503,
    {"error": "temporarily_unavailable", "error_description": "AADSTS90033: A transient error.\r\nTrace ID: t"},
)
SLOW_DOWN = (429, {"error_description": "AADSTS90055: Too many requests."})


@pytest.mark.parametrize("command", ["complete", "stream", "batch"])
@pytest.mark.parametrize(("answer", "code"), [(BUSY, 9), (SLOW_DOWN, 8)])
def test_a_busy_sign_in_server_is_asked_again_and_in_the_end_named(
    command: str,
    answer: tuple[int, object],
    code: int,
    user: KeyringCli,
    authority: Authority,
    scripted_server: ScriptedServer,
    tmp_path: Path,
) -> None:
    assert user.run("config", "key", "set", "--stdin", stdin=SECRET.encode()).code == 0
    rows = tmp_path / "rows.txt"
    rows.write_text("hi\n", encoding="utf-8")
    args = [str(rows), "-o", str(tmp_path / "out.jsonl"), "--overwrite"] if command == "batch" else ["hi"]
    authority.answers = [answer, answer]
    assert user.run(command, *args, "--retries", "2").code == 0
    assert user.run("config", "key", "set", "--stdin", stdin=SECRET.encode()).code == 0  # forgets the token
    authority.answers = [answer] * 9
    result = user.run(command, *args, "--retries", "1")
    assert (result.code, len(authority.answers)) == (code, 7)
    assert f"no token from the sign-in server {authority.url.removeprefix('https://')}: AADSTS900" in result.stderr
    assert "endpoint" not in result.stderr.partition("hint: ")[2].partition(",")[0]
    assert len(scripted_server.requests) == 1
