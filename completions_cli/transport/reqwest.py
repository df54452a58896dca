"""A pyreqwest client that behaves as the synchronous transport does: same proxy, same certificates, same patience."""

import datetime as dt
import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import BuilderError
from pyreqwest.http import Url as LibraryUrl
from pyreqwest.proxy import ProxyBuilder

from completions_cli import opening, paths
from completions_cli.api.urls import Proxy, Url
from completions_cli.errors import UsageError
from completions_cli.transport import reports, this_machine, tls
from completions_cli.transport.connection import Connection
from completions_cli.transport.route import Peer

# Servers close idle connections after 5 s (uvicorn) or later; one taken up again too late fails its request.
IDLE_SECONDS = 4


def url(ours: Url) -> LibraryUrl:
    """Return a URL as the library has it. Raises NetworkError should it read another one in it."""
    theirs = LibraryUrl(str(ours))
    if str(theirs) != str(ours):
        raise reports.unsendable(Peer("endpoint", ours.origin.host_and_port))
    return theirs


def client(connection: Connection, url: Url, *, keeps: bool = True, address: str | None = None) -> Client:
    """Build a client for `url`, which `keeps` its connections for a while.

    It connects to `address`, where the host has several. Raises ConfigError for a bad CA file, NetworkError where
    localhost is another machine.
    """
    if this_machine.is_elsewhere(url.origin):
        raise reports.no_connection(Peer(connection.server, url.origin.host_and_port), this_machine.ELSEWHERE)
    builder = (
        ClientBuilder()
        .follow_redirects(False)  # a redirect may lead elsewhere, and would take the key along
        .referer(False)
        .no_proxy()  # those of the environment were read by `settings`
        .gzip(False)  # undone by `decompression`, a little at a time
        .deflate(False)
        .brotli(False)
        .zstd(False)
        .pool_idle_timeout(dt.timedelta(seconds=IDLE_SECONDS))
    )
    if not keeps:
        builder = builder.pool_max_idle_per_host(0)
    if connection.connect_timeout is not None:
        builder = builder.connect_timeout(dt.timedelta(seconds=connection.connect_timeout))
    if connection.timeout is not None:
        builder = builder.read_timeout(dt.timedelta(seconds=connection.timeout))
    proxy = connection.proxy_url
    builder = _on_the_way(builder, url, proxy, address)
    if url.origin.scheme == "https" and connection.client_cert is not None:
        builder = _showing_certificate(builder, connection.client_cert, connection.client_key)
    try:
        if "https" not in (url.origin.scheme, proxy and proxy.origin.scheme):
            return builder.build()
        return _build_with_roots(builder, connection)
    except RuntimeError as error:
        if "fork" not in str(error):
            raise
        raise UsageError(
            "AsyncClient was used before this process was forked, and its threads are not here",
            hint='Use Client in forked processes, or start them with multiprocessing.get_context("spawn").',
        ) from error


def _on_the_way(builder: ClientBuilder, url: Url, proxy: Proxy | None, address: str | None) -> ClientBuilder:
    """Name the proxy, and the address that is connected to."""
    if proxy is not None:
        builder = builder.proxy(_proxy(proxy))
    if address is None:
        return builder
    first = url.origin if proxy is None else proxy.origin
    return builder.resolve(first.host, address, first.port)


def _showing_certificate(builder: ClientBuilder, certificate: str, key: str | None) -> ClientBuilder:
    tls.show_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), certificate, key)  # says what is wrong with the files
    return builder.identity_pem(tls.client_identity(certificate, key))


def _proxy(proxy: Proxy) -> ProxyBuilder:
    # With socks5 the library would resolve names itself, from where the proxy stands they may mean something else.
    scheme = "socks5h" if proxy.origin.scheme == "socks5" else proxy.origin.scheme
    builder = ProxyBuilder.all(f"{scheme}://{proxy.origin.host_and_port}")
    return builder if proxy.user is None else builder.basic_auth(proxy.user, proxy.password)


def _build_with_roots(builder: ClientBuilder, connection: Connection) -> Client:
    """Trust the file or folder the user names and nothing else, or the system's store when none is named.

    rustls takes its roots, on Linux, from two variables that it reads when a client is built; elsewhere
    the system's own verifier is asked, and a named file can only be added to it.
    """
    bundle = connection.ca_bundle
    if bundle is not None:
        path = paths.expanded(bundle)
        if opening.is_stream(path):  # it is read more than once
            raise tls.no_certificates(bundle, connection.ca_source, "it is not a regular file")
        tls.context(bundle, connection.ca_source)  # names the file when it is not one of certificates
        try:
            return _build_with_bundle(builder, path)
        except BuilderError as error:
            raise tls.no_certificates(bundle, connection.ca_source) from error
    if tls.has_system_store():
        with _environment({"SSL_CERT_FILE": None, "SSL_CERT_DIR": None}):
            return builder.build()
    import certifi

    with _environment(_roots(Path(certifi.where()))):
        return builder.build()


def _build_with_bundle(builder: ClientBuilder, path: Path) -> Client:
    if sys.platform != "linux":
        for file in [path] if path.is_file() else sorted(path.iterdir()):
            builder = builder.add_root_certificate_pem(file.read_bytes())
        return builder.build()
    with _environment(_roots(path)):
        return builder.build()


def _roots(path: Path) -> dict[str, str | None]:
    is_folder = path.is_dir()
    return {
        "SSL_CERT_FILE": None if is_folder else str(path),
        "SSL_CERT_DIR": str(path) if is_folder else None,
    }


@contextmanager
def _environment(changes: Mapping[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
