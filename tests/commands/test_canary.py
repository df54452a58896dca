"""Secrets nowhere: a key from any source, in any command and any failure, shows up in nothing but the request."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.answers import document
from tests.auth.authority import WRONG_SECRET, Authority, running
from tests.command import Cli, Result
from tests.commands.conftest import KeyringCli
from tests.scripted_server import HangUp, Reset, Script, ScriptedServer, response, scripted, stream_head

CANARY = "canary-0123456789abcdef"
_ECHO = json.dumps({"error": {"code": CANARY, "message": f"the key {CANARY} is not known", "param": CANARY}}).encode()
_REPLY = document("ok")

# How a service may answer; many of them repeat the key they were sent.
ANSWERS: dict[str, Script] = {
    "an answer": [response(_REPLY, headers=["content-type: application/json", f"x-request-id: {CANARY}"])],
    "a refusal that repeats it": [response(_ECHO, "401 Unauthorized", [f"x-ms-error-code: {CANARY}"])],
    "a refusal in prose": [response(f"wrong: Bearer {CANARY}\nmore: {CANARY}".encode(), "403 Forbidden")],
    "a rejection that repeats it": [response(_ECHO, "400 Bad Request")],
    "a failure that repeats it": [response(_ECHO, "500 Internal Server Error", [f"x-request-id: {CANARY}"])],
    "a redirect that repeats it": [
        response(b"", "307 Temporary Redirect", [f"location: https://elsewhere.example/{CANARY}"])
    ],
    "no JSON": [response(f"<h1>{CANARY}</h1>".encode())],
    "no HTTP": [f"HTTP/9 {CANARY}\r\n\r\n".encode(), HangUp()],
    "a cut": [stream_head(), b'data: {"choices":[{"index":0,"te', HangUp()],
    "an error in a stream": [stream_head(), b"data: " + _ECHO + b"\n\n"],
    "a reset": [Reset()],
}
BATCH = ["batch", "rows.jsonl", "-o", "out.jsonl", "--summary", "summary.json", "-vv", "--overwrite"]
COMMANDS = [
    ["complete", "hi", "-vv"],
    ["stream", "hi", "-vv", "-F", "jsonl"],
    ["complete", "hi", "--dry-run", "-vv"],
    ["complete", "hi", "--curl"],
    ["config", "show", "--origin"],
    ["config", "show", "--json"],
    ["config", "list", "-vv"],
    ["config", "get", "profiles"],
    ["config", "key", "status", "-vv"],
    ["config", "doctor", "--probe", "-vv"],
    ["config", "doctor", "--probe", "--json"],
    ["config", "set", "timeout", "5"],
    ["config", "path"],
    BATCH,
    ["batch", "rows.jsonl", "-o", "out.jsonl", "--plan"],
    ["local", "status"],
]
SOURCES = ["COMPLETIONS_API_KEY", "COMPLETIONS_API_KEY_FILE", "key_command", "keyring", "AZURE_INFERENCE_CREDENTIAL"]


@dataclass
class Holder:
    """Someone whose key is the canary, kept in one of the sources."""

    cli: KeyringCli
    source: str
    toml: str
    allowed: set[Path] = field(default_factory=set)

    def profile(self, url: str) -> None:
        """Point the profile at a service."""
        self.cli.profile(self.toml.format(url=url))
        if self.source == "AZURE_INFERENCE_CREDENTIAL":
            self.cli.env["AZURE_INFERENCE_ENDPOINT"] = url
        if self.source == "keyring":
            origin = url.rstrip("/")
            self.cli.file.write_text(json.dumps({f"completions-cli p@{origin}": CANARY}), encoding="utf-8")

    def run(self, *args: str) -> Result:
        """Run, and find the canary nowhere it should not be."""
        (self.cli.home / "rows.jsonl").write_text('"hi"\n', encoding="utf-8")
        result = self.cli.run(*(str(self.cli.home / arg) if arg.endswith((".jsonl", ".json")) else arg for arg in args))
        assert result.code != 1, result.stderr
        assert CANARY not in result.text, (self.source, args)
        assert CANARY not in result.stderr, (self.source, args)
        for path in self.cli.home.rglob("*"):
            if path.is_file() and path not in self.allowed:
                assert CANARY.encode() not in path.read_bytes(), (self.source, args, path)
        return result


@pytest.fixture(params=SOURCES)
def holder(request: pytest.FixtureRequest, keyring_cli: KeyringCli) -> Holder:
    return _holder(request.param, keyring_cli)


@pytest.fixture
def keyring_holder(keyring_cli: KeyringCli) -> Holder:
    """Give one for whom it makes no difference where the key comes from."""
    return _holder("keyring", keyring_cli)


def _holder(source: str, keyring_cli: KeyringCli) -> Holder:
    toml = 'default_profile = "p"\n[profiles.p]\nendpoint = "{url}"\nretries = 1\n'
    key_file = keyring_cli.home / "key"
    key_file.write_text(CANARY + "\n", encoding="utf-8")
    if source in ("COMPLETIONS_API_KEY", "AZURE_INFERENCE_CREDENTIAL"):
        keyring_cli.env[source] = CANARY
    elif source == "COMPLETIONS_API_KEY_FILE":
        keyring_cli.env[source] = str(key_file)
    elif source == "key_command":
        toml += f'key_command = ["cat", "{key_file}"]\n'
    return Holder(keyring_cli, source, toml, {key_file, keyring_cli.file})


def test_no_answer_brings_the_key_to_light(keyring_holder: Holder) -> None:
    with scripted() as server:
        keyring_holder.profile(server.url)
        for name, script in ANSWERS.items():
            server.play(script)
            sent = len(server.requests)
            keyring_holder.run(*COMMANDS[0])
            assert CANARY.encode() in server.requests[sent], name  # or nothing was tested


def test_no_command_brings_the_key_to_light(keyring_holder: Holder, scripted_server: ScriptedServer) -> None:
    keyring_holder.profile(scripted_server.url)
    scripted_server.play(ANSWERS["a refusal that repeats it"])
    for command in COMMANDS:
        keyring_holder.run(*command)
    scripted_server.play(ANSWERS["a rejection that repeats it"])
    keyring_holder.run(*BATCH)
    assert any(CANARY.encode() in request for request in scripted_server.requests)


def test_no_source_gives_the_key_away(holder: Holder, scripted_server: ScriptedServer) -> None:
    holder.profile(scripted_server.url)
    scripted_server.play(ANSWERS["a refusal that repeats it"])
    for command in (COMMANDS[0], ["config", "show", "--origin"], ["config", "key", "status", "-vv"]):
        holder.run(*command)
    assert any(CANARY.encode() in request for request in scripted_server.requests)


def test_a_terminal_shows_it_no_more_than_a_pipe(keyring_holder: Holder, scripted_server: ScriptedServer) -> None:
    keyring_holder.profile(scripted_server.url)
    scripted_server.play(ANSWERS["a refusal that repeats it"])
    for command in (COMMANDS[0], ["config", "show", "--origin"], ["config", "doctor", "--probe"]):
        assert CANARY not in keyring_holder.cli.terminal(*command).text
    assert any(CANARY.encode() in request for request in scripted_server.requests)


def test_the_key_follows_no_redirect_to_another_origin_port_or_scheme(keyring_holder: Holder) -> None:
    with scripted() as server, scripted() as other:
        other.play([response(_REPLY)])
        keyring_holder.profile(server.url)
        for status, target in (
            ("301 Moved Permanently", f"{other.url}/completions"),
            ("302 Found", f"{server.url}/completions"),
            ("307 Temporary Redirect", f"{other.url}/completions"),
            ("308 Permanent Redirect", f"http://localhost:{server.port}/completions"),
            ("307 Temporary Redirect", f"https://127.0.0.1:{server.port}/completions"),
            ("308 Permanent Redirect", f"//127.0.0.1:{other.port}/completions"),
            ("307 Temporary Redirect", f"http://user@127.0.0.1:{other.port}/"),
        ):
            server.play([response(b"", status, [f"location: {target}"])])
            sent = len(server.requests)
            assert keyring_holder.run("complete", "hi").code == 10
            assert len(server.requests) == sent + 1
        assert other.requests == []
        server.play([response(b"", "307 Temporary Redirect", ["location: /v2/completions"])], [response(_REPLY)])
        assert keyring_holder.run("complete", "hi").code == 0
        assert CANARY.encode() in server.requests[-1]


def test_the_key_goes_over_http_to_nobody_but_this_machine(keyring_holder: Holder) -> None:
    keyring_holder.profile("http://nowhere.invalid")
    for command in (COMMANDS[0], ["stream", "hi"], ["config", "doctor", "--probe"]):
        result = keyring_holder.run(*command)
        assert result.code == 3
        assert "not sent over unencrypted http" in result.stderr


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("http://nowhere.invalid", f"api-key: {CANARY}"),
        ("http://nowhere.invalid", f"Authorization: Bearer {CANARY}"),
        ("http://nowhere.invalid", f"X-Gateway-Token: {CANARY}"),
        ("http://192.0.2.1", f"Cookie: session={CANARY}"),
        (f"http://nowhere.invalid/v1?code={CANARY}", "x-team: blue"),
    ],
)
def test_nor_does_a_header_or_parameter_that_may_hold_it(
    cli: Cli, tmp_path: Path, scripted_server: ScriptedServer, url: str, header: str
) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("a\n", encoding="utf-8")
    # Had anything been sent, this proxy would have it.
    whole = ["--endpoint", url, "--auth", "none", "-H", header, "--proxy", scripted_server.url, "--retries", "0"]
    for command in (
        ["complete", "hi"],
        ["stream", "hi"],
        ["score", "hi", "-c", " you"],
        ["models"],
        ["batch", str(rows), "-o", str(tmp_path / "answers.jsonl")],
        ["config", "doctor", "--probe"],
    ):
        result = cli.run(*command, *whole)
        assert result.code == 3, command
        assert "not sent over unencrypted http" in result.text + result.stderr
        assert CANARY not in result.text + result.stderr
    assert not scripted_server.requests


@pytest.mark.skipif(sys.platform == "win32", reason="needs sh")
def test_programs_that_we_start_do_not_inherit_it(holder: Holder, scripted_server: ScriptedServer) -> None:
    holder.profile(scripted_server.url)
    seen = holder.cli.home / "seen"
    editor = holder.cli.home / "editor"
    editor.write_text(f'#!/bin/sh\nenv >> {seen}\necho "$@" >> {seen}\n', encoding="utf-8")
    editor.chmod(0o755)
    holder.cli.env["EDITOR"] = str(editor)
    scripted_server.play([response(_REPLY)])
    holder.run("config", "edit")
    holder.run("complete", "-e")
    assert "PATH=" in seen.read_text(encoding="utf-8")


# What is no key yet


@pytest.mark.parametrize("key", [f"{CANARY} x", f"{CANARY}\n{CANARY}", f"{CANARY}\x1b[2J", f"{CANARY}é"])
def test_a_key_that_is_refused_is_not_repeated(keyring_cli: KeyringCli, key: str) -> None:
    keyring_cli.profile('[profiles.p]\nendpoint = "http://127.0.0.1:1"\n')
    for args, stdin, env in (
        (["complete", "hi", "-p", "p", "-vv"], b"", {"COMPLETIONS_API_KEY": key}),
        (["config", "doctor", "-p", "p", "-vv"], b"", {"COMPLETIONS_API_KEY": key}),
        (["config", "key", "status", "-p", "p"], b"", {"COMPLETIONS_API_KEY": key}),
        (["config", "key", "set", "--stdin", "-p", "p", "-vv"], key.encode(), {}),
    ):
        result = keyring_cli.run(*args, stdin=stdin, env=env)
        assert result.code == 3
        assert CANARY not in result.text + result.stderr


@pytest.mark.parametrize("backend", ["RaisingKeyring", "PlaintextKeyring"])
def test_a_keyring_that_fails_does_not_tell_what_it_was_given(keyring_cli: KeyringCli, backend: str) -> None:
    keyring_cli.profile('[profiles.p]\nendpoint = "http://127.0.0.1:1"\n')
    args = ["config", "key", "set", "--stdin", "-p", "p", "-vv"]
    result = keyring_cli.backend(backend).run(*args, stdin=CANARY.encode())
    assert result.code == 3
    assert CANARY not in result.text + result.stderr
    assert not keyring_cli.file.exists() or CANARY not in keyring_cli.file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "toml",
    [
        f'[profiles.p]\napi_key = "{CANARY}"\n',
        f'[profiles.p]\nkey = "{CANARY}\n',
        f'[profiles.p]\nauth = "{CANARY}"\n',
        f'[profiles.p]\nproxy = "http://u:{CANARY}@:x"\nendpoint = "https://nowhere.invalid"\n',
        f'[profiles.p.headers]\nX-Key = "{CANARY}\\n"\n',
        f'[profiles.p]\nendpoint = "https://u:{CANARY}@nowhere.invalid"\n',
        f'[profiles.p]\nkey_command = "{CANARY}"\n',
    ],
)
def test_a_profile_file_that_is_wrong_is_not_quoted(keyring_cli: KeyringCli, toml: str) -> None:
    keyring_cli.profile(toml)
    for args in (["complete", "hi"], ["config", "show"], ["config", "doctor"], ["config", "set", "timeout", "5"]):
        result = keyring_cli.run(*args, "-p", "p", "-vv")
        assert result.code in (0, 3)
        assert CANARY not in result.text + result.stderr, args


def test_profile_headers_and_proxy_passwords_stay_hidden(
    keyring_cli: KeyringCli, scripted_server: ScriptedServer
) -> None:
    keyring_cli.profile(f"""
