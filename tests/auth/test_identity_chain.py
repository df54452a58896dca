"""Sign-in through azure-identity: what it sends, logs, says and gives back is bounded like our own sign-in."""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from completions_cli import AuthError, Client, ConfigError, MalformedResponseError
from completions_cli.api.masking import Mask
from tests.answers import ANSWER
from tests.auth.authority import Authority, running
from tests.command import Cli
from tests.scripted_server import ScriptedServer, response

pytest.importorskip("azure.identity", reason="needs the extra [entra]")
requests = pytest.importorskip("requests", reason="needs the extra [entra]")

SECRET = "sQx7Zp2Lm9Rt4Vb6Nc8Hd1Jf3Gk5Ws0Ya~"
ASSERTION = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJhdWQiOiJhcGk6Ly9BenVyZUFEIn0.c2lnbmF0dXJlLW9mLXRoZS1wb2Q"
APPLICATION = {
    "AZURE_TENANT_ID": "contoso.onmicrosoft.com",
    "AZURE_CLIENT_ID": "11111111-2222-3333-4444-555555555555",
    "AZURE_CLIENT_SECRET": SECRET,
    "AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential",
}
QUOTED = {"error": "invalid_client", "error_description": f"AADSTS7000215: Invalid client secret {SECRET} provided."}
PORTAL = f"Log in \x1b[31;1m first {SECRET}".encode()


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a `.netrc` with a login for every host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password canary\n", encoding="ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))


