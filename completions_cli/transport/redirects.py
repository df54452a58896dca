"""Where a redirect may lead: to the same origin, with the same method, once."""

from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit, urlunsplit

from completions_cli.api import endpoint
from completions_cli.errors import CompletionsError
from completions_cli.transport import reports

STATUSES = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})


def target(url: str, status: int, headers: Mapping[str, str]) -> str | None:
    """Return the URL to ask instead of `url`, None when the answer is no redirect.

    Raises NetworkError for a redirect that is not followed: what leads elsewhere would take the key along.
    """
    if status not in STATUSES:
        return None
    location = headers.get("location", "")
    try:
        joined = urlunsplit(urlsplit(urljoin(url, location))._replace(fragment=""))
        same = status in _KEEPS_METHOD and endpoint.origin(joined) == endpoint.origin(url)
    except (ValueError, CompletionsError):
        same = False
    if not same or not location:
        raise reports.redirect(absolute(url, location))
    return joined


def absolute(url: str, location: str) -> str:
    """Name the place that `location` means, as far as it means one; it may be relative to `url`."""
    try:
        return urljoin(url, location) if location else ""
    except ValueError:
        return location
