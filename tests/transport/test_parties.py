"""Every way in which a connection fails names who failed: the endpoint or the proxy, with host and port."""

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme

from completions_cli.errors import CompletionsError, NetworkError
from completions_cli.models import HttpRequest
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import SyncTransport
from tests.scripted_server import HangUp, Reset, Script, Silence, response, scripted
from tests.socks_server import socks_server
from tests.tls import proxy, tls_server, write_authority

pytest.importorskip("socksio", reason="SOCKS needs the extra [socks]")

Send = Callable[[str, Connection], int]
TARGET = "service.test"


def _request(url: str) -> HttpRequest:
    return HttpRequest(url, {"content-type": "application/json", "api-key": "canary"}, b"{}")


def _send_sync(url: str, connection: Connection) -> int:
    with SyncTransport(connection) as transport, transport.send(_request(url), Patience(20, 20)) as answer:
        b"".join(answer.body())
        return answer.status


def _send_async(url: str, connection: Connection) -> int:
    async def exchange() -> int:
        async with AsyncTransport(connection) as transport:
            return (await transport.send(_request(url))).status

    return asyncio.run(exchange())


def _open_async(url: str, connection: Connection) -> int:
    async def exchange() -> int:
        async with AsyncTransport(connection) as transport, transport.open(_request(url), Patience(20, 20)) as answer:
            return answer.status

    return asyncio.run(exchange())


