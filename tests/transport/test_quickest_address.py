"""Several addresses of a host, over the asynchronous transport: a dead one holds nobody up, and is left when it dies."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
import trustme

from completions_cli.errors import NetworkError
from completions_cli.models import HttpRequest
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from tests.scripted_server import ScriptedServer, response
from tests.tls import proxy, tls_server

NAME = "several.test"  # which only the tests' own resolver knows
DEAD, WELL, OTHER = "127.0.0.2", "127.0.0.1", "127.0.0.3"
Answers = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]]


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make the name mean some addresses."""
    really = socket.getaddrinfo

    def answer(*addresses: str) -> None:
        def look_up(host: str | bytes, port: int, *args: int, **options: int) -> Answers:
            if host != NAME.encode():
                return really(host, port, *args, **options)  # type: ignore[return-value] # an address
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return answer


@contextlib.contextmanager
def _silent(port: int, *addresses: str) -> Iterator[None]:
    """Listen on the dead addresses with queues that are full: what connects gets no answer at all."""
    with contextlib.ExitStack() as stack:
        for address in addresses or (DEAD,):
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(0)
            for _ in range(2):
                queued = stack.enter_context(socket.socket())
                queued.setblocking(False)
                queued.connect_ex((address, port))
        yield


async def _ask(transport: AsyncTransport, port: int) -> int:
    return (await transport.send(HttpRequest(f"http://{NAME}:{port}/", {}, b"{}"))).status


def test_a_dead_first_address_holds_up_neither_one_request_nor_many(
    scripted_server: ScriptedServer, resolve: Callable[..., None]
) -> None:
    resolve(DEAD, WELL)
    scripted_server.play(*([response(b"{}")] for _ in range(8)))

    async def ask() -> list[int]:
        async with AsyncTransport(Connection(connect_timeout=None)) as transport:
            return await asyncio.gather(*(_ask(transport, scripted_server.port) for _ in range(8)))

    with _silent(scripted_server.port):
        assert asyncio.run(ask()) == [200] * 8


def test_so_of_a_proxy(scripted_server: ScriptedServer, resolve: Callable[..., None]) -> None:
    resolve(DEAD, WELL)
    scripted_server.play([response(b"{}")])

    async def ask() -> int:
        far = Connection(connect_timeout=None, proxy=f"http://{NAME}:{scripted_server.port}")
        async with AsyncTransport(far) as transport:
            return (await transport.send(HttpRequest("http://far.test/", {}, b"{}"))).status

    with _silent(scripted_server.port):
        assert asyncio.run(ask()) == 200


def test_an_address_that_dies_is_left_for_another(resolve: Callable[..., None]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(response(b"{}"))
        await writer.drain()
        writer.close()

    async def ask() -> tuple[int, str, int]:
        async with AsyncTransport(Connection(connect_timeout=5)) as transport:
            async with await asyncio.start_server(answer, WELL) as server:
                port: int = server.sockets[0].getsockname()[1]
                with _silent(port):
                    first = await _ask(transport, port)
            resolve(WELL, OTHER)
            async with await asyncio.start_server(answer, OTHER, port):
                with pytest.raises(NetworkError) as caught:
                    await _ask(transport, port)
                return first, caught.value.message, await _ask(transport, port)

    resolve(DEAD, WELL)
    first, broken, last = asyncio.run(ask())
    assert (first, last) == (200, 200)
    assert "Connection refused" in broken


def test_where_none_answers_that_is_told_within_the_time_for_connecting(
    scripted_server: ScriptedServer, resolve: Callable[..., None]
) -> None:
    resolve(DEAD, OTHER)

    async def ask() -> list[int | BaseException]:
        async with AsyncTransport(Connection(connect_timeout=0.5)) as transport:
            asked = (_ask(transport, scripted_server.port) for _ in range(64))
            return await asyncio.gather(*asked, return_exceptions=True)

    with _silent(scripted_server.port, DEAD, OTHER):
        found = asyncio.run(ask())
    said = f"no connection to the endpoint {NAME}:{scripted_server.port} within 0.5 s (--connect-timeout)"
    assert [str(error) for error in found] == [said] * 64


def test_a_caller_that_gives_up_leaves_the_start_to_the_others(
    scripted_server: ScriptedServer, resolve: Callable[..., None]
) -> None:
    resolve(DEAD, WELL)
    scripted_server.play([response(b"{}")])

    async def ask() -> int:
        async with AsyncTransport(Connection(connect_timeout=None)) as transport:
            first, second = (asyncio.create_task(_ask(transport, scripted_server.port)) for _ in range(2))
            await asyncio.sleep(0)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            return await second

    with _silent(scripted_server.port):
        assert asyncio.run(ask()) == 200


def test_an_ipv6_address_over_https_through_a_proxy_fails_with_a_reason() -> None:
    async def ask(port: int) -> int:
        async with AsyncTransport(Connection(proxy=f"http://127.0.0.1:{port}")) as transport:
            return (await transport.send(HttpRequest("https://[::1]:8443/", {}, b"{}"))).status

    said = r"cannot reach the endpoint \[::1\]:8443, an IPv6 address, over https through a proxy"
    with (
        tls_server(trustme.CA().issue_cert("::1")) as server,
        proxy(server.port) as tunnel,
        pytest.raises(NetworkError, match=said),
    ):
        asyncio.run(ask(tunnel.port))
