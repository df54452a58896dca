"""Whether an endpoint can be reached at all: its name, its port, its certificate. Sends no request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from completions_cli.api.endpoint import Endpoint
from completions_cli.transport import failures, network, tls
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the two sides agreed on; None where there is no TLS. `expires` is the certificate's end, as it says it."""

    version: str | None = None
    expires: str | None = None


def addresses(endpoint: Endpoint, connection: Connection) -> list[str]:
    """Resolve the host's name. Raises NetworkError."""
    with _bounded(connection) as patience:
        return network.look_up(endpoint.host, endpoint.port, patience.remaining(connection.connect_timeout))


def handshake(endpoint: Endpoint, connection: Connection) -> Handshake:
    """Connect, directly, and shake hands when it is https. Raises NetworkError."""
    current = network.CurrentExchange()
    with _bounded(connection) as patience:
        current.patience = patience
        stream = network.PatientBackend(current).connect_tcp(endpoint.host, endpoint.port, connection.connect_timeout)
        try:
            if not endpoint.is_encrypted:
                return Handshake()
            context = tls.context(connection.ca_bundle, connection.ca_source)
            stream = stream.start_tls(context, endpoint.host, connection.connect_timeout)
            secured = stream.get_extra_info("ssl_object")
            expires = (secured.getpeercert() or {}).get("notAfter")
            return Handshake(secured.version(), str(expires) if expires else None)
        finally:
            stream.close()


@contextmanager
def _bounded(connection: Connection) -> Iterator[Patience]:
    patience = Patience(connection.connect_timeout, connection.deadline)
    with failures.mapped(patience, answering=False):
        yield patience
