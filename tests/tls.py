"""A TLS server of the tests' own authority, and a proxy in front of it."""

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from tests.answers import answer
from tests.scripted_server import read_request

ANSWER = answer("secure")


@dataclass
class Listener:
    """A socket that threads serve; `requests` keeps the head of what each connection sent."""

    port: int
    requests: list[bytes] = field(default_factory=list)


def _read_head(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            break
        data += more
    return data


@contextlib.contextmanager
def tls_server(certificate: trustme.LeafCert) -> Iterator[Listener]:
    """Answer every request with one completion, over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    def serve(connection: socket.socket, listener: Listener) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            listener.requests.append(read_request(secure))
            secure.sendall(ANSWER)

    with listening(serve) as listener:
        yield listener


@contextlib.contextmanager
def proxy(target_port: int, *, user: str | None = None, refuse: bool = False) -> Iterator[Listener]:
    """Tunnel every CONNECT to `target_port`, whatever host it names; `user` is name:password to ask for."""

    def serve(connection: socket.socket, listener: Listener) -> None:
        head = _read_head(connection)
        listener.requests.append(head)
        wanted = b"Basic " + base64.b64encode((user or "").encode())
        if refuse:
            connection.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        elif user and wanted.lower() not in head.lower():
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        else:
            _tunnel(connection, target_port)

    with listening(serve) as listener:
        yield listener


def _tunnel(connection: socket.socket, target_port: int) -> None:
    with socket.create_connection(("127.0.0.1", target_port)) as target:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        pump_both(connection, target)


def pump_both(one: socket.socket, other: socket.socket) -> None:
    """Pass on what either side sends until both have ended."""
    back = threading.Thread(target=_pump, args=(other, one), daemon=True)
    back.start()
    _pump(one, other)
    back.join(timeout=10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def listening(serve: object) -> Iterator[Listener]:
    """Serve each connection in a thread, until the block ends."""
    server = socket.create_server(("127.0.0.1", 0))
    listener = Listener(server.getsockname()[1])

    def one(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            serve(connection, listener)  # type: ignore[operator] # a function of the two above

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=10)


def write_authority(authority: trustme.CA, folder: Path) -> Path:
    """Write the authority's certificate as a PEM file."""
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path
