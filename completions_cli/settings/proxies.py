"""Proxies of the environment: which one, if any, stands between us and an endpoint."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from completions_cli.api.endpoint import Endpoint
from completions_cli.errors import ConfigError

_SCHEMES = ("http", "https", "socks5", "socks5h")


def from_environ(endpoint: Endpoint, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Pick the proxy for an endpoint: its URL and the variable that names it. Never one for loopback."""
    scheme = "https" if endpoint.is_encrypted else "http"
    for name in (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"):
        # A CGI server puts the client's header `Proxy:` into HTTP_PROXY.
        if environ.get(name) and not (name == "HTTP_PROXY" and "REQUEST_METHOD" in environ):
            excluded = _is_excluded(endpoint, environ.get("no_proxy") or environ.get("NO_PROXY") or "")
            return None if excluded else (environ[name], name)
    return None


def checked(proxy: str, source: str) -> str:
    """Complete and check a proxy's URL. Raises ConfigError that does not repeat it: it may hold a password."""
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in _SCHEMES and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError(
            f"the proxy from {source} is not a URL that can be used",
            hint="Write it as http://HOST:PORT; https, socks5 and socks5h are known too.",
        )
    return url


def masked(proxy: str) -> str:
    """Hide the user name and password of a proxy's URL."""
    scheme, separator, rest = proxy.rpartition("://")
    return f"{scheme}{separator}****@{rest.rpartition('@')[2]}" if "@" in rest else proxy


def _is_excluded(endpoint: Endpoint, no_proxy: str) -> bool:
    if endpoint.is_loopback:
        return True
    port = urlsplit(endpoint.origin).port or (443 if endpoint.is_encrypted else 80)
    entries = [entry.strip().lower() for entry in no_proxy.replace(" ", ",").split(",")]
    return any(_matches(entry, endpoint.host.lower(), port) for entry in entries if entry)


def _matches(entry: str, host: str, port: int) -> bool:
    """Match one NO_PROXY entry: `*`, a domain and what is below it, host:port, an address or a CIDR block."""
    if entry == "*":
        return True
    name, colon, entry_port = entry.rpartition(":")
    if colon and entry_port.isdigit() and ":" not in name.strip("[]").replace("::", ""):
        if int(entry_port) != port:
            return False
        entry = name
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        domain = entry.removeprefix("*").removeprefix(".")
        return host == domain or host.endswith("." + domain)
