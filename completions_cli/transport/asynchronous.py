"""Many requests in flight over pyreqwest: what batches and the asynchronous Python client use."""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Self, TypeVar, overload

from pyreqwest.client import Client
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.http import Url
from pyreqwest.request import RequestBuilder
from pyreqwest.response import Response

from completions_cli.api import error_map, urls
from completions_cli.api.reader import MAX_BODY_BYTES
from completions_cli.errors import MalformedResponseError
from completions_cli.models import SUCCESS, HttpRequest
from completions_cli.transport import breakage, redirects, reqwest
from completions_cli.transport.connection import Connection, Trace
from completions_cli.transport.patience import Patience

_Default = TypeVar("_Default")


class Headers(Mapping[str, str]):
    """The headers of an answer, names in lower case, fetched from the library when asked for: most are never.

    A value that is no ASCII counts as absent: the library cannot give it.
    """

    __slots__ = ("_inner",)

    def __init__(self, inner: Response) -> None:
        self._inner = inner

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in dict.fromkeys(map(str.lower, self._inner.headers)) if self.get(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: _Default) -> str | _Default: ...
    def get(self, name: str, /, default: _Default | None = None) -> str | _Default | None:
        """Return one header."""
        try:
            value = self._inner.get_header(name)
        except ValueError:
            return default
        return default if value is None else value


class Answer:
    """A whole answer."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, inner: Response, body: bytes) -> None:
        self.status: int = inner.status
        self.headers = Headers(inner)
        self.body = body

    @property
    def is_redirect(self) -> bool:
        """True when another place is to be asked instead."""
        return self.status in redirects.STATUSES


class AsyncResponse:
    """An answer whose body is still to come. Header names are lower case."""

    def __init__(self, inner: Response, connection: Connection, patience: Patience) -> None:
        self.status: int = inner.status
        self.headers = Headers(inner)
        self._inner = inner
        self._connection = connection
        self._patience = patience

    def heard(self) -> None:
        """Say that something worth waiting for came: the silence starts anew."""
        self._patience.heard()

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body, decompressed, as it arrives."""
        while (part := await self._read()) is not None:
            yield part

    async def _read(self) -> bytes | None:
        try:
            async with asyncio.timeout(self._patience.remaining()):
                part = await self._inner.body_reader.read_chunk()
        except TimeoutError:
            raise self._patience.expired() from None
        except PyreqwestError as error:
            raise breakage.mapped(error, self._connection, 0.0, answering=True) from None
        return None if part is None else part.to_bytes()


class AsyncTransport:
    """Connections to one service, for one event loop. Use as an asynchronous context manager, or close it."""

    def __init__(
        self, connection: Connection, trace: Trace | None = None, *, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._connection = connection
        self._trace = trace
        self._max_body_bytes = max_body_bytes
        self._deadline = None if connection.deadline is None else dt.timedelta(seconds=connection.deadline)
        self._client: Client | None = None
        self._url_text = ""
        self._url: Url | str = ""  # the same, parsed once

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def send(self, request: HttpRequest) -> Answer:
        """Send a request and read its answer, whatever its status.

        A 307 or 308 within the origin is followed once, any other redirect is a NetworkError. Raises
        NetworkError, RequestTimeoutError or MalformedResponseError when the exchange breaks.
        """
        answer = await self._exchange(request)
        redirected = redirects.followed(request, answer.status, answer.headers) if answer.is_redirect else None
        if redirected is None:
            return answer
        answer = await self._exchange(redirected)
        redirects.refuse(redirected, answer.status, answer.headers)
        return answer

    @asynccontextmanager
    async def open(self, request: HttpRequest, patience: Patience) -> AsyncIterator[AsyncResponse]:
        """Send a request; the answer's body is read within the `async with` block. Otherwise as `send`."""
        async with self._opened(request, patience) as response:
            redirected = redirects.followed(request, response.status, response.headers)
            if redirected is None:
                yield response
                return
        async with self._opened(redirected, patience) as response:
            redirects.refuse(redirected, response.status, response.headers)
            yield response

    @asynccontextmanager
    async def _opened(self, request: HttpRequest, patience: Patience) -> AsyncIterator[AsyncResponse]:
        if self._trace is not None:
            self._trace.request(request)
        patience.heard()
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            try:
                streamed = self._post(request).build_streamed()
                async with asyncio.timeout(patience.remaining()):
                    inner = await stack.enter_async_context(streamed)
            except TimeoutError:
                raise patience.expired() from None
            except (PyreqwestError, ValueError) as error:
                elapsed = time.monotonic() - started
                raise breakage.mapped(error, self._connection, elapsed, answering=False) from None
            patience.heard()
            if self._trace is not None:
                self._trace.response(inner.version, inner.status, "", Headers(inner))
                stack.callback(self._trace.body, b"")
            yield AsyncResponse(inner, self._connection, patience)

    def _post(self, request: HttpRequest) -> RequestBuilder:
        client = self._client or self._start(request.url)
        url = self._url if request.url == self._url_text else reqwest.url(urls.parse(request.url))
        # None of the body is read along with the head: were it broken, the status would be lost, and the first
        # pieces of a stream would wait for 64 KB.
        return client.post(url).headers(request.headers).body_bytes(request.body).streamed_read_buffer_limit(0)

    async def _exchange(self, request: HttpRequest) -> Answer:
        if self._trace is not None:
            self._trace.request(request)
        started = time.monotonic()
        answering = False
        try:
            builder = self._post(request)
            if self._deadline is not None:
                builder = builder.timeout(self._deadline)
            async with builder.build_streamed() as inner:
                answering = True
                if self._trace is not None:
                    self._trace.response(inner.version, inner.status, "", Headers(inner))
                body = await (self._body(inner) if inner.status in SUCCESS else self._error_body(inner))
        except (PyreqwestError, ValueError) as error:
            raise breakage.mapped(error, self._connection, time.monotonic() - started, answering=answering) from None
        if self._trace is not None:
            self._trace.body(body)
        return Answer(inner, body)

    def _start(self, url: str) -> Client:
        parsed = urls.parse(url)
        self._client = reqwest.client(self._connection, parsed)
        self._url_text, self._url = url, reqwest.url(parsed)
        return self._client

    async def _body(self, inner: Response) -> bytes:
        length = inner.get_header("content-length")
        is_known = length is not None and length.isdigit() and inner.get_header("content-encoding") is None
        if is_known and int(length or 0) <= self._max_body_bytes:
            return (await inner.bytes()).to_bytes()
        parts = []
        size = 0
        while (part := await inner.body_reader.read_chunk()) is not None:
            parts.append(part.to_bytes())
            size += len(part)
            if size > self._max_body_bytes:
                raise MalformedResponseError(
                    f"the response is larger than {self._max_body_bytes // (1024 * 1024)} MiB",
                    hint="Ask for fewer tokens or fewer prompts at a time.",
                )
        return b"".join(parts)

    async def _error_body(self, inner: Response) -> bytes:
        """Read as much of an error's body as is of use; when it breaks off, the status says enough."""
        parts = []
        size = 0
        try:
            while size <= error_map.MAX_ERROR_BYTES and (part := await inner.body_reader.read_chunk()) is not None:
                parts.append(part.to_bytes())
                size += len(part)
        except PyreqwestError:
            pass
        return b"".join(parts)
