"""Sockets under httpcore whose every wait is bounded by the patience of the exchange they serve.

httpx fixes its read timeout when a request starts; a deadline, or a silence that comments in a
stream must not break, needs a timeout that is worked out anew for each read.
"""

import socket
import ssl
import threading
from collections.abc import Iterable
from typing import Any

import httpcore

from completions_cli.api.endpoint import is_loopback
from completions_cli.transport.patience import Patience


class CurrentExchange(threading.local):
    """The exchange that this thread is starting."""

    patience: Patience | None = None


class PatientStream(httpcore.NetworkStream):
    """A connection that serves one exchange after another."""

    def __init__(self, inner: httpcore.NetworkStream, current: CurrentExchange) -> None:
        self._inner = inner
        self._current = current
        self._patience = current.patience

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what there is, within the exchange's patience."""
        return self._inner.read(max_bytes, self._wait(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send; the first bytes of a request bind this connection to its exchange."""
        self._patience = self._current.patience
        self._inner.write(buffer, self._wait(timeout))

    def close(self) -> None:
        """Close the socket."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Shake hands, within the exchange's patience."""
        name = server_hostname and server_hostname.strip("[]")  # as they are written for a proxy
        return PatientStream(self._inner.start_tls(ssl_context, name, self._wait(timeout)), self._current)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - httpcore's own signature
        """Pass on what httpcore asks of the socket."""
        return self._inner.get_extra_info(info)

    def _wait(self, timeout: float | None) -> float | None:
        return timeout if self._patience is None else self._patience.remaining(timeout)


class PatientBackend(httpcore.NetworkBackend):
    """Connects within the exchange's patience, name look-up included."""

    def __init__(self, current: CurrentExchange) -> None:
        self._current = current
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Try each address of `host` in turn; the last one's failure is the one reported."""
        patience = self._current.patience
        addresses = look_up(host, port, patience.remaining(timeout) if patience else timeout)
        for attempt, address in enumerate(addresses, 1):
            wait = patience.remaining(timeout) if patience else timeout
            try:
                stream = self._sockets.connect_tcp(address, port, wait, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if attempt == len(addresses):
                    raise
            else:
                return PatientStream(stream, self._current)
        raise httpcore.ConnectError("no address")


def look_up(host: str, port: int, timeout: float | None) -> list[str]:
    """Resolve a name in a thread that can be given up: the resolver itself knows neither time-outs nor Ctrl-C."""
    if is_loopback(host) and host[0].isdigit():
        return [host]
    found: list[str] = []
    failure: list[OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failure.append(error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "bad name"))
        else:
            found.extend(dict.fromkeys(str(answer[4][0]) for answer in answers))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if failure:
        # Raised and caught so that it stays the new error's context: httpcore's pool drops the cause.
        try:
            raise failure[0]
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
    if not found:
        raise httpcore.ConnectTimeout("name look-up")
    return found
