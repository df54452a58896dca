"""How this copy was installed, and so how one of its extras is."""

import shlex
import sys
from pathlib import Path

_NAME = "completions-cli"


def install(extra: str) -> str:
    """Return the command that installs an extra: by the tool that manages this copy, from where the copy came."""
    package = shlex.quote(f"{_place() or _NAME}[{extra}]")
    parts = Path(sys.prefix).parts
    if "pipx" in parts:
        return f"pipx install --force {package}"
    if "uv" in parts and "tools" in parts:
        return f"uv tool install {package}"
    return f"pip install {package}"


def _place() -> str | None:
    """Return the checkout or wheel that this copy was installed from, None for a package index."""
    import json  # an error's hint is worth these, a start is not
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        recorded = json.loads(distribution(_NAME).read_text("direct_url.json") or "{}")
        url = urlsplit(recorded.get("url", ""))
    except (PackageNotFoundError, OSError, ValueError, AttributeError):
        return None
    place = url2pathname(url.path)
    return place if url.scheme == "file" and Path(place).exists() else None
