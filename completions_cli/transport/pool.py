"""httpx's transport over a httpcore pool of ours, whose sockets obey the patience of each exchange."""

import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import httpcore
import httpx

from completions_cli.api import urls
from completions_cli.api.urls import Origin, Proxy, Url
from completions_cli.errors import ConfigError
from completions_cli.installation import install
from completions_cli.transport import quiet, tls
from completions_cli.transport.connection import Connection
from completions_cli.transport.network import PatientBackend

# A thread has one connection at most. Servers close idle ones after 5 s (uvicorn) or later; one taken up again
# too late fails its request.
_LIMITS: dict[str, Any] = {"max_connections": None, "keepalive_expiry": 4}


class PoolTransport(httpx.BaseTransport):
    """Lets httpcore's exceptions through as they are: `failures` tells them apart better than httpx does.

    It is used without httpx's client, which reads every Location on its own, whether it is to be followed or not.
    """

    def __init__(self, connection: Connection, url: Url, backend: PatientBackend) -> None:
        self._pool = _pool(connection, url, backend)
        self._has_http_proxy = isinstance(self._pool, httpcore.HTTPProxy)
        self._timeout = httpx.Timeout(None, connect=connection.connect_timeout).as_dict()

    def request(self, method: str, url: Url, headers: Mapping[str, str], body: bytes) -> httpx.Request:
        """Build a request that goes where `url` says; httpx, which shows what it is told, knows the origin alone."""
        named = {"host": url.origin.authority, **headers}
        return httpx.Request(
            method, str(url.origin), headers=named, content=body, extensions={"url": url, "timeout": self._timeout}
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Exchange a request for the head of its answer."""
        url: Url = request.extensions["url"]
        asked = httpcore.Request(
            method=request.method,
            url=_target(url.origin, url.target, bracketed=self._has_http_proxy),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        with quiet.logged_in_short():
            answer = self._pool.handle_request(asked)
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        """Close all connections."""
        with quiet.logged_in_short():
            self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return quiet.each(self._answer.iter_stream())

    def close(self) -> None:
        with quiet.logged_in_short():
            self._answer.close()


def _pool(connection: Connection, url: Url, backend: PatientBackend) -> httpcore.ConnectionPool:
    proxy = connection.proxy_url
    if connection.unix_socket is not None:
        proxy = None
    context = _context(connection) if url.origin.scheme == "https" else None
    if context is not None and connection.client_cert is not None:
        tls.show_certificate(context, connection.client_cert, connection.client_key)
    if proxy is None:
        return httpcore.ConnectionPool(ssl_context=context, network_backend=backend, **_LIMITS)
    if proxy.origin.scheme in ("socks5", "socks5h"):
        return _socks_pool(proxy, context, backend)
    return httpcore.HTTPProxy(
        proxy_url=_target(proxy.origin, "/"),
        proxy_auth=_auth(proxy),
        ssl_context=context,
        proxy_ssl_context=_context(connection) if proxy.origin.scheme == "https" else None,
        network_backend=backend,
        **_LIMITS,
    )


def _context(connection: Connection) -> ssl.SSLContext:
    return tls.context(connection.ca_bundle, connection.ca_source)


def _socks_pool(proxy: Proxy, context: ssl.SSLContext | None, backend: PatientBackend) -> httpcore.ConnectionPool:
    try:
        return httpcore.SOCKSProxy(
            proxy_url=_target(proxy.origin, "/"),
            proxy_auth=_auth(proxy),
            ssl_context=context,
            network_backend=backend,
            **_LIMITS,
        )
    except RuntimeError as error:  # httpcore's way of saying that a package is missing
        raise ConfigError(
            "the proxy is a SOCKS proxy, which needs the package socksio",
            hint=install("socks"),
        ) from error


def _target(origin: Origin, target: str, *, bracketed: bool = False) -> httpcore.URL:
    """Return a URL in pieces. httpcore writes the host for a proxy as it is, so that IPv6 needs its brackets there."""
    host = urls.bracketed(origin.host) if bracketed else origin.host
    port = None if origin.has_default_port else origin.port
    return httpcore.URL(scheme=origin.scheme.encode(), host=host.encode(), port=port, target=target.encode())


def _auth(proxy: Proxy) -> tuple[bytes, bytes] | None:
    return None if proxy.user is None else (proxy.user.encode(), proxy.password.encode())
