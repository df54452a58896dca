"""Settings as they may be shown: without the passwords and keys that a profile file may hold."""

from completions_cli.api import headers, urls
from completions_cli.models import Json

_URLS = frozenset({"endpoint", "url", "authority", "proxy"})


def setting(name: str, value: Json, table: str = "") -> Json:
    """Return the value of a setting in a `table`, or a whole table of settings, without what may be a secret."""
    if isinstance(value, dict):
        return {key: setting(key, item, name) for key, item in value.items()}
    if table == "headers" and headers.is_sensitive(name):
        return headers.MASK
    return _url(name, value) if name in _URLS and isinstance(value, str) else value


def _url(name: str, text: str) -> str:
    """Return a URL that may be shown. A proxy's password may hold slashes, so that it looks like a path."""
    return headers.shown_url(urls.shown(text) if name == "proxy" else text)