default_profile = "p"
[profiles.p]
endpoint = "{scripted_server.url}"
auth = "none"
[profiles.p.headers]
X-Custom = "{CANARY}"
""")
    for script in ANSWERS.values():
        scripted_server.play(script)
        result = keyring_cli.run("complete", "hi", "-vv", "--retries", "0")
        assert CANARY not in result.text + result.stderr
    assert CANARY.encode() in scripted_server.requests[0]
    for args in (["complete", "hi", "--dry-run"], ["complete", "hi", "--curl"], ["config", "show"]):
        result = keyring_cli.run(*args)
        assert CANARY not in result.text + result.stderr
    env = {"HTTPS_PROXY": f"http://u:{CANARY}@127.0.0.1:1", "COMPLETIONS_ENDPOINT": "https://nowhere.invalid"}
    for args in (
        ["complete", "hi", "-vv"],
        ["config", "show"],
        ["config", "doctor", "--probe"],
        ["complete", "--curl"],
    ):
        result = (
            keyring_cli.run(*args, "--retries", "0" if args[0] == "complete" else "", env=env)
            if False
            else (keyring_cli.run(*args, env={**env, "COMPLETIONS_RETRIES": "0"}))
        )
        assert CANARY not in result.text + result.stderr, args


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with running(tmp_path) as started:
        yield started


def test_neither_client_secret_nor_token_is_shown(
    keyring_cli: KeyringCli, authority: Authority, scripted_server: ScriptedServer
) -> None:
    keyring_cli.profile(f"""
