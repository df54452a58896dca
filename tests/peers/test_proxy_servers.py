"""tinyproxy and microsocks between us and a server: what passes, what is refused, and who is blamed."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from completions_cli.errors import NetworkError
from completions_cli.models import HttpRequest
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import SyncTransport
from tests.peers.programs import free_port, path_of, running
from tests.scripted_server import ScriptedServer, response
from tests.tls import tls_server, write_authority

Send = Callable[[str, Connection], int]
pytest.importorskip("socksio", reason="SOCKS needs the extra [socks]")


def _send_sync(url: str, connection: Connection) -> int:
    request = HttpRequest(url, {"api-key": "canary"}, b"{}")
    with SyncTransport(connection) as transport, transport.send(request, Patience(20, None)) as answer:
        return answer.status


def _send_async(url: str, connection: Connection) -> int:
    async def exchange() -> int:
        async with AsyncTransport(connection) as transport:
            return (await transport.send(HttpRequest(url, {"api-key": "canary"}, b"{}"))).status

    return asyncio.run(exchange())


@pytest.fixture(params=[_send_sync, _send_async], ids=["sync", "async"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send over each of the transports in turn."""
    sender: Send = request.param
    return sender


@contextlib.contextmanager
def _tinyproxy(folder: Path, *lines: str) -> Iterator[str]:
    port = free_port()
    config = folder / "tinyproxy.conf"
    config.write_text("\n".join([f"Port {port}", "Listen 127.0.0.1", "Timeout 20", *lines]) + "\n", encoding="utf-8")
    with running(folder, port, path_of("tinyproxy"), "-d", "-c", str(config)):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def _microsocks(folder: Path, *args: str) -> Iterator[str]:
    port = free_port()
    with running(folder, port, path_of("microsocks"), "-i", "127.0.0.1", "-p", str(port), *args):
        yield f"127.0.0.1:{port}"


def test_tinyproxy_tunnels_https_and_forwards_http(send: Send, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    authority = trustme.CA()
    ca = str(write_authority(authority, tmp_path))
    scripted_server.play([response(b"{}")])
    with tls_server(authority.issue_cert("127.0.0.1")) as server, _tinyproxy(tmp_path, "BasicAuth me secret") as at:
        through = Connection(proxy=f"http://me:secret@{at}", ca_bundle=ca)
        assert send(f"https://127.0.0.1:{server.port}/", through) == 200
        assert send(scripted_server.url, through) == 200
    assert b"canary" in scripted_server.requests[0]


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/", "http://127.0.0.1:1/"])
def test_tinyproxy_wants_credentials(url: str, send: Send, tmp_path: Path) -> None:
    with _tinyproxy(tmp_path, "BasicAuth me secret") as at, pytest.raises(NetworkError) as caught:
        send(url, Connection(proxy=f"http://{at}"))
    assert f"the proxy {at} refused: 407" in caught.value.message
    assert not caught.value.retryable


def test_tinyproxy_cannot_reach_the_endpoint(send: Send, tmp_path: Path) -> None:
    with _tinyproxy(tmp_path) as at, pytest.raises(NetworkError) as caught:
        send("https://127.0.0.1:1/", Connection(proxy=f"http://{at}"))
    assert f"the proxy {at} cannot reach the endpoint 127.0.0.1:1: 500 Unable to connect" in caught.value.message


def test_tinyproxy_forbids_the_port(send: Send, tmp_path: Path) -> None:
    with _tinyproxy(tmp_path, "ConnectPort 443") as at, pytest.raises(NetworkError) as caught:
        send("https://127.0.0.1:1/", Connection(proxy=f"http://{at}"))
    assert f"the proxy {at} refused: " in caught.value.message


@pytest.mark.parametrize("scheme", ["https", "socks5"])
def test_tinyproxy_taken_for_another_kind_of_proxy(scheme: str, send: Send, tmp_path: Path) -> None:
    with _tinyproxy(tmp_path) as at, pytest.raises(NetworkError) as caught:
        send("https://127.0.0.1:1/", Connection(proxy=f"{scheme}://{at}", connect_timeout=2))
    assert f"the proxy {at}" in caught.value.message


def test_microsocks_resolves_and_connects(send: Send, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    authority = trustme.CA()
    ca = str(write_authority(authority, tmp_path))
    scripted_server.play([response(b"{}")])
    with (
        tls_server(authority.issue_cert("localhost")) as server,
        _microsocks(tmp_path, "-u", "me", "-P", "secret") as at,
    ):
        through = Connection(proxy=f"socks5://me:secret@{at}", ca_bundle=ca)
        assert send(f"https://localhost:{server.port}/", through) == 200
        assert send(scripted_server.url, through) == 200


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://nowhere.invalid/", "https://127.0.0.1:1/"])
def test_microsocks_cannot_reach_the_endpoint(url: str, send: Send, tmp_path: Path) -> None:
    with _microsocks(tmp_path) as at, pytest.raises(NetworkError) as caught:
        send(url, Connection(proxy=f"socks5://{at}"))
    assert f"the proxy {at} cannot reach the endpoint " in caught.value.message


@pytest.mark.parametrize("credentials", ["", "me:other@"])
def test_microsocks_wants_credentials(credentials: str, send: Send, tmp_path: Path) -> None:
    with _microsocks(tmp_path, "-u", "me", "-P", "secret") as at, pytest.raises(NetworkError) as caught:
        send("http://127.0.0.1:1/", Connection(proxy=f"socks5://{credentials}{at}"))
    assert f"the proxy {at} " in caught.value.message
