"""The library's clients for one service: one keeps its connections, the other makes a new one for each request."""

import time
from collections.abc import Mapping
from dataclasses import replace

from pyreqwest.client import Client
from pyreqwest.http import HeaderMap
from pyreqwest.http import Url as LibraryUrl
from pyreqwest.request import RequestBuilder

from completions_cli.api import urls
from completions_cli.api.urls import Origin, Url
from completions_cli.errors import CompletionsError
from completions_cli.models import HttpRequest
from completions_cli.transport import breakage, quickest, reports, reqwest, tunnel
from completions_cli.transport.answer import Headers
from completions_cli.transport.connection import Connection
from completions_cli.transport.route import route
from completions_cli.transport.unix_relay import UnixRelay


def at_once(connection: Connection, url: Url) -> "Link | None":
    """Return a link to a host with one address; None for others, where `begin` has to find out which is quick.

    Nothing is awaited, so the first requests of many go out in their order.
    """
    waits = connection.unix_socket is None and quickest.has_several(_contacted(connection, url))
    return None if waits else Link(connection, url)


async def begin(connection: Connection, url: Url) -> "Link":
    """Return a link whose connections go to the address that is quickest now.

    Raises NetworkError if none answers in time.
    """
    seconds = min(
        (each for each in (connection.connect_timeout, connection.deadline) if each is not None), default=None
    )
    try:
        address = await quickest.address(_contacted(connection, url), seconds)
    except TimeoutError:
        raise reports.connect_timeout(route(connection, url), seconds) from None
    return Link(connection, url, address)


def _contacted(connection: Connection, url: Url) -> Origin:
    proxy = connection.proxy_url
    return url.origin if proxy is None else proxy.origin


class Link:
    """Builds requests to where `url` is, or elsewhere on the same origin.

    Connections go to `address`, if the host has several and one was chosen.
    """

    def __init__(self, connection: Connection, url: Url, address: str | None = None) -> None:
        self.route = route(connection, url)
        self.address = address
        self._relay: UnixRelay | None = None
        if connection.unix_socket is not None:
            self._relay = UnixRelay(connection.unix_socket)
            connection = replace(connection, proxy=self._relay.proxy)
        self._connection = connection
        self._origin = url
        try:
            self._client = reqwest.client(connection, url, address=address)
        except BaseException:
            self._close_relay()
            raise
        self._fresh: Client | None = None
        self._url_text = str(url)
        self._url: LibraryUrl = reqwest.url(url)  # the same, parsed once
        self._shared: Mapping[str, str] = {}
        self._header_map = HeaderMap()  # the same, as the library has them: to make it takes as long as all else here
        self._kept_until = 0.0
        self._exchanges = 0  # in progress

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
        if self._fresh is not None:
            await self._fresh.close()
        self._close_relay()

    def request(self, request: HttpRequest, *, fresh: bool = False) -> RequestBuilder:
        """Begin a request, over a new connection if `fresh`."""
        url = self._url if request.url == self._url_text else reqwest.url(urls.parse(request.url))
        client = self._fresh_client() if fresh else self._client
        # None of the body is read along with the head: were it broken, the status would be lost, and the first
        # pieces of a stream would wait for 64 KB.
        builder = client.post(url).body_bytes(request.body) if request.method == "POST" else client.get(url)
        if request.shared is not self._shared:
            self._shared, self._header_map = request.shared, HeaderMap(request.shared)
        builder = builder.headers(self._header_map).streamed_read_buffer_limit(0)
        for name, value in request.own.items():
            builder = builder.header(name, value)
        return builder

    def begin_exchange(self) -> None:
        """Note that a request is about to be sent; `end_exchange` says that nothing more is read of its answer."""
        self._exchanges += 1

    def end_exchange(self) -> None:
        """Note that an exchange is over, whatever came of it."""
        self._exchanges -= 1

    def answered(self, headers: Headers) -> None:
        """Note that a connection may be kept from now on, unless the headers of an answer say otherwise."""
        closes = headers.get("connection")
        if closes is None or closes.lower() != "close":
            self._kept_until = time.monotonic() + reqwest.IDLE_SECONDS

    def met_a_stale_one(self, error: Exception, elapsed: float) -> bool:
        """Return whether an exchange may have failed because a connection kept from before turned out closed.

        The library does not say which one it took in these `elapsed` seconds: perhaps that of another exchange, whose
        answer is complete there before any of it is seen here. Such a request goes once more, over a new connection.
        """
        may_be_kept = self._exchanges > 1 or time.monotonic() - elapsed < self._kept_until
        return may_be_kept and breakage.is_closed_early(error)

    async def explained(self, error: Exception, elapsed: float, *, answering: bool) -> CompletionsError:
        """Return what the library threw in the user's terms, with what it does not tell of proxies."""
        if self._relay is not None and self._relay.refusal is not None and breakage.is_unconnected(error):
            return reports.no_connection(self.route.target, self._relay.refusal)
        proxy = self.route.proxy
        if proxy is not None and breakage.is_tunnel_refused(error):
            status = await tunnel.status(self._connection, self._origin)
            if status is not None and not status.startswith("2"):
                return reports.no_tunnel(self.route, proxy, status)
        return breakage.mapped(error, self.route, self._connection, elapsed, answering=answering)

    def _close_relay(self) -> None:
        if self._relay is not None:
            self._relay.close()

    def _fresh_client(self) -> Client:
        if self._fresh is None:
            self._fresh = reqwest.client(self._connection, self._origin, keeps=False, address=self.address)
        return self._fresh