default_profile = "p"
[profiles.p]
endpoint = "{scripted_server.url}"
auth = "entra"
tenant_id = "contoso.com"
client_id = "c"
authority = "{authority.url}"
ca_bundle = "{authority.ca_file}"
retries = 0
""")
    keyring_cli.env["COMPLETIONS_API_KEY"] = CANARY
    told = {"error_description": f"AADSTS7000215: the secret {CANARY} is wrong", "error": CANARY}
    token = "issued-Qm7XvT2rKpZw"  # no piece of the secret
    issued, secret = ({"access_token": text, "expires_in": 3600} for text in (token, f"token-{CANARY}"))
    scripted_server.play([response(f"I do not know {token}".encode(), "403 Forbidden")])
    for answer in ((401, WRONG_SECRET), (401, told), (500, told), (200, issued), (200, secret), (200, [CANARY])):
        for args in (["complete", "hi", "-vv"], ["config", "doctor", "--probe", "-vv"]):
            authority.answers = [answer]
            keyring_cli.file.unlink(missing_ok=True)
            result = keyring_cli.run(*args)
            assert CANARY not in result.text + result.stderr, (answer, args)
            assert token not in result.text + result.stderr, (answer, args)
    assert any(token.encode() in request for request in scripted_server.requests)
    assert authority.forms[0]["client_secret"] == CANARY
