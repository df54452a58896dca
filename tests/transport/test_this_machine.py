"""localhost is this machine, whatever a resolver says: keys go there unencrypted."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest

from completions_cli import AsyncClient, Client, NetworkError
from tests.answers import answer
from tests.scripted_server import ScriptedServer

ANSWER = answer("hello")
Answers = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Make localhost mean some addresses."""
    really = socket.getaddrinfo

    def answer(*addresses: str) -> None:
        def look_up(host: str | bytes, port: int, *args: int, **options: int) -> Answers:
            if host not in ("localhost", b"localhost"):
                return really(host, port, *args, **options)  # type: ignore[return-value] # an address
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    yield answer
    monkeypatch.undo()


def call(url: str) -> str:
    with Client(url, api_key="k-0123456789", retries=0, connect_timeout=5) as client:
        return client.complete("P").text


def call_awaited(url: str) -> str:
    async def run() -> str:
        async with AsyncClient(url, api_key="k-0123456789", retries=0, connect_timeout=5) as client:
            return (await client.complete("P")).text

    return asyncio.run(run())


@pytest.mark.parametrize("caller", [call, call_awaited])
def test_a_resolver_cannot_send_it_elsewhere(caller: Callable[[str], str], resolve: Callable[..., None]) -> None:
    resolve("192.0.2.1")
    with pytest.raises(NetworkError, match="endpoint localhost:9: its name points to another machine here"):
        caller("http://localhost:9")


def test_an_address_of_another_machine_is_left_out(
    scripted_server: ScriptedServer, resolve: Callable[..., None]
) -> None:
    scripted_server.play([ANSWER])
    resolve("192.0.2.1", "127.0.0.1")
    assert call(f"http://localhost:{scripted_server.port}") == "hello"


@pytest.mark.parametrize("caller", [call, call_awaited])
def test_what_it_means_everywhere_is_reached(caller: Callable[[str], str], scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    assert caller(f"http://localhost:{scripted_server.port}") == "hello"
