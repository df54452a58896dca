"""Proxies of the environment: which one, if any, stands between us and an endpoint."""

import ipaddress
import re
from collections.abc import Mapping

from completions_cli.api import urls
from completions_cli.api.endpoint import Endpoint
from completions_cli.api.urls import UrlError
from completions_cli.errors import ConfigError

_WITH_PORT = re.compile(r"(?P<host>\[.*\]|[^:]*):(?P<port>[0-9]{1,5})")


def from_environ(endpoint: Endpoint, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Pick the proxy for an endpoint: its URL and the variable that names it. Never one for this machine."""
    scheme = "https" if endpoint.is_encrypted else "http"
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        # A CGI server puts the client's header `Proxy:` into HTTP_PROXY.
        if environ.get(name) and not (name == "HTTP_PROXY" and "REQUEST_METHOD" in environ):
            excluded = _is_excluded(endpoint, environ.get("no_proxy") or environ.get("NO_PROXY") or "")
            return None if excluded else (environ[name], name)
    return None


def checked(proxy: str, source: str) -> str:
    """Complete and check a proxy's URL. Raises ConfigError that does not repeat it: it may hold a password."""
    try:
        urls.parse_proxy(proxy)
    except UrlError as error:
        raise ConfigError(
            f"the proxy from {source} {error}",
            hint="Write it as http://HOST:PORT; https, socks5 and socks5h are known too.",
        ) from None
    return proxy if "://" in proxy else f"http://{proxy}"


def _is_excluded(endpoint: Endpoint, no_proxy: str) -> bool:
    if endpoint.takes_no_proxy:
        return True
    return any(_matches(entry, endpoint.host, endpoint.port) for entry in no_proxy.lower().replace(",", " ").split())


def _matches(entry: str, host: str, port: int) -> bool:
    """Match one NO_PROXY entry: `*`, a domain and what is below it, host:port, an address or a CIDR block."""
    if entry == "*":
        return True
    with_port = _WITH_PORT.fullmatch(entry)
    if with_port:
        if int(with_port["port"]) != port:
            return False
        entry = with_port["host"]
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        domain = entry.removeprefix("*").removeprefix(".")
        return host == domain or host.endswith("." + domain)