@pytest.fixture(params=[_send_sync, _send_async, _open_async], ids=["sync", "async", "opened"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send over each of the transports in turn."""
    sender: Send = request.param
    return sender


@dataclass(frozen=True)
class Case:
    """What stands at the proxy's port, how it is spoken to, whom the error blames, words of it, and if it may pass."""

    script: Script
    words: str
    target: str = f"https://{TARGET}/"
    proxy: str | None = "http"
    retryable: bool | None = None


NO_HTTP = b"SSH-2.0-OpenSSH_9\r\n\r\n"
THROUGH = "no connection to the endpoint service.test:{target_port} through the proxy 127.0.0.1:{port} within 0.4 s"
CASES = {
    "the proxy forbids": Case([response(b"", "403 Forbidden")], "the proxy 127.0.0.1:{port} refused: 403 Forbidden"),
    "the proxy wants credentials": Case([response(b"", "407 X")], "the proxy 127.0.0.1:{port} refused: 407"),
    "a proxy of plain http wants credentials": Case(
        [response(b"no", "407 X")], "the proxy 127.0.0.1:{port} refused: 407", target="http://service.test/"
    ),
    "a hidden proxy wants credentials": Case(
        [response(b"no", "407 X")], "a proxy before the endpoint 127.0.0.1:{port} refused: 407", target="", proxy=None
    ),
    "the proxy hangs up": Case(
        [HangUp()], "the connection to the proxy 127.0.0.1:{port} was closed before an answer came", retryable=True
    ),
    "a proxy of plain http hangs up": Case(
        [HangUp()],
        "the connection to the proxy 127.0.0.1:{port} was closed before an answer came",
        target="http://service.test/",
        retryable=True,
    ),
    "the proxy resets": Case(
        [Reset()], "the connection to the proxy 127.0.0.1:{port} was closed before an answer came", retryable=True
    ),
    "the proxy says nothing": Case([Silence()], THROUGH, retryable=True),
    "the SOCKS proxy says nothing": Case([Silence()], THROUGH, proxy="socks5", retryable=True),
    "the SOCKS proxy of plain http says nothing": Case(
        [Silence()], THROUGH, target="http://service.test/", proxy="socks5", retryable=True
    ),
    "the https proxy says nothing": Case([Silence()], THROUGH, proxy="https", retryable=True),
    "TLS meets silence": Case(
        [Silence()],
        "no connection to the endpoint 127.0.0.1:{port} within 0.4 s",
        target="tls",
        proxy=None,
        retryable=True,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_one_who_failed_is_named(name: str, send: Send) -> None:
    case = CASES[name]
    with scripted() as server:
        server.play(case.script)
        via = None if case.proxy is None else server.url.replace("http", case.proxy)
        url = {"": server.url, "tls": server.url.replace("http", "https")}.get(case.target, case.target)
        error = _failure(send, url, Connection(proxy=via, connect_timeout=0.4))
        words = case.words.format(port=server.port, target_port=443 if url.startswith("https") else 80)
    assert error.message.startswith(words)
    assert isinstance(error, NetworkError)
    assert case.retryable is None or error.retryable is case.retryable


@pytest.mark.parametrize("status", ["500 Unable to connect", "502 Bad Gateway", "503 X", "504 Gateway Timeout"])
def test_a_proxy_that_cannot_reach_the_endpoint_is_not_blamed_alone(status: str, send: Send) -> None:
    with scripted() as server:
        server.play([response(b"", status)])
        error = _failure(send, f"https://{TARGET}/", Connection(proxy=server.url))
        who = f"the proxy 127.0.0.1:{server.port}"
    assert error.message == f"{who} cannot reach the endpoint {TARGET}:443: {status}"
    assert "endpoint" in str(error.hint)
    assert error.retryable


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("reply", [1, 3, 4, 5, 6])
def test_a_socks_proxy_that_cannot_reach_the_endpoint_says_so(scheme: str, reply: int, send: Send) -> None:
    with socks_server(1, reply=reply) as gate:
        error = _failure(send, f"{scheme}://{TARGET}/", Connection(proxy=f"socks5://127.0.0.1:{gate.port}"))
    port = 443 if scheme == "https" else 80
    assert error.message.startswith(f"the proxy 127.0.0.1:{gate.port} cannot reach the endpoint {TARGET}:{port}: ")
    assert gate.requests == [f"{TARGET}:{port}".encode()]


@pytest.mark.parametrize(
    ("user", "reply", "words"),
    [
        ("me:pw", 0, "it accepts no way to sign in that was offered"),
        ("me:other", 0, "it does not accept the user name and password"),
        (None, 2, "its rules do not allow the connection"),
        (None, 7, "command not supported"),
    ],
)
def test_a_socks_proxy_that_refuses_is_blamed(user: str | None, reply: int, words: str, send: Send) -> None:
    credentials = "me:pw@" if user == "me:other" else ""
    with socks_server(1, reply=reply, user=user) as gate:
        url = f"socks5://{credentials}127.0.0.1:{gate.port}"
        error = _failure(send, f"http://{TARGET}/", Connection(proxy=url))
    assert error.message == f"the proxy 127.0.0.1:{gate.port} refused: {words}"


@pytest.mark.parametrize("scheme", ["socks5", "socks5h", "socks"])
def test_names_behind_socks_are_resolved_by_the_proxy(scheme: str, send: Send) -> None:
    with scripted() as server, socks_server(server.port, user="me:p w") as gate:
        server.play([response(b"{}")])
        url = f"{scheme}://me:p%20w@127.0.0.1:{gate.port}"
        place = f"nowhere.invalid:{server.port}"
        assert send(f"http://{place}/", Connection(proxy=url)) == 200
    assert gate.requests == [place.encode()]
    assert b"host: nowhere.invalid:" in server.requests[0].lower()


@pytest.mark.parametrize("target", [f"https://{TARGET}/", f"http://{TARGET}/"])
def test_an_http_server_taken_for_a_socks_proxy(target: str, send: Send) -> None:
    with _says_to_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") as port:
        error = _failure(send, target, Connection(proxy=f"socks5://127.0.0.1:{port}", connect_timeout=5))
    assert f"the proxy 127.0.0.1:{port} " in error.message


@pytest.mark.parametrize("target", [f"https://{TARGET}/", f"http://{TARGET}/"])
def test_an_https_proxy_that_speaks_plain_http(target: str, send: Send) -> None:
    with _says_to_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") as port:
        error = _failure(send, target, Connection(proxy=f"https://127.0.0.1:{port}", connect_timeout=5))
    assert error.message.startswith(f"TLS with the proxy 127.0.0.1:{port} failed: ")
    assert "http://HOST:PORT" in str(error.hint)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_what_fails_behind_a_tunnel_is_the_endpoints(scheme: str, send: Send) -> None:
    with tls_server(trustme.CA().issue_cert(TARGET)) as server, _tunnel(scheme, server.port) as via:
        error = _failure(send, f"https://{TARGET}/", Connection(proxy=via))
        assert f"TLS with the endpoint {TARGET}:443 failed: its certificate is not accepted: " in error.message
    with _says_to_all(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, _tunnel(scheme, port) as via:
        error = _failure(send, f"https://{TARGET}/", Connection(proxy=via))
        assert f"TLS with the endpoint {TARGET}:443 failed: " in error.message


def test_the_certificate_of_an_https_proxy_is_the_proxys(send: Send) -> None:
    with tls_server(trustme.CA().issue_cert("127.0.0.1")) as server:
        error = _failure(send, f"https://{TARGET}/", Connection(proxy=f"https://127.0.0.1:{server.port}"))
    assert error.message.startswith(f"TLS with the proxy 127.0.0.1:{server.port} failed: its certificate")


def test_an_address_of_ipv6_goes_through_a_proxy_with_its_brackets(tmp_path: Path) -> None:
    authority = trustme.CA()
    ca = str(write_authority(authority, tmp_path))
    with tls_server(authority.issue_cert("2001:db8::1")) as server, proxy(server.port) as gate:
        connection = Connection(ca_bundle=ca, proxy=f"http://127.0.0.1:{gate.port}")
        assert _send_sync("https://[2001:db8::1]/", connection) == 200
    assert gate.requests[0].startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n")


def test_the_sign_in_server_is_called_that(send: Send) -> None:
    connection = replace(Connection(), server="sign-in server")
    error = _failure(send, "http://127.0.0.1:1/", connection)
    assert error.message == "no connection to the sign-in server 127.0.0.1:1: Connection refused"
    assert "authority" in str(error.hint)


def _failure(send: Send, url: str, connection: Connection) -> NetworkError:
    with pytest.raises(CompletionsError) as caught:
        send(url, connection)
    assert isinstance(caught.value, NetworkError), caught.value
    assert caught.value.hint
    assert re.search(r"\b(endpoint|proxy|sign-in server) \S+:[0-9]+", caught.value.message)
    assert "canary" not in caught.value.message
    return caught.value


@contextlib.contextmanager
def _tunnel(scheme: str, port: int) -> Iterator[str]:
    with socks_server(port) if scheme == "socks5" else proxy(port) as gate:
        yield f"{scheme}://127.0.0.1:{gate.port}"


@contextlib.contextmanager
def _says_to_all(words: bytes) -> Iterator[int]:
    """Answer the first bytes of each connection, whatever they are, and close it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(words)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=10)
