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
from completions_cli.errors import CompletionsError, NetworkError
from completions_cli.models import HttpRequest
from completions_cli.transport import decompression, failures, redirects, reports
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.network import CurrentExchange, PatientBackend
from completions_cli.transport.patience import Patience
from completions_cli.transport.pool import PoolTransport
from completions_cli.transport.route import WANTS_PROXY_CREDENTIALS, Peer, Route, route


class Response:
    """An answer whose body is still to come. Header names are lower case."""

    def __init__(self, inner: httpx.Response, way: Route, current: CurrentExchange, trace: Trace | None = None) -> None:
        self.status: int = inner.status_code
        self.headers: Mapping[str, str] = _headers(inner)
        self._inner = inner
        self._route = way
        self._patience = current.patience or Patience(None, None)
        self._trace = trace

    @property
    def peer(self) -> Peer:
        """The one who answers."""
        return self._route.target

    def heard(self) -> None:
        """Record a sign of life: the timeout starts again."""
        self._patience.heard()

    def linger(self, seconds: float) -> None:
        """Limit the wait for the rest, which is not needed, to this many seconds."""
        self._patience.linger(seconds)

    def body(self) -> Iterator[bytes]:
        """Yield the body, decompressed, as it arrives."""
        encoding = self.headers.get("content-encoding", "")
        current = CurrentExchange()  # another thread may read what one has sent
        current.begin(self._patience)
        current.peer = self._route.spoken_to
        with failures.mapped(self._route, current, None, answering=True):
            try:
                # Not httpx's own decoders: they give all that a read unfolds to at once, for any number of encodings.
                for part in decompression.decompressed(self._inner.iter_raw(), encoding):
                    if self._trace is not None:
                        self._trace.body(part)
                    if self._patience.is_overdue:  # a few bytes may unfold to hours of reading
                        raise self._patience.expired()
                    yield part
            except zlib.error as error:
                raise reports.undecodable(self._route.target) from error


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
            redirected = redirects.followed(response.peer, request, response.status, response.headers)
            if redirected is None:
                yield response
                return
        with self._exchange(redirected, patience) as response:
            redirects.refuse(response.peer, redirected, response.status, response.headers)
            yield response

    @contextmanager
    def _exchange(self, request: HttpRequest, patience: Patience) -> Iterator[Response]:
        url = urls.parse(request.url)
        way = route(self._connection, url)
        patience.server = str(way.target)
        patience.heard()
        if self._trace is not None:
            self._trace.request(request)
        inner = self._head(request, url, way, patience)
        try:
            response = Response(inner, way, self._current, self._trace)
            patience.heard()
            if self._trace is not None:
                self._trace.response(inner.http_version, response.status, inner.reason_phrase, response.headers)
            if response.status == WANTS_PROXY_CREDENTIALS:
                raise reports.wants_proxy_credentials(way.spoken_to)
            yield response
        finally:
            if self._trace is not None:
                self._trace.body(b"")
            inner.close()

    def _head(self, request: HttpRequest, url: Url, way: Route, patience: Patience) -> httpx.Response:
        """Send a request until its answer begins, at once again when a connection kept from before turns out closed."""
        pool = self._pool or self._start(url, way)
        while True:
            self._current.begin(patience)
            try:
                with failures.mapped(way, self._current, self._connection.connect_timeout):
                    return pool.handle_request(pool.request(request.method, url, request.headers, request.body))
            except CompletionsError as error:
                self._current.close_unfinished()
                is_stale = isinstance(error, NetworkError) and self._current.is_on_kept and not self._current.has_read
                if not is_stale:
                    raise

    def _start(self, url: Url, way: Route) -> PoolTransport:
        with self._starting:
            if self._pool is None:
                backend = PatientBackend(self._current, way, self._connection)
                self._pool = PoolTransport(self._connection, url, backend)
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
