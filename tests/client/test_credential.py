"""A credential that a program brings along: asked for the endpoint's scope, and again when a token is refused."""

import asyncio
from dataclasses import dataclass, field

import pytest

from completions_cli import AsyncClient, AuthError, Client, ConfigError, UsageError
from tests.answers import ANSWER
from tests.scripted_server import ScriptedServer, response

REFUSED = response(b'{"error":{"message":"no"}}', "401 X")
SCOPE = "api://mine/.default"


@dataclass
class Issued:
    token: str
    expires_on: int = 2**33


@dataclass
class Issuer:
    """Issues a token of its own at each call, as azure-identity's credentials do once a token is old."""

    asked: list[str] = field(default_factory=list)

    def get_token(self, *scopes: str, tenant_id: str | None = None) -> Issued:
        assert tenant_id is None
        self.asked += scopes
        return Issued(f"canary-token-{len(self.asked)}")


class Awaited:
    async def get_token(self, *scopes: str) -> Issued:
        return Issued("never")


def tokens(server: ScriptedServer) -> list[bytes]:
    heads = [request.partition(b"\r\n\r\n")[0].lower() for request in server.requests]
    assert not any(b"\r\napi-key:" in head for head in heads)
    return [head.partition(b"\r\nauthorization: bearer ")[2].partition(b"\r\n")[0] for head in heads]


def test_one_token_serves_many_calls(scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER] * 2)
    issuer = Issuer()
    with Client(scripted_server.url, credential=issuer, scope=SCOPE) as client:
        assert [client.complete("P").text for _ in range(2)] == ["ok", "ok"]
    assert issuer.asked == [SCOPE]
    assert tokens(scripted_server) == [b"canary-token-1"] * 2


def test_a_refused_token_is_asked_for_once_more(scripted_server: ScriptedServer) -> None:
    scripted_server.play([REFUSED], [ANSWER])

    async def call() -> str:
        async with AsyncClient(scripted_server.url, credential=Issuer(), scope=SCOPE) as client:
            return (await client.complete("P")).text

    assert asyncio.run(call()) == "ok"
    assert tokens(scripted_server) == [b"canary-token-1", b"canary-token-2"]


def test_an_identity_that_is_refused_for_good(scripted_server: ScriptedServer) -> None:
    scripted_server.play([REFUSED], [REFUSED])
    with pytest.raises(AuthError), Client(scripted_server.url, credential=Issuer(), scope=SCOPE) as client:
        client.complete("P")
    assert len(scripted_server.requests) == 2


def test_the_scope_is_the_endpoints_own() -> None:
    issuer = Issuer()
    client = Client("https://name.region.inference.ml.azure.com/score", credential=issuer)
    assert client._settings[0].values["auth"] == "entra"
    with pytest.raises(ConfigError, match="is not known") as unknown:
        Client("https://far.example", credential=issuer)
    assert unknown.value.hint == "Give the scope of its tokens."


@pytest.mark.parametrize("also", [{"api_key": "k"}, {"client_secret": "k"}, {"auth": "key"}])
def test_it_stands_alone(also: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="by itself"):
        Client("https://x.models.ai.azure.com", credential=Issuer(), **also)  # type: ignore[arg-type] # texts


def test_an_application_needs_its_secret() -> None:
    with pytest.raises(ConfigError, match="no secret") as caught:
        Client("https://x.models.ai.azure.com", auth="entra", tenant_id="t.onmicrosoft.com", client_id="c")
    assert "client_secret" in str(caught.value.hint)


def test_no_token_over_plain_http() -> None:
    with pytest.raises(ConfigError, match="unencrypted"):
        Client("http://far.example", credential=Issuer(), scope=SCOPE)


def test_an_asynchronous_credential_is_refused(scripted_server: ScriptedServer) -> None:
    with (
        pytest.raises(ConfigError, match="asynchronous") as caught,
        Client(scripted_server.url, credential=Awaited(), scope=SCOPE) as client,  # type: ignore[arg-type] # the mistake
    ):
        client.complete("P")
    assert "azure.identity" in str(caught.value.hint)
