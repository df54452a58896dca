"""Sockets under httpcore whose every wait is bounded by the patience of the exchange they serve.

httpx fixes its read timeout when a request starts; a deadline, or a silence that comments in a
stream must not break, needs a timeout that is worked out anew for each read. Until the request itself is
written, through all handshakes of proxies and TLS, the time allowed for connecting is what bounds them.
"""

import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from completions_cli.transport import racing
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience
from completions_cli.transport.route import PROXY, Peer, Route

_REQUEST_BEGINS = (b"POST ", b"GET ")
_TURN = 0.5  # seconds


class CurrentExchange(threading.local):
    """The exchange that this thread is in, and how far it has come: whom the last wait was for, and what came of it."""

    patience: Patience | None = None
    peer: Peer | None = None
    is_connecting = False
    is_on_kept = False  # the request was written to a connection that had served another before
    has_read = False  # something came since the request was written
    has_ended = False  # the other side has closed
    stream: "PatientStream | None" = None  # the connection that is being made

    def close_unfinished(self) -> None:
        """Close a connection whose handshake failed: httpcore leaves some of them open."""
        if self.is_connecting and self.stream is not None:
            self.stream.close()

    def begin(self, patience: Patience) -> None:
        """Forget the exchange before."""
        self.patience = patience
        self.peer = self.stream = None
        self.is_connecting = self.is_on_kept = self.has_read = self.has_ended = False


class PatientStream(httpcore.NetworkStream):
    """A connection that serves one exchange after another. `ends` is when it has to be established, None for never."""

    def __init__(  # noqa: PLR0913 - what the stream under TLS knew, it knows too
        self,
        inner: httpcore.NetworkStream,
        current: CurrentExchange,
        route: Route,
        peer: Peer,
        ends: float | None,
        *,
        is_secured: bool = False,
    ) -> None:
        self._inner = inner
        self._current = current
        self._patience = current.patience
        self._route = route
        self._peer = peer
        self._ends = ends
        self._is_secured = is_secured
        self._is_established = False
        self._requests = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read the available bytes, within the exchange's patience."""
        received = self._read(max_bytes, self._wait(timeout))
        if received:
            self._current.has_read = True
        else:
            self._current.has_ended = True
        return received

    def _read(self, max_bytes: int, seconds: float | None) -> bytes:
        """Wait in short turns: a signal that comes just before a wait does not end it, and would be lost until then."""
        ends = None if seconds is None else time.monotonic() + seconds
        while True:
            left = _TURN if ends is None else ends - time.monotonic()
            try:
                return self._inner.read(max_bytes, min(_TURN, max(0.0, left)))
            except httpcore.ReadTimeout:
                if left <= _TURN and ends is not None:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; the first bytes of a request bind this connection to its exchange."""
        self._patience = self._current.patience
        if buffer.startswith(_REQUEST_BEGINS):
            self._is_established = True
            self._peer = self._route.spoken_to
            self._requests += 1
            self._current.is_on_kept = self._requests > 1
            self._current.has_read = self._current.has_ended = False
        self._inner.write(buffer, self._wait(timeout))

    def close(self) -> None:
        """Close the socket."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Shake hands within the time for connecting: with an https proxy first, then with the one behind it."""
        is_proxys = self._peer.role == PROXY and self._route.proxy_scheme == "https" and not self._is_secured
        peer = self._peer if is_proxys else self._route.target
        self._peer = peer
        name = server_hostname and server_hostname.strip("[]")  # as they are written for a proxy
        inner = self._inner.start_tls(ssl_context, name, self._wait(timeout))
        return PatientStream(inner, self._current, self._route, peer, self._ends, is_secured=True)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own signature
        """Pass on what httpcore asks of the socket."""
        return self._inner.get_extra_info(info)

    def _wait(self, timeout: float | None) -> float | None:
        self._current.peer = self._peer
        self._current.is_connecting = not self._is_established
        if not self._is_established:
            return time_left(self._ends, self._patience)
        return timeout if self._patience is None else self._patience.remaining(timeout)


class PatientBackend(httpcore.NetworkBackend):
    """Connects within the time allowed for it, name look-up and handshakes included."""

    def __init__(self, current: CurrentExchange, route: Route, connection: Connection) -> None:
        self._current = current
        self._route = route
        self._seconds = connection.connect_timeout
        self._unix_socket = connection.unix_socket
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to whichever address of `host` answers first; the last failure is the one reported."""
        self._current.peer, self._current.is_connecting = self._route.first, True
        ends = None if self._seconds is None else time.monotonic() + self._seconds
        patience = self._current.patience  # this thread's

        def left() -> float | None:
            return time_left(ends, patience)

        if self._unix_socket is not None:
            stream = self._sockets.connect_unix_socket(self._unix_socket, left(), socket_options)
            return self._begun(stream, ends)

        def connect(address: str) -> httpcore.NetworkStream:
            return self._sockets.connect_tcp(address, port, left(), local_address, socket_options)

        stream = racing.first_to_connect(racing.look_up(host.strip("[]"), port, left()), connect, left)
        return self._begun(stream, ends)

    def _begun(self, stream: httpcore.NetworkStream, ends: float | None) -> httpcore.NetworkStream:
        self._current.stream = PatientStream(stream, self._current, self._route, self._route.first, ends)
        return self._current.stream


def time_left(ends: float | None, patience: Patience | None) -> float | None:
    """Return the seconds left for connecting, None for any: until `ends`, or until the call is over.

    Raises ConnectTimeout, or RequestTimeoutError when the call is over.
    """
    in_all = None if patience is None else patience.remaining_in_all()
    if patience is not None and in_all is not None and in_all <= 0:
        raise patience.expired()
    left = None if ends is None else ends - time.monotonic()
    if left is not None and left <= 0:
        raise httpcore.ConnectTimeout("connecting")
    return min((limit for limit in (left, in_all) if limit is not None), default=None)
