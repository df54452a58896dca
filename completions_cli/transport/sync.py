"""One request at a time over httpx: what `complete`, `stream` and the Python client use."""

import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import httpx

from completions_cli.api import urls
from completions_cli.api.urls import Url
from completions_cli.models import HttpRequest
from completions_cli.transport import decompression, failures, redirects, reports
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.network import CurrentExchange, PatientBackend
from completions_cli.transport.patience import Patience
from completions_cli.transport.pool import PoolTransport


class Response:
    """An answer whose body is still to come. Header names are lower case."""

    def __init__(self, inner: httpx.Response, patience: Patience, trace: Trace | None = None) -> None:
        self.status: int = inner.status_code
        self.headers: Mapping[str, str] = _headers(inner)
        self._inner = inner
        self._patience = patience
        self._trace = trace

    def heard(self) -> None:
        """Say that something worth waiting for came: the silence starts anew."""
        self._patience.heard()

    def body(self) -> Iterator[bytes]:
        """Yield the body, decompressed, as it arrives."""
        encoding = self.headers.get("content-encoding", "")
        with failures.mapped(self._patience, answering=True):
            try:
                # Not httpx's own decoders: they give all that a read unfolds to at once, for any number of encodings.
                for part in decompression.decompressed(self._inner.iter_raw(), encoding):
                    if self._trace is not None:
                        self._trace.body(part)
                    yield part
            except zlib.error as error:
                raise reports.undecodable() from error


class SyncTransport:
    """Connections to one service, which threads may share. Use as a context manager, or close it."""

    def __init__(self, connection: Connection, trace: Trace | None = None) -> None:
        self._starting = threading.Lock()
        self._connection = connection
        self._trace = trace
        self._current = CurrentExchange()
        self._pool: PoolTransport | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    @contextmanager
    def send(self, request: HttpRequest, patience: Patience) -> Iterator[Response]:
        """Send a request; the answer's body is read within the `with` block.

        A 307 or 308 within the origin is followed once, any other redirect is a NetworkError.
        """
        with self._exchange(request, patience) as response:
            redirected = redirects.followed(request, response.status, response.headers)
            if redirected is None:
                yield response
                return
        with self._exchange(redirected, patience) as response:
            redirects.refuse(redirected, response.status, response.headers)
            yield response

    @contextmanager
    def _exchange(self, request: HttpRequest, patience: Patience) -> Iterator[Response]:
        self._current.patience = patience
        patience.heard()
        if self._trace is not None:
            self._trace.request(request)
        url = urls.parse(request.url)
        pool = self._pool or self._start(url)
        outgoing = pool.request(url, request.headers, request.body)
        with failures.mapped(patience, answering=False, proxied=self._connection.proxy is not None):
            inner = pool.handle_request(outgoing)
        try:
            response = Response(inner, patience, self._trace)
            patience.heard()
            if self._trace is not None:
                self._trace.response(inner.http_version, response.status, inner.reason_phrase, response.headers)
            yield response
        finally:
            if self._trace is not None:
                self._trace.body(b"")
            inner.close()

    def _start(self, url: Url) -> PoolTransport:
        with self._starting:
            if self._pool is None:
                self._pool = PoolTransport(self._connection, url, PatientBackend(self._current))
            return self._pool


def _headers(inner: httpx.Response) -> dict[str, str]:
    """Return the headers, values of one name joined. Each is UTF-8 or, for want of anything better, Latin-1."""
    found: dict[str, str] = {}
    for raw_name, raw in inner.headers.raw:
        name = raw_name.decode("latin-1").lower()
        try:
            value = raw.decode()
        except UnicodeDecodeError:
            value = raw.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
