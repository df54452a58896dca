"""Whether an endpoint can be reached at all: its name, its port, its certificate. Sends no request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from completions_cli.api import urls
from completions_cli.api.endpoint import Endpoint
from completions_cli.transport import failures, network, racing, tls
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience
from completions_cli.transport.route import Route, route


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the two sides agreed on; None where there is no TLS. `expires` is the certificate's end, as it says it."""

    version: str | None = None
    expires: str | None = None


def addresses(endpoint: Endpoint, connection: Connection) -> list[str]:
    """Resolve the host's name. Raises NetworkError."""
    if connection.unix_socket is not None:
        return [connection.unix_socket]
    limits = [limit for limit in (connection.connect_timeout, connection.deadline) if limit is not None]
    with _bounded(endpoint, connection):
        return racing.look_up(endpoint.host, endpoint.port, min(limits, default=None))


def handshake(endpoint: Endpoint, connection: Connection) -> Handshake:
    """Connect, directly, and shake hands when it is https. Raises NetworkError."""
    with _bounded(endpoint, connection) as (current, way):
        stream = network.PatientBackend(current, way, connection).connect_tcp(endpoint.host, endpoint.port)
        try:
            if not endpoint.is_encrypted:
                return Handshake()
            context = tls.context(connection.ca_bundle, connection.ca_source)
            stream = stream.start_tls(context, endpoint.host)
            secured = stream.get_extra_info("ssl_object")
            expires = (secured.getpeercert() or {}).get("notAfter")
            return Handshake(secured.version(), str(expires) if expires else None)
        finally:
            stream.close()


@contextmanager
def _bounded(endpoint: Endpoint, connection: Connection) -> Iterator[tuple[network.CurrentExchange, Route]]:
    current = network.CurrentExchange()
    way = route(replace(connection, proxy=None), urls.parse(endpoint.url))
    current.begin(Patience(None, connection.deadline))
    current.peer, current.is_connecting = way.target, True
    with failures.mapped(way, current, connection.connect_timeout):
        yield current, way
