"""httpx's transport over a httpcore pool of ours, whose sockets obey the patience of each exchange."""

import ssl
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx

from completions_cli.errors import ConfigError
from completions_cli.transport import tls
from completions_cli.transport.connection import Connection
from completions_cli.transport.network import PatientBackend

# A thread has one connection at most. Servers close idle ones after 5 s (uvicorn) or later; one taken up again
# too late fails its request.
_LIMITS: dict[str, Any] = {"max_connections": None, "keepalive_expiry": 4}


class PoolTransport(httpx.BaseTransport):
    """Lets httpcore's exceptions through as they are: `failures` tells them apart better than httpx does."""

    def __init__(self, connection: Connection, url: str, backend: PatientBackend) -> None:
        self._pool = _pool(connection, url, backend)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Exchange a request for the head of its answer."""
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions)

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


def _pool(connection: Connection, url: str, backend: PatientBackend) -> httpcore.ConnectionPool:
    needs_tls = url.startswith("https:") or (connection.proxy or "").startswith("https:")
    context: ssl.SSLContext | None = tls.context(connection.ca_bundle, connection.ca_source) if needs_tls else None
    if connection.proxy is None:
        return httpcore.ConnectionPool(ssl_context=context, network_backend=backend, **_LIMITS)
    proxy = httpx.Proxy(connection.proxy)
    if proxy.url.scheme in ("socks5", "socks5h"):
        return _socks_pool(proxy, context, backend)
    return httpcore.HTTPProxy(
        proxy_url=str(proxy.url),
        proxy_auth=proxy.raw_auth,
        ssl_context=context,
        proxy_ssl_context=context if proxy.url.scheme == "https" else None,
        network_backend=backend,
        **_LIMITS,
    )


def _socks_pool(proxy: httpx.Proxy, context: ssl.SSLContext | None, backend: PatientBackend) -> httpcore.ConnectionPool:
    try:
        return httpcore.SOCKSProxy(
            proxy_url=str(proxy.url),
            proxy_auth=proxy.raw_auth,
            ssl_context=context,
            network_backend=backend,
            **_LIMITS,
        )
    except RuntimeError as error:  # httpcore's way of saying that a package is missing
        raise ConfigError(
            "the proxy is a SOCKS proxy, which needs the package socksio", hint="pip install socksio"
        ) from error
