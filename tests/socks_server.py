"""A SOCKS5 server for tests (RFC 1928, RFC 1929): it connects every name to one port, or refuses as told."""

import contextlib
import socket
from collections.abc import Iterator

from tests.tls import Listener, listening, pump_both

_NO_AUTH, _PASSWORD, _NONE_WILL_DO = 0, 2, 0xFF
_ADDRESS_BYTES = {1: 4, 4: 16}


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise OSError("the client has left")
        data += more
    return data


@contextlib.contextmanager
def socks_server(target_port: int, *, reply: int = 0, user: str | None = None) -> Iterator[Listener]:
    """Tunnel every request to `target_port`; `requests` keeps the names as asked for.

    `reply` other than 0 is what is answered instead; `user` is name:password to ask for.
    """

    def serve(connection: socket.socket, listener: Listener) -> None:
        _, count = _exactly(connection, 2)
        offered = _exactly(connection, count)
        method = _PASSWORD if user else _NO_AUTH
        if method not in offered:
            connection.sendall(bytes([5, _NONE_WILL_DO]))
            return
        connection.sendall(bytes([5, method]))
        if user and not _knows(connection, user):
            return
        listener.requests.append(_asked(connection))
        connection.sendall(bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]))
        if reply == 0:
            with socket.create_connection(("127.0.0.1", target_port)) as target:
                pump_both(connection, target)

    with listening(serve) as listener:
        yield listener


def _knows(connection: socket.socket, user: str) -> bool:
    _, length = _exactly(connection, 2)
    name = _exactly(connection, length)
    password = _exactly(connection, _exactly(connection, 1)[0])
    is_right = f"{name.decode()}:{password.decode()}" == user
    connection.sendall(bytes([1, 0 if is_right else 1]))
    return is_right


def _asked(connection: socket.socket) -> bytes:
    """Read a request to connect and return `host:port` as the client gave it."""
    kind = _exactly(connection, 4)[3]
    length = _ADDRESS_BYTES.get(kind) or _exactly(connection, 1)[0]
    host = _exactly(connection, length)
    port = int.from_bytes(_exactly(connection, 2))
    return b"%s:%d" % (host, port)
