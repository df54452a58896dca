"""A request shown instead of sent: nothing secret in it, and a command that a shell runs as it is meant."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from completions_cli.models import HttpRequest
from completions_cli.render import request as shown

SECRET = "canary-0123456789"
HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
    "content-type": "application/json",
    "authorization": f"Bearer {SECRET}",
    "api-key": SECRET,
    "x-team": 'it\'s $HOME `id` \\ "q" !!',
    "x-private": SECRET,
    "x-empty": "",
}
BODY = '{"prompt":"it\'s $HOME `id` \\\\ \\"q\\" é😀\\n","x":[1.0,100000000000000000000]}'
REQUEST = HttpRequest("https://example.com/completions?a=1&b=%20x", HEADERS, BODY.encode(), frozenset({"x-private"}))


def test_every_value_that_may_be_secret_is_masked() -> None:
    masked = shown.masked(REQUEST)
    assert SECRET not in str(masked)
    assert masked == HEADERS | {"authorization": "Bearer ****", "api-key": "****", "x-private": "****"}
    basic = HttpRequest("u", {"authorization": f"Basic {SECRET}"}, b"{}")
    assert shown.masked(basic) == {"authorization": "****"}


def test_a_dry_run_is_the_request_as_http_has_it() -> None:
    lines = shown.dry_run(REQUEST, as_json=False).split("\n")
    assert lines[0] == "POST https://example.com/completions?a=1&b=%20x"
    assert lines[1 : len(HEADERS) + 1] == [f"{name}: {value}" for name, value in shown.masked(REQUEST).items()]
    assert lines[len(HEADERS) + 1 :] == ["", BODY, ""]


def test_a_dry_run_as_json_is_one_object() -> None:
    text = shown.dry_run(REQUEST, as_json=True)
    assert text.count("\n") == 1
    assert SECRET not in text
    assert json.loads(text) == {
        "method": "POST",
        "url": REQUEST.url,
        "headers": shown.masked(REQUEST),
        "body": json.loads(BODY),
    }
    assert "100000000000000000000" in text


@pytest.fixture
def curl_arguments(tmp_path: Path) -> "CurlArguments":
    return CurlArguments(tmp_path)


class CurlArguments:
    """Runs a command line in a real shell where `curl` is a script that keeps its arguments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        script = folder / "curl"
        script.write_text('#!/bin/sh\nprintf "%s\\0" "$@" > "$0.arguments"\n', encoding="utf-8")
        script.chmod(0o755)

    def of(self, command: str, **variables: str) -> list[str]:
        environ = {"PATH": f"{self._folder}:{os.environ['PATH']}", **variables}
        subprocess.run(["/bin/sh", "-eu", "-c", command], env=environ, check=True, timeout=10)
        return (self._folder / "curl.arguments").read_bytes().decode().split("\0")[:-1]


def test_the_curl_command_sends_the_same_request(curl_arguments: CurlArguments) -> None:
    command = shown.curl(REQUEST, {})
    assert SECRET not in command
    arguments = curl_arguments.of(command, COMPLETIONS_API_KEY=SECRET, X_PRIVATE="private", HOME="/")
    assert arguments[:4] == ["--silent", "--show-error", "--fail-with-body", REQUEST.url]
    pairs = list(zip(arguments[4::2], arguments[5::2], strict=True))
    assert pairs == [
        ("--header", "accept: application/json"),
        ("--header", "content-type: application/json"),
        ("--header", f"authorization: Bearer {SECRET}"),
        ("--header", f"api-key: {SECRET}"),
        ("--header", f"x-team: {HEADERS['x-team']}"),
        ("--header", "x-private: private"),
        ("--header", "x-empty;"),
        ("--data-binary", BODY),
    ]


def test_a_stream_is_not_buffered_and_the_connection_is_the_same(curl_arguments: CurlArguments) -> None:
    request = HttpRequest("https://example.com", {"accept": "text/event-stream, application/json"}, b"{}")
    command = shown.curl(request, {"proxy": "http://proxy:3128", "ca_bundle": "/a b/ca.pem"})
    arguments = curl_arguments.of(command)
    assert arguments[3:9] == ["--no-buffer", "--proxy", "http://proxy:3128", "--cacert", "/a b/ca.pem", request.url]
    local = shown.curl(
        HttpRequest("http://localhost", {}, b"{}"), {"proxy": "http://u:p@proxy", "ca_bundle": "/ca.pem"}
    )
    assert "u:p" not in local
    assert "--cacert" not in local


@pytest.mark.parametrize(
    ("proxy", "named"),
    [
        ("socks://127.0.0.1:9", ["--proxy", "socks5h://127.0.0.1:9"]),
        ("socks5://127.0.0.1:9", ["--proxy", "socks5h://127.0.0.1:9"]),
        ("socks5h://127.0.0.1:9", ["--proxy", "socks5h://127.0.0.1:9"]),
        ("https://proxy:443", ["--proxy", "https://proxy:443"]),
        ("http://u:p@proxy:1", ["--proxy", "http://proxy:1", "--proxy-user", SECRET]),
    ],
)
def test_curl_takes_the_same_proxy_and_resolves_names_there_too(
    proxy: str, named: list[str], curl_arguments: CurlArguments
) -> None:
    command = shown.curl(HttpRequest("https://example.com", {}, b"{}"), {"proxy": proxy})
    arguments = curl_arguments.of(command, PROXY_USER=SECRET)
    assert arguments[3 : arguments.index("https://example.com")] == named


def test_a_body_too_long_for_an_argument_is_read_from_a_document(curl_arguments: CurlArguments, tmp_path: Path) -> None:
    body = BODY.replace("it", "it" * 20_000)
    command = shown.curl(HttpRequest("http://localhost", {}, body.encode()), {})
    (tmp_path / "curl").write_text(
        '#!/bin/sh\ncat > "$0.body"\nprintf "%s\\0" "$@" > "$0.arguments"\n', encoding="utf-8"
    )
    assert curl_arguments.of(command)[-2:] == ["--data-binary", "@-"]
    assert (tmp_path / "curl.body").read_text(encoding="utf-8") == body + "\n"


@pytest.mark.parametrize("name", ["x-key`id`", "x$(id)-key", "1-key", "x'key", "key!x"])
def test_a_header_name_runs_nothing_in_the_shell(curl_arguments: CurlArguments, name: str) -> None:
    request = HttpRequest("http://localhost", {name: SECRET}, b"{}")
    variable = "".join(char if char.isalnum() else "_" for char in name.upper())
    variable = f"_{variable}" if variable[0].isdigit() else variable
    arguments = curl_arguments.of(shown.curl(request, {}), **{variable: "value"})
    assert f"{name}: value" in arguments


def test_an_authorization_of_another_kind_is_no_bearer_key() -> None:
    request = HttpRequest("http://localhost", {"authorization": f"Basic {SECRET}"}, b"{}")
    command = shown.curl(request, {})
    assert '"authorization: $AUTHORIZATION"' in command
    assert SECRET not in command
