"""How to reach a service, and who watches the exchanges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from completions_cli.api import urls
from completions_cli.api.urls import Proxy
from completions_cli.models import HttpRequest


@dataclass(frozen=True, slots=True)
class Connection:
    """Times in seconds, None for no limit. `proxy` is a URL or None; `ca_source` names where `ca_bundle` came from.

    `client_cert` and `client_key` are PEM files, the latter None when the former holds both; with a `unix_socket`
    no name is resolved and no proxy asked.
    """

    timeout: float | None = 300.0
    deadline: float | None = None
    connect_timeout: float | None = 10.0
    proxy: str | None = field(default=None, repr=False)  # may hold a password
    ca_bundle: str | None = None
    ca_source: str = "ca_bundle"
    client_cert: str | None = None
    client_key: str | None = None
    unix_socket: str | None = None
    server: str = "endpoint"  # what is reached, as messages name it

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the proxy's URL says to the proxy alone: user name and password, escaped or not."""
        user = (self.proxy or "").rpartition("@")[0].rpartition("//")[2]
        return (*urls.readings(user), *urls.readings(user.partition(":")[2])) if user else ()

    @property
    def proxy_url(self) -> Proxy | None:
        """The proxy in its parts."""
        return None if self.proxy is None else urls.parse_proxy(self.proxy)


class Trace(Protocol):
    """Is told about every exchange as it happens."""

    def request(self, request: HttpRequest) -> None:
        """See a request about to be sent."""

    def response(self, version: str, status: int, reason: str, headers: Mapping[str, str]) -> None:
        """See the head of an answer."""

    def body(self, received: bytes) -> None:
        """See a part of an answer's body; an empty part is its end."""
