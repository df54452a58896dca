"""The way of an event loop to a Unix socket: whole answers, streams, and nobody else's requests."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from completions_cli import AsyncClient
from completions_cli.errors import NetworkError
from completions_cli.transport.unix_relay import UnixRelay
from tests.answers import document
from tests.scripted_server import ScriptedServer, response, scripted

TARGET = b"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"
WHOLE = document("here")


@pytest.fixture
def unix_server(tmp_path: Path) -> Iterator[tuple[ScriptedServer, str]]:
    """Give a server on a Unix socket, and the path of that."""
    path = str(tmp_path / "s")
    with scripted(path) as server:
        server.play([response(WHOLE)])
        yield server, path


def test_a_program_has_answers_and_streams(unix_server: tuple[ScriptedServer, str]) -> None:
    server, path = unix_server

    async def ask() -> list[str]:
        async with AsyncClient("http://localhost/v1", auth="none", unix_socket=path) as client:
            answers = await asyncio.gather(*(client.complete(f"P{number}") for number in range(20)))
            streamed = [delta.text async for delta in client.stream("Q")]
            return [answer.text for answer in answers] + streamed

    assert asyncio.run(ask()) == ["here"] * 21
    assert len(server.requests) == 21


def test_one_event_loop_after_another_may_use_it(unix_server: tuple[ScriptedServer, str]) -> None:
    server, path = unix_server
    client = AsyncClient("http://localhost/v1", auth="none", unix_socket=path)

    async def ask(*, is_last: bool) -> str:
        answer = await client.complete("P")
        if is_last:
            await client.close()
        return answer.text

    assert [asyncio.run(ask(is_last=number == 2)) for number in range(3)] == ["here"] * 3
    assert len(server.requests) == 3


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = str(tmp_path / "nothing")

    async def ask() -> None:
        async with AsyncClient("http://localhost/v1", auth="none", unix_socket=path, retries=0) as client:
            await client.complete("P")

    with pytest.raises(NetworkError, match=f"no connection to the endpoint {path}: No such file"):
        asyncio.run(ask())


async def _heard(relay: UnixRelay, *sent: bytes, ends: bool = False) -> bytes:
    """Return all that the relay answers. It closes the connection itself, unless it `ends` here."""
    proxy = urlsplit(relay.proxy)
    reader, writer = await asyncio.open_connection(proxy.hostname, proxy.port)
    writer.write(b"".join(sent))
    if ends:
        writer.write_eof()
    heard = await reader.read()
    writer.close()
    return heard


def _greeting(relay: UnixRelay, password: str) -> bytes:
    user = urlsplit(relay.proxy).username or ""
    return b"\x05\x01\x02\x01" + bytes([len(user)]) + user.encode() + bytes([len(password)]) + password.encode()


def test_nobody_gets_through_without_the_password(unix_server: tuple[ScriptedServer, str]) -> None:
    server, path = unix_server

    async def knock(relay: UnixRelay) -> list[bytes]:
        known = _greeting(relay, urlsplit(relay.proxy).password or "")
        return [
            await _heard(relay, b"\x05\x01\x00"),
            await _heard(relay, _greeting(relay, "guess")),
            await _heard(relay, known, TARGET, ends=True),
        ]

    with contextlib.closing(UnixRelay(path)) as relay:
        without, guessed, known = asyncio.run(knock(relay))
    assert (without, guessed) == (b"\x05\xff", b"\x05\x02\x01\x01")
    assert known.startswith(b"\x05\x02\x01\x00\x05\x00")
    assert server.requests == []


def test_a_server_whose_queue_is_full_is_waited_for(tmp_path: Path) -> None:
    path = str(tmp_path / "s")

    async def ask() -> bytes:
        with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
            listener.bind(path)
            listener.listen(0)
            with contextlib.suppress(BlockingIOError):
                while True:  # until the queue is full
                    one = stack.enter_context(socket.socket(socket.AF_UNIX))
                    one.setblocking(False)
                    one.connect(path)
            relay = stack.enter_context(contextlib.closing(UnixRelay(path)))
            accepting = asyncio.create_task(_accept_all(listener, stack))
            known = _greeting(relay, urlsplit(relay.proxy).password or "")
            heard = await _heard(relay, known, TARGET, ends=True)
            accepting.cancel()
            return heard

    assert asyncio.run(ask())[4:6] == b"\x05\x00"


async def _accept_all(listener: socket.socket, stack: contextlib.ExitStack) -> None:
    listener.setblocking(False)
    while True:
        accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
        stack.enter_context(accepted)
