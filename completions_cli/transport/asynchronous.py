"""Many requests in flight over pyreqwest: what batches and the asynchronous Python client use."""

import asyncio
import datetime as dt
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self

from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from completions_cli import limits
from completions_cli.api import urls
from completions_cli.api.urls import Url
from completions_cli.errors import CompletionsError
from completions_cli.models import SUCCESS, HttpRequest
from completions_cli.transport import breakage, redirects, reports
from completions_cli.transport.answer import Answer, Headers
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.decompression import Decompressor
from completions_cli.transport.link import Link, at_once, begin
from completions_cli.transport.patience import Patience
from completions_cli.transport.received import Listen, Received
from completions_cli.transport.route import WANTS_PROXY_CREDENTIALS, Peer
from completions_cli.transport.watched import BrokenError, Watched, cancellable


class AsyncResponse:
    """An answer whose body is still to come. Header names are lower case."""

    def __init__(self, inner: Response, link: Link, patience: Patience) -> None:
        self.status: int = inner.status
        self.headers = Headers(inner)
        self._inner = inner
        self._link = link
        self._patience = patience

    @property
    def peer(self) -> Peer:
        """The one who answers."""
        return self._link.route.target

    def heard(self) -> None:
        """Record a sign of life: the timeout starts again."""
        self._patience.heard()

    def linger(self, seconds: float) -> None:
        """Limit the wait for the rest, which is not needed, to this many seconds."""
        self._patience.linger(seconds)

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body, decompressed, as it arrives."""
        decompressor = Decompressor(self.headers.get("content-encoding", ""))
        while (part := await self._read()) is not None:
            try:
                for step in decompressor.feed(part):
                    yield step
            except zlib.error:
                raise reports.undecodable(self.peer) from None

    async def _read(self) -> bytes | None:
        try:
            with Watched(answering=True):
                async with asyncio.timeout(self._patience.remaining()):
                    part = await cancellable(self._inner.body_reader.read_chunk())
        except TimeoutError:
            raise self._patience.expired() from None
        except BrokenError as broken:
            raise await broken.explained(self._link) from None
        if part is None:
            self._link.answered(self.headers)
            return None
        return part.to_bytes()


class AsyncTransport:
    """Connections to one service, for one event loop. Use as an asynchronous context manager, or close it."""

    def __init__(
        self, connection: Connection, trace: Trace | None = None, *, max_body_bytes: int = limits.BODY_BYTES
    ) -> None:
        self._connection = connection
        self._trace = trace
        self._max_body_bytes = max_body_bytes
        self._deadline = None if connection.deadline is None else dt.timedelta(seconds=connection.deadline)
        self._link: Link | None = None
        self._left: list[Link] = []  # links that led nowhere any more; others may still wait for answers of theirs
        self._starting: asyncio.Task[Link] | None = None
        self._is_closed = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that only the proxy is sent."""
        return self._connection.secrets

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. What is under way fails, and nothing more can be sent."""
        self._is_closed = True
        if self._starting is not None:
            self._starting.cancel()
        links = [*self._left, *([self._link] if self._link else [])]
        self._link, self._left = None, []
        for each in links:
            await each.close()

    async def send(self, request: HttpRequest, listen: Listen | None = None) -> Answer:
        """Send a request and read its answer, whatever its status.

        `listen` makes what is told of each part of a body, and returns whether it is complete: the rest is then waited
        for a moment, no more. A 307 or 308 within the origin is followed once, any other redirect is a NetworkError.
        Raises NetworkError, RequestTimeoutError or MalformedResponseError when no answer begins, or it is too large.
        """
        link = self._link or await self._start(request)
        answer = await self._exchange(link, request, listen)
        if not answer.is_redirect:
            return answer
        peer = link.route.target
        redirected = redirects.followed(peer, request, answer.status, answer.headers) or request
        answer = await self._exchange(link, redirected, listen)
        redirects.refuse(peer, redirected, answer.status, answer.headers)
        return answer

    @asynccontextmanager
    async def open(self, request: HttpRequest, patience: Patience) -> AsyncIterator[AsyncResponse]:
        """Send a request; the answer's body is read within the `async with` block. Otherwise as `send`."""
        async with self._opened(request, patience) as response:
            redirected = redirects.followed(response.peer, request, response.status, response.headers)
            if redirected is None:
                yield response
                return
        async with self._opened(redirected, patience) as response:
            redirects.refuse(response.peer, redirected, response.status, response.headers)
            yield response

    @asynccontextmanager
    async def _opened(self, request: HttpRequest, patience: Patience) -> AsyncIterator[AsyncResponse]:
        if self._trace is not None:
            self._trace.request(request)
        link = self._link or await self._start(request)
        patience.server = str(link.route.target)
        async with AsyncExitStack() as stack:
            link.begin_exchange()
            stack.callback(link.end_exchange)
            try:
                inner = await self._head(stack, link, request, patience)
            except BrokenError as broken:
                raise await self._explained(broken, link) from None
            patience.heard()
            if self._trace is not None:
                self._trace.response(inner.version, inner.status, "", Headers(inner))
                stack.callback(self._trace.body, b"")
            _refuse_proxys(inner, link)
            yield AsyncResponse(inner, link, patience)

    async def _head(self, stack: AsyncExitStack, link: Link, request: HttpRequest, patience: Patience) -> Response:
        """Send a request until its answer begins. A connection that turned out closed costs nothing but a new one."""
        try:
            return await _sent(stack, link.request(request), patience)
        except BrokenError as broken:
            if not link.met_a_stale_one(broken.error, broken.elapsed):
                raise
        return await _sent(stack, link.request(request, fresh=True), patience)

    async def _exchange(self, link: Link, request: HttpRequest, listen: Listen | None) -> Answer:
        if self._trace is not None:
            self._trace.request(request)
        link.begin_exchange()
        try:
            try:
                return await self._once(link, link.request(request), listen)
            except BrokenError as broken:
                if broken.answering or not link.met_a_stale_one(broken.error, broken.elapsed):
                    raise
            return await self._once(link, link.request(request, fresh=True), listen)
        except BrokenError as broken:
            raise await self._explained(broken, link) from None
        finally:
            link.end_exchange()

    async def _once(self, link: Link, builder: RequestBuilder, listen: Listen | None) -> Answer:
        if self._deadline is not None:
            builder = builder.timeout(self._deadline)
        # An exit stack would cost as much as all else in here.
        streamed, watched = builder.build_streamed(), Watched()
        with watched:
            inner = await streamed.__aenter__()
        watched.answering = True
        status, headers = inner.status, Headers(inner)
        try:
            if self._trace is not None:
                self._trace.response(inner.version, status, "", headers)
            _refuse_proxys(inner, link)
            received = Received(inner, headers, self._max_body_bytes if status in SUCCESS else None, watched)
            broken = await self._read(received, link, listen)
        finally:
            await streamed.__aexit__(None, None, None)
        if broken is None:
            link.answered(headers)
        if self._trace is not None:
            self._trace.body(received.body)
            self._trace.body(b"")
        return Answer(status, headers, received.body, broken)

    async def _read(self, received: Received, link: Link, listen: Listen | None) -> CompletionsError | None:
        """Read a body as far as it comes; return what it broke off with, if it did."""
        try:
            with received.watched:
                await received.read(listen, self._connection.timeout)
        except TimeoutError:
            return reports.silent(str(link.route.target), self._connection.timeout)
        except zlib.error:
            raise reports.undecodable(link.route.target) from None
        except BrokenError as broken:
            if isinstance(broken.error, zlib.error):
                raise reports.undecodable(link.route.target) from None
            return await broken.explained(link)
        return None

    async def _start(self, request: HttpRequest) -> Link:
        """Begin a link. All who wait for it get the same one, or the same failure: each in turn would take for ever."""
        if self._is_closed:
            raise reports.closed()
        url = urls.parse(request.url)
        self._link = at_once(self._connection, url)
        if self._link is not None:
            return self._link
        if self._starting is None or self._starting.get_loop() is not asyncio.get_running_loop():
            self._starting = asyncio.create_task(self._begin(url))
        return await self._started(self._starting)

    async def _started(self, starting: asyncio.Task[Link]) -> Link:
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if self._is_closed and not (waiting and waiting.cancelling()):
                raise reports.closed() from None
            raise

    async def _begin(self, url: Url) -> Link:
        try:
            self._link = await begin(self._connection, url)
        finally:
            self._starting = None
        return self._link

    async def _explained(self, broken: BrokenError, used: Link) -> CompletionsError:
        """Return what broke in the user's terms; where an address is dead, the next request looks for another."""
        error = await broken.explained(used)
        if used is self._link and used.address is not None and breakage.is_unconnected(broken.error):
            self._left.append(used)
            self._link = None
        return error


async def _sent(stack: AsyncExitStack, builder: RequestBuilder, patience: Patience) -> Response:
    patience.heard()
    try:
        with Watched():
            async with asyncio.timeout(patience.remaining()):
                return await cancellable(stack.enter_async_context(builder.build_streamed()))
    except TimeoutError:
        raise patience.expired() from None


def _refuse_proxys(inner: Response, link: Link) -> None:
    if inner.status == WANTS_PROXY_CREDENTIALS:
        raise reports.wants_proxy_credentials(link.route.spoken_to)
