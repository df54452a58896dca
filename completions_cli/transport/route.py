"""Who is at the other end of a connection: the endpoint or the sign-in server, and a proxy on the way to it."""

from dataclasses import dataclass

from completions_cli.api.urls import Url
from completions_cli.transport.connection import Connection

PROXY = "proxy"
WANTS_PROXY_CREDENTIALS = 407  # a status that only proxies give


@dataclass(frozen=True, slots=True)
class Peer:
    """One of those who can fail, as messages name it: `role` is what it is to us, `address` its host and port."""

    role: str
    address: str

    def __str__(self) -> str:
        """Return its name in the middle of a sentence, without the article."""
        return f"{self.role} {self.address}"


@dataclass(frozen=True, slots=True)
class Route:
    """The way to `target`. `scheme` and `proxy_scheme` say what is spoken to either."""

    target: Peer
    scheme: str
    proxy: Peer | None = None
    proxy_scheme: str | None = None
    shows_certificate: bool = False

    @property
    def first(self) -> Peer:
        """The one whose address is connected to."""
        return self.proxy or self.target

    @property
    def is_forwarded(self) -> bool:
        """True when the proxy reads the request itself, which is so for plain http and no SOCKS."""
        return self.scheme == "http" and self.proxy_scheme in ("http", "https")

    @property
    def spoken_to(self) -> Peer:
        """The one who reads the request first."""
        return self.first if self.is_forwarded else self.target


def route(connection: Connection, url: Url) -> Route:
    """Return the way to a URL."""
    target = Peer(connection.server, connection.unix_socket or url.origin.host_and_port)
    shows = connection.client_cert is not None
    proxy = connection.proxy_url
    if proxy is None or connection.unix_socket is not None:
        return Route(target, url.origin.scheme, shows_certificate=shows)
    at = Peer(PROXY, proxy.origin.host_and_port)
    return Route(target, url.origin.scheme, at, proxy.origin.scheme, shows_certificate=shows)
