"""Where a redirect may lead: to the same origin, with the same method, once."""

from collections.abc import Mapping
from dataclasses import replace

from completions_cli.api import urls
from completions_cli.api.urls import Url, UrlError
from completions_cli.models import HttpRequest
from completions_cli.transport import reports
from completions_cli.transport.route import Peer

_MOST_SHOWN = 500  # characters
STATUSES = range(300, 400)  # some of them name no address, and none is an answer
_KEEPS_METHOD = frozenset({307, 308})


def followed(peer: Peer, request: HttpRequest, status: int, headers: Mapping[str, str]) -> HttpRequest | None:
    """Return the request to send instead of `request`, None when the status is none of a redirect.

    Raises NetworkError for a redirect that is not followed: what leads elsewhere would take the key along.
    """
    if status not in STATUSES:
        return None
    asked = urls.parse(request.url)
    target = _target(asked, headers.get("location"))
    if isinstance(target, str) or status not in _KEEPS_METHOD or target.origin != asked.origin:
        raise reports.redirect(peer, str(target))
    return replace(request, url=str(target))


def refuse(peer: Peer, request: HttpRequest, status: int, headers: Mapping[str, str]) -> None:
    """Raise NetworkError for a second redirect, wherever it leads."""
    if status in STATUSES:
        raise reports.redirect(peer, str(_target(urls.parse(request.url), headers.get("location"))))


def _target(asked: Url, location: str | None) -> Url | str:
    """Return where a Location leads, as text where it is no URL. The asynchronous library hides what is not ASCII."""
    if not location:
        return "nowhere" if location == "" else "an address that is missing or not ASCII"
    try:
        return asked.joined(location)
    except UrlError:
        return urls.shown(location)[:_MOST_SHOWN]