def use(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def client(server: ScriptedServer, authority: Authority) -> Client:
    return Client(
        server.url,
        auth="entra",
        scope="https://ml.azure.com/.default",
        authority=authority.url,
        ca_bundle=str(authority.ca_file),
    )


@pytest.mark.parametrize("held", [SECRET, f"aaa.{SECRET}.ccc", SECRET[3:30], SECRET.encode().hex()])
def test_a_token_that_holds_the_client_secret_is_refused(
    scripted_server: ScriptedServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    use(monkeypatch, APPLICATION)
    scripted_server.play([ANSWER])
    authority.answers = [(200, {"access_token": held, "expires_in": 3600, "token_type": "Bearer"})]
    with (
        client(scripted_server, authority) as caller,
        pytest.raises(MalformedResponseError, match="no token: the sign-in server gave") as caught,
    ):
        caller.complete("P")
    assert held not in caught.value.message
    assert scripted_server.requests == []


@pytest.mark.parametrize(("token", "passes"), [(ASSERTION, False), (ASSERTION[:45] + ".e30.another", True)])
def test_a_federated_token_that_comes_back_is_refused(
    scripted_server: ScriptedServer,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    token: str,
    passes: bool,
) -> None:
    """Tokens have parts in common, such as the name of an algorithm: only the whole is one."""
    file = tmp_path / "federated"
    file.write_text(ASSERTION, encoding="ascii")
    use(monkeypatch, {**APPLICATION, "AZURE_TOKEN_CREDENTIALS": "WorkloadIdentityCredential"})
    use(monkeypatch, {"AZURE_FEDERATED_TOKEN_FILE": str(file), "AZURE_AUTHORITY_HOST": authority.url})
    authority.answers = [(200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"})]
    scripted_server.play([ANSWER])
    with client(scripted_server, authority) as caller:
        if passes:
            assert caller.complete("P").text == "ok"
        else:
            with pytest.raises(MalformedResponseError):
                caller.complete("P")
    assert [form["client_assertion"] for form in authority.forms] == [ASSERTION]
    assert len(scripted_server.requests) == passes


def test_a_refusal_that_quotes_the_secret_does_not_show_it(
    scripted_server: ScriptedServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, APPLICATION)
    authority.answers = [(401, QUOTED)]
    with (
        client(scripted_server, authority) as caller,
        pytest.raises(AuthError, match=r"AADSTS7000215: Invalid client secret \*\*\*\* provided") as caught,
    ):
        caller.complete("P")
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("status", [200, 307, 400])
def test_a_page_in_place_of_a_token_reaches_no_terminal(
    cli: Cli, scripted_server: ScriptedServer, authority: Authority, status: int
) -> None:
    authority.answers = [(status, PORTAL)]
    cli.profile(
        f'[profiles.p]\nendpoint = "{scripted_server.url}"\nauth = "entra"\nscope = "https://ml.azure.com/.default"\n'
        f'authority = "{authority.url}"\nca_bundle = "{authority.ca_file}"\n'
    )
    done = cli.run("complete", "-p", "p", "P", env=APPLICATION)
    assert done.code == 4
    assert "no identity to sign in with" in done.stderr
    assert not re.search(r"\x1b|Traceback|Log in", done.stderr)
    assert len(done.stderr.splitlines()) == 2


def test_the_logging_of_a_program_is_its_own(
    scripted_server: ScriptedServer,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    use(monkeypatch, APPLICATION)
    loggers = [logging.getLogger(name) for name in ("azure", "msal")]
    scripted_server.play([ANSWER])
    with caplog.at_level(logging.INFO), client(scripted_server, authority) as caller:
        caller.complete("P")
    assert any(record.name.startswith("azure.identity") for record in caplog.records)
    assert [(logger.level, logger.propagate, logger.disabled) for logger in loggers] == [(0, True, False)] * 2


@pytest.mark.usefixtures("logins")
def test_neither_logins_nor_cookies_nor_proxies_come_along(
    scripted_server: ScriptedServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, APPLICATION)
    nobody = "http://127.0.0.1:9"
    use(monkeypatch, {"HTTPS_PROXY": nobody, "https_proxy": nobody, "ALL_PROXY": nobody})
    scripted_server.play([ANSWER])
    with client(scripted_server, authority) as caller:
        caller.complete("P")
    sent = [{name.lower() for name in head} for head in authority.heads]
    assert len(sent) == 2
    assert not [names for names in sent if names & {"authorization", "cookie", "proxy-authorization"}]


@pytest.mark.usefixtures("logins")
def test_a_managed_identity_is_asked_directly(
    scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, authority: Authority
) -> None:
    use(monkeypatch, {"AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"})
    use(monkeypatch, {"AZURE_POD_IDENTITY_AUTHORITY_HOST": scripted_server.url, "http_proxy": "http://127.0.0.1:9"})
    issued = {"access_token": "a-token", "expires_in": "3600", "expires_on": str(2**33)}
    scripted_server.play([response(json.dumps(issued | {"resource": "x", "token_type": "Bearer"}).encode())], [ANSWER])
    with client(scripted_server, authority) as caller:
        caller.complete("P")
    asked, called = scripted_server.requests
    assert asked.startswith(b"GET /metadata/identity/oauth2/token?")
    assert b"authorization:" not in asked.lower()
    assert b"authorization: bearer a-token" in called.lower()


class Recorder(requests.adapters.HTTPAdapter):  # type: ignore[misc,name-defined] # of a module that may be missing
    """Connects to nobody: notes through which proxies it was to do so."""

    def send(self, request: Any, *args: Any, proxies: Any = None, **options: Any) -> Any:
        del args, options
        self.proxies = proxies
        return requests.Response()


@pytest.mark.parametrize(
    ("url", "is_proxied"),
    [
        ("https://login.microsoftonline.com/t/oauth2/v2.0/token", True),
        ("https://10.0.0.1/adfs/oauth2/token", True),
        ("http://169.254.169.254/metadata/identity/oauth2/token", False),
        ("https://169.254.169.254/metadata/identity/oauth2/token", False),
        ("http://identity.internal/token", False),
        ("https://[fe80::1]/token", False),
    ],
)
def test_only_encrypted_requests_to_far_hosts_are_proxied(url: str, is_proxied: bool) -> None:
    from completions_cli.auth.identity_session import Session

    mask = Mask()
    with Session(lambda _: "http://me:canary-password@proxy.example:8080", mask) as session:
        recorder = Recorder()
        for scheme in ("http://", "https://"):
            session.mount(scheme, recorder)
        session.get(url)
    assert recorder.proxies == ({"https": "http://me:canary-password@proxy.example:8080"} if is_proxied else {})
    assert ("canary-password" in mask.secrets) == is_proxied


@pytest.mark.parametrize("variable", ["AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"])
def test_a_file_that_is_missing_is_no_bug(
    scripted_server: ScriptedServer, authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    use(monkeypatch, {**APPLICATION, variable: "/nowhere/file", "AZURE_TOKEN_CREDENTIALS": "prod"})
    monkeypatch.delenv("AZURE_CLIENT_SECRET")
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    with client(scripted_server, authority) as caller, pytest.raises((AuthError, ConfigError)):
        caller.complete("P")
