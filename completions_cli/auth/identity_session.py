"""How azure-identity reaches sign-in servers and the identities of machines: by our rules, not those of requests."""

import ipaddress
from collections.abc import Callable
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests

from completions_cli.api import headers
from completions_cli.api.masking import Mask
from completions_cli.transport.connection import Connection

_SECRETS = ("client_secret", "password")
_TOKENS = ("assertion", "client_assertion", "refresh_token")


class Session(requests.Session):
    """Sends no login of `.netrc` and no cookie, follows no redirect, and tells a mask which secrets it sends.

    `proxy` picks the proxy for a URL. What is not encrypted, or of this machine's own network, goes through none: it
    is a machine's identity, which any proxy could claim to be.
    """

    def __init__(self, proxy: Callable[[str], str | None], mask: Mask) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        self._proxy = proxy
        self._mask = mask

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # noqa: ANN401 - its own
        """Send a request. Raises the errors of requests."""
        self._note_secrets(request)
        url = request.url or ""
        proxy = None if _is_machines_own(url) else self._proxy(url)
        for secret in Connection(proxy=proxy).secrets:
            self._mask.add(secret)
        options |= {"proxies": {"https": proxy} if proxy else {}, "allow_redirects": False}
        return super().send(request, **options)

    def _note_secrets(self, request: requests.PreparedRequest) -> None:
        body = request.body.decode() if isinstance(request.body, bytes) else request.body
        for name, value in parse_qsl(body) if isinstance(body, str) else ():
            if name in _SECRETS + _TOKENS:
                # Parts of a token are in every other one: the names of algorithms.
                self._mask.add(value, in_part=name in _SECRETS)
        for header, content in request.headers.items():
            if headers.is_sensitive(header):
                self._mask.add_header(header, content if isinstance(content, str) else content.decode("latin-1"))


def _is_machines_own(url: str) -> bool:
    parts = urlsplit(url)
    try:
        address = ipaddress.ip_address(parts.hostname or "")
    except ValueError:
        return parts.scheme != "https"
    return parts.scheme != "https" or address.is_link_local
