"""Signing the requests of a batch: a token that was refused is renewed once, for everybody."""

import asyncio
import json

import pytest

from completions_cli.api import endpoint
from completions_cli.api.service import Service
from completions_cli.auth.secret import Sealed, SecretHeaders
from completions_cli.batch.exchange import Exchange, Failure
from completions_cli.errors import AuthError
from completions_cli.models import CompletionRequest
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from tests.answers import ANSWER
from tests.scripted_server import ScriptedServer, response

REFUSAL = response(b'{"error":"the token canary-1 is old"}', "401 X")


class Tokens:
    """Credentials whose token can be renewed so many times."""

    def __init__(self, renewals: int) -> None:
        self.number = 1
        self.last = renewals + 1

    def headers(self) -> SecretHeaders:
        return Sealed({"authorization": f"Bearer canary-{self.number}"})

    def refresh(self) -> bool:
        if self.number == self.last:
            return False
        self.number += 1
        return True


def send(server: ScriptedServer, tokens: Tokens, count: int) -> list[str]:
    """Send so many requests at once; give their texts."""

    async def all_at_once() -> list[str]:
        async with AsyncTransport(Connection()) as transport:
            exchange = Exchange(Service(endpoint.resolve(server.url)), tokens, transport)
            requests = [CompletionRequest(f"prompt {number}") for number in range(count)]
            replies = await asyncio.gather(*[exchange.send(request) for request in requests])
            return [reply.response["choices"][0]["text"] for reply in replies]

    return asyncio.run(all_at_once())


def test_one_renewal_serves_all(scripted_server: ScriptedServer) -> None:
    scripted_server.play(*[[REFUSAL]] * 4, [ANSWER])
    tokens = Tokens(renewals=5)
    assert send(scripted_server, tokens, 4) == ["ok"] * 4
    assert tokens.number == 2
    assert sum(b"canary-2" in request for request in scripted_server.requests) == 4


@pytest.mark.parametrize("renewals", [0, 1])
def test_a_token_that_stays_refused_is_a_failure_that_hides_it(renewals: int, scripted_server: ScriptedServer) -> None:
    scripted_server.play([REFUSAL])
    with pytest.raises(Failure) as caught:
        send(scripted_server, Tokens(renewals), 1)
    error = caught.value.error
    assert isinstance(error, AuthError)
    assert error.message == "the token **** is old"
    assert len(scripted_server.requests) == 1 + renewals


def test_every_request_has_an_id_of_its_own(scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    send(scripted_server, Tokens(0), 5)
    lines = [line for request in scripted_server.requests for line in request.lower().split(b"\r\n")]
    found = {line.partition(b": ")[2] for line in lines if line.startswith(b"x-ms-client-request-id")}
    assert len(found) == 5
    assert all(len(name) == 36 and name[14:15] == b"4" for name in found)


def test_what_orjson_cannot_write_is_sent_all_the_same(scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])

    async def one() -> None:
        async with AsyncTransport(Connection()) as transport:
            exchange = Exchange(Service(endpoint.resolve(scripted_server.url)), Tokens(0), transport)
            await exchange.send(CompletionRequest("half \ud83d of a pair", {"seed": 2**70}))

    asyncio.run(one())
    body = json.loads(scripted_server.requests[0].partition(b"\r\n\r\n")[2])
    assert body == {"prompt": "half \ud83d of a pair", "seed": 2**70}
