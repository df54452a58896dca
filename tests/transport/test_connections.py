"""TLS, proxies, redirects and names: where a request may go, and in whose company."""

import datetime as dt
from pathlib import Path

import pytest
import trustme

from tests.answers import ANSWER
from tests.command import Cli
from tests.scripted_server import ScriptedServer, response
from tests.tls import proxy, tls_server, write_authority

KEY = "test-key-0123456789"
HOST = "service.test"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Give a certificate authority that nobody else trusts."""
    return trustme.CA()


# TLS


def test_a_named_ca_file_is_trusted(cli: Cli, authority: trustme.CA, tmp_path: Path) -> None:
    ca = write_authority(authority, tmp_path)
    with tls_server(authority.issue_cert("127.0.0.1")) as server:
        result = cli.service(f"https://127.0.0.1:{server.port}").run("complete", "P", "--ca-bundle", str(ca))
    assert (result.code, result.text, result.stderr) == (0, "secure\n", "")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_file_of_the_environment_is_trusted(
    variable: str, cli: Cli, authority: trustme.CA, tmp_path: Path
) -> None:
    cli.env[variable] = str(write_authority(authority, tmp_path))
    with tls_server(authority.issue_cert("127.0.0.1")) as server:
        assert cli.service(f"https://127.0.0.1:{server.port}").run("complete", "P").text == "secure\n"


@pytest.mark.parametrize(
    ("kind", "words"),
    [("unknown issuer", "certificate is not accepted"), ("wrong host", "127.0.0.1"), ("expired", "expired")],
)
def test_a_bad_certificate_is_refused_and_no_key_sent(
    kind: str, words: str, cli: Cli, authority: trustme.CA, tmp_path: Path
) -> None:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = authority.issue_cert(
        "elsewhere.test" if kind == "wrong host" else "127.0.0.1", not_after=past if kind == "expired" else None
    )
    ca = [] if kind == "unknown issuer" else ["--ca-bundle", str(write_authority(authority, tmp_path))]
    with tls_server(certificate) as server:
        result = cli.service(f"https://127.0.0.1:{server.port}").run("complete", "P", *ca)
    assert (result.code, server.requests) == (10, [])
    assert words in result.stderr
    assert "trying again" not in result.stderr


def test_a_missing_ca_file_is_named_and_only_for_https(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    cli.env["SSL_CERT_FILE"] = "/nonexistent/ca.pem"
    assert cli.service(scripted_server.url).run("complete", "P").code == 0
    result = cli.service("https://127.0.0.1:1").run("complete", "P")
    assert (result.code, "SSL_CERT_FILE" in result.stderr) == (3, True)


def test_plain_text_behind_https(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([b"HTTP/1.1 200 OK\r\n\r\n"])
    result = cli.service(scripted_server.url.replace("http:", "https:")).run(
        "complete", "P", "--timeout", "2", "--connect-timeout", "2", "--retries", "0"
    )
    assert result.code in (10, 11)
    assert KEY.encode() not in b"".join(scripted_server.requests)


# Proxies


@pytest.mark.parametrize("how", ["flag", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_proxy_is_used(how: str, cli: Cli, authority: trustme.CA, tmp_path: Path) -> None:
    with tls_server(authority.issue_cert(HOST)) as server, proxy(server.port, user="me:pw") as gate:
        url = f"http://me:pw@127.0.0.1:{gate.port}"
        args = ["--proxy", url] if how == "flag" else []
        env = {} if how == "flag" else {how: url}
        ca = str(write_authority(authority, tmp_path))
        result = cli.service(f"https://{HOST}").run("complete", "P", "--ca-bundle", ca, *args, env=env)
    assert (result.code, result.text) == (0, "secure\n")
    assert gate.requests[0].startswith(f"CONNECT {HOST}:443 ".encode())
    assert KEY.encode() not in gate.requests[0]


@pytest.mark.parametrize(("user", "refuse"), [("me:other", False), (None, True)])
def test_a_proxy_that_refuses_is_named(
    user: str | None, refuse: bool, cli: Cli
) -> None:  # fmt: skip
    with proxy(1, user=user, refuse=refuse) as gate:
        result = cli.service(f"https://{HOST}").run(
            "complete", "P", "--proxy", f"http://me:hidden@127.0.0.1:{gate.port}"
        )
    assert (result.code, "proxy" in result.stderr, "hidden" in result.stderr) == (10, True, False)


@pytest.mark.parametrize("variables", [{"HTTP_PROXY": "x"}, {"http_proxy": "x"}, {"ALL_PROXY": "x"}])
def test_loopback_is_never_proxied(variables: dict[str, str], cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    env = dict.fromkeys(variables, "http://127.0.0.1:1") | {"NO_PROXY": "fe80::/10"}
    assert cli.service(scripted_server.url).run("complete", "P", env=env).code == 0


def test_no_proxy_is_obeyed(cli: Cli) -> None:
    env = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "other, .test"}
    result = cli.service("https://nowhere.service.test").run("complete", "P", "--retries", "0", env=env)
    assert (result.code, "resolved" in result.stderr) == (10, True)


@pytest.mark.parametrize("value", ["socks5://", "http://", "::::", "gopher://x"])
def test_a_proxy_that_is_no_url_is_refused(value: str, cli: Cli) -> None:
    result = cli.service(f"https://{HOST}").run("complete", "P", env={"HTTPS_PROXY": value})
    assert (result.code, "HTTPS_PROXY" in result.stderr) == (3, True)


# Where a key may go


def test_a_key_is_not_sent_over_plain_http_to_another_machine(cli: Cli) -> None:
    result = cli.service("http://service.test").run("complete", "P")
    assert (result.code, "https" in result.stderr) == (3, True)


@pytest.mark.parametrize("status", ["301 X", "302 X", "303 X", "307 X", "308 X"])
@pytest.mark.parametrize("where", ["port", "scheme", "host", "nowhere"])
def test_no_redirect_leads_to_another_origin(
    status: str, where: str, cli: Cli, scripted_server: ScriptedServer, authority: trustme.CA
) -> None:
    with tls_server(authority.issue_cert("127.0.0.1")) as other:
        targets = {
            "port": f"http://127.0.0.1:{other.port}/completions",
            "scheme": scripted_server.url.replace("http:", "https:") + "/completions",
            "host": scripted_server.url.replace("127.0.0.1", "localhost") + "/completions",
            "nowhere": "",
        }
        headers = [f"location: {targets[where]}"] if targets[where] else []
        scripted_server.play([response(b"", status, headers)])
        result = cli.service(scripted_server.url).run("complete", "P")
        assert (result.code, len(scripted_server.requests), other.requests) == (10, 1, [])
        assert targets[where] in result.stderr


@pytest.mark.parametrize(
    ("typed", "sent"),
    [("https://straße.test", "xn--strae-oqa.test"), ("https://STRASSE.test:8443", "strasse.test")],
)
def test_a_name_that_is_not_ascii_is_looked_for_under_one_name(typed: str, sent: str, cli: Cli, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("P\n", encoding="utf-8")
    with proxy(1, refuse=True) as gate:
        cli.service(typed).env["HTTPS_PROXY"] = f"http://127.0.0.1:{gate.port}"
        cli.run("complete", "P", "--retries", "0")
        cli.run("batch", str(rows), "-o", str(tmp_path / "out.jsonl"), "--retries", "0")
        shown = cli.run("config", "show")
    port = 8443 if "8443" in typed else 443
    assert {head.split(b"\r\n")[0] for head in gate.requests} == {f"CONNECT {sent}:{port} HTTP/1.1".encode()}
    assert f"https://{sent}" in shown.text


@pytest.mark.parametrize("location", ["/\x01", "https:x", "http://[::1", "/a\tb", "\\\\other.test", "javascript:x"])
def test_a_location_that_is_no_url_is_a_network_error(location: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b"", "307 X", [f"location: {location}"])])
    result = cli.service(scripted_server.url).run("complete", "P")
    assert (result.code, len(scripted_server.requests)) == (10, 1)
    assert "redirects to" in result.stderr


def test_a_password_in_an_endpoint_is_not_shown(cli: Cli) -> None:
    for command in ("complete", "stream", "batch"):
        args = ["-", "-o", str(cli.home / "out.jsonl")] if command == "batch" else ["P"]
        result = cli.run(command, *args, "--endpoint", "https://me:hunter2@service.test")
        assert (result.code, "hunter2" in result.stderr) == (3, False)


def test_profile_secrets_stay_with_their_own_server(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    cli.profile(
        """
        [profiles.blue]
        endpoint = "https://blue.test"
        [profiles.blue.headers]
        x-team = "canary-header"
        """
    )
    cli.env |= {
        "AZURE_INFERENCE_ENDPOINT": "https://green.test",
        "AZURE_INFERENCE_CREDENTIAL": "canary-credential",
    }
    refused = cli.run("complete", "P", "-p", "blue", "--endpoint", scripted_server.url)
    assert (refused.code, scripted_server.requests) == (3, [])
    assert cli.run("complete", "P", "-p", "blue", "--endpoint", scripted_server.url, "--auth", "none").code == 0
    assert b"canary" not in scripted_server.requests[0]


def test_the_azure_variables_work_together(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    cli.env |= {"AZURE_INFERENCE_ENDPOINT": scripted_server.url, "AZURE_INFERENCE_CREDENTIAL": KEY}
    assert cli.run("complete", "P").code == 0
    assert f"api-key: {KEY}".encode() in scripted_server.requests[0]


@pytest.mark.parametrize("key", ["two words", "ключ", "a\x07b"])
def test_an_impossible_key_is_refused_without_being_shown(key: str, cli: Cli, scripted_server: ScriptedServer) -> None:
    result = cli.service(scripted_server.url, key=key).run("complete", "P")
    assert (result.code, "COMPLETIONS_API_KEY" in result.stderr, key in result.stderr) == (3, True, False)


def test_a_pasted_newline_around_a_key_does_no_harm(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    assert cli.service(scripted_server.url, key=f" {KEY}\r\n").run("complete", "P").code == 0
    assert f"api-key: {KEY}\r\n".encode() in scripted_server.requests[0]


def test_a_key_file(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    path = cli.home / "key"
    path.write_text(KEY + "\n", encoding="utf-8")
    env = {"COMPLETIONS_API_KEY": "", "COMPLETIONS_API_KEY_FILE": str(path)}
    assert cli.service(scripted_server.url).run("complete", "P", env=env).code == 0
    missing = cli.run("complete", "P", env={**env, "COMPLETIONS_API_KEY_FILE": "/nonexistent"})
    assert (missing.code, "/nonexistent" in missing.stderr) == (3, True)
