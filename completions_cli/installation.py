"""How this copy was installed, and so how one of its extras is."""

import sys
from pathlib import Path


def install(extra: str) -> str:
    """Return the command that installs an extra, by the tool that manages this copy."""
    package = f"'completions-cli[{extra}]'"
    parts = Path(sys.prefix).parts
    if "pipx" in parts:
        return f"pipx install --force {package}"
    if "uv" in parts and "tools" in parts:
        return f"uv tool install {package}"
    return f"pip install {package}"
