"""Where requests go: what users paste as an endpoint, turned into the URL of `completions`."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urlsplit

from completions_cli.errors import ConfigError

DEFAULT_API_VERSION = "2024-04-01-preview"
NO_API_VERSION = "none"

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# A name whose last part is a number would be taken for an IPv4 address.
_HOST_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.)*(?![0-9]+\.?$)[a-z0-9_-]{1,63}\.?")
# What may stand unescaped in a path or a query; the percent sign because escapes are kept.
_SAFE = "/%:@!$&'()*+,;=~-._?"
_NOT_IN_URLS = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_HINT = "Give the endpoint as the portal shows it, as in https://NAME.REGION.models.ai.azure.com."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The place a request is sent to. `origin` is scheme://host[:port], what a key is bound to."""

    url: str
    origin: str
    host: str
    is_loopback: bool

    @property
    def is_encrypted(self) -> bool:
        """True for https."""
        return self.origin.startswith("https:")


def resolve(text: str, api_version: str | None = None) -> Endpoint:
    """Make the completions URL of an endpoint, forgiving the usual pastes.

    Without a scheme it is https (http on loopback). A path that ends in `/chat/completions` or
    `/score` is mended, any other but `/completions` gets it appended. `api_version` None means the
    reference's, unless the URL has one or is an OpenAI-style `/v1`; "none" sends none.
    Raises ConfigError.
    """
    parts = _split(text.strip())
    host = _host(parts)
    origin = _origin(parts)
    path = _completions_path(parts.path)
    query = _query(parts.query, path, api_version)
    return Endpoint(url=origin + path + query, origin=origin, host=host, is_loopback=is_loopback(host))


def origin(text: str) -> str:
    """Name the origin of an endpoint: scheme://host[:port], the default port left out."""
    return _origin(_split(text.strip()))


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only mean this machine.

    A name below `.localhost` should, too, but not every resolver keeps such names from the network.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: str) -> SplitResult:
    if "@" in re.split("[/?#]", _SCHEME.sub("", text), maxsplit=1)[0]:
        raise ConfigError("endpoint holds a user name or password", hint="Keys go into the keyring or a variable.")
    if _NOT_IN_URLS.search(text) or not text:
        raise ConfigError(f"endpoint is not a URL: {text!r}", hint=_HINT)
    try:
        if not _SCHEME.match(text):
            bare = urlsplit("//" + text)
            text = ("http://" if is_loopback(bare.hostname or "") else "https://") + text
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise ConfigError(f"endpoint is not a URL: {text!r} ({error})", hint=_HINT) from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise ConfigError(f"endpoint has the scheme {parts.scheme!r}; only https and http will do", hint=_HINT)
    if not parts.hostname:
        raise ConfigError(f"endpoint names no host: {text!r}", hint=_HINT)
    return parts


def _origin(parts: SplitResult) -> str:
    host = _host(parts)
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, _DEFAULT_PORTS[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{host}{port}"


def _host(parts: SplitResult) -> str:
    """Return the host as sent on the wire. Names that no resolver would take are refused here, with a reason."""
    named = parts.hostname or ""
    try:
        host = named if named.isascii() else named.encode("idna").decode().lower()
        is_valid = bool(_HOST_NAME.fullmatch(host) or ipaddress.ip_address(host))
    except ValueError:
        is_valid = False
    if not is_valid or "%" in host or host in _DEFAULT_PORTS:  # `https:/name` would be a host called https
        raise ConfigError(f"endpoint has an impossible host name: {named!r}", hint=_HINT)
    return host


def _completions_path(path: str) -> str:
    path = quote(path, safe=_SAFE).rstrip("/")
    for pasted in ("/chat/completions", "/completions", "/score"):
        if path.endswith(pasted):
            path = path.removesuffix(pasted)
            break
    return path + "/completions"


def _query(query: str, path: str, api_version: str | None) -> str:
    items = [quote(item, safe=_SAFE) for item in query.split("&") if item]
    others = [item for item in items if unquote(item.partition("=")[0]).lower() != "api-version"]
    if api_version is not None:
        items = others + ([] if api_version == NO_API_VERSION else [f"api-version={quote(api_version, safe='')}"])
    elif len(items) == len(others) and not path.endswith("/v1/completions"):
        items.append(f"api-version={DEFAULT_API_VERSION}")
    return "?" + "&".join(items) if items else ""
