"""Where requests go: what users paste as an endpoint, turned into the URL of `completions`."""

import ipaddress
import re
from dataclasses import dataclass, field, replace
from urllib.parse import quote, unquote

from completions_cli.api import urls
from completions_cli.api.urls import Url, UrlError
from completions_cli.errors import ConfigError

DEFAULT_API_VERSION = "2024-04-01-preview"
NO_API_VERSION = "none"
MODELS_PATH = "/models"

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOST = re.compile(r"\[(?P<address>[^\]]*)\]|(?P<name>[^:/?#]*)")
_WORD = re.compile(r"[A-Za-z0-9_-]+")
_HINT = "Give the endpoint as the portal shows it, as in https://NAME.REGION.models.ai.azure.com."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The place a request is sent to. `origin` is scheme://host[:port], what a key is bound to."""

    url: str = field(repr=False)  # some gateways take a key in its query
    origin: str
    host: str
    port: int
    is_loopback: bool

    @property
    def is_encrypted(self) -> bool:
        """True for https."""
        return self.origin.startswith("https:")

    @property
    def takes_no_proxy(self) -> bool:
        """True for this machine, also as `localhost.` or a name below `.localhost`: what a proxy has is elsewhere."""
        return self.is_loopback or self.host.removesuffix(".").rpartition(".")[2] == "localhost"

    @property
    def path(self) -> str:
        """The path with the query."""
        return self.url.removeprefix(self.origin)

    @property
    def listing(self) -> "Endpoint":
        """Where the models are listed: at `/models` in place of `/completions`, with the same query."""
        path, mark, query = self.url.partition("?")
        return replace(self, url=path.removesuffix("/completions") + MODELS_PATH + mark + query)

    def beside(self, route: str) -> "Endpoint":
        """Return where the server's own API has a route: at its root, where the completions are below /v1."""
        path, mark, query = self.url.partition("?")
        return replace(self, url=path.removesuffix("/completions").removesuffix("/v1") + route + mark + query)


def resolve(text: str, api_version: str | None = None) -> Endpoint:
    """Make the completions URL of an endpoint, forgiving the usual pastes.

    Without a scheme it is https (http on loopback). A path that ends in `/chat/completions` or
    `/score` is mended, any other but `/completions` gets it appended. `api_version` None means the
    reference's, unless the URL has one or is an OpenAI-style `/v1`; "none" sends no version.
    Raises ConfigError.
    """
    pasted = parse(text)
    path = _completions_path(pasted.path)
    url = Url(pasted.origin, path, _query(pasted.query, path, api_version))
    host = pasted.origin.host
    return Endpoint(str(url), str(pasted.origin), host, pasted.origin.port, is_loopback(host))


def origin(text: str) -> str:
    """Return the origin of an endpoint: scheme://host[:port], the default port left out."""
    return str(parse(text).origin)


def parse(text: str) -> Url:
    """Read an endpoint's URL, whose scheme may be left out. Raises ConfigError, which repeats no password."""
    text = text.strip()
    refuse_user(text)
    if _WORD.fullmatch(text) and text.lower() != "localhost":
        raise ConfigError("endpoint is not a URL: it is a single word", hint=f"{_HINT} To name a profile, use -p.")
    try:
        return urls.parse(text if _SCHEME.match(text) else _scheme_of(text) + text)
    except UrlError as error:
        raise ConfigError(f"endpoint {error}", hint=_HINT) from None


def refuse_user(text: str) -> None:
    """Raise ConfigError when an endpoint contains a user name or password."""
    if urls.holds_user(text):
        raise ConfigError(
            "endpoint contains a user name or password", hint="Keep keys in the keyring or in a variable."
        )


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only mean this machine; to connect to 0.0.0.0 or :: means it, too.

    A name below `.localhost` should, too, but not every resolver keeps such names from the network.
    """
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _scheme_of(bare: str) -> str:
    """Return the scheme of an endpoint that is pasted without one: https, and http on loopback."""
    found = _HOST.match(bare)
    host = (found["address"] or found["name"]) if found else ""
    return "http://" if is_loopback(host.lower()) else "https://"


def _completions_path(path: str) -> str:
    path = path.rstrip("/")
    for pasted in ("/chat/completions", "/completions", "/score"):
        if path.endswith(pasted):
            path = path.removesuffix(pasted)
            break
    return path + "/completions"


def _query(query: str, path: str, api_version: str | None) -> str:
    items = [item for item in query.split("&") if item]
    others = [item for item in items if unquote(item.partition("=")[0]).lower() != "api-version"]
    if api_version is not None:
        items = others + ([] if api_version == NO_API_VERSION else [f"api-version={quote(api_version, safe='')}"])
    elif len(items) == len(others) and not path.endswith("/v1/completions"):
        items.append(f"api-version={DEFAULT_API_VERSION}")
    return "&".join(items)
