"""Paths as users type them."""

import os
from pathlib import Path


def expanded(typed: str) -> Path:
    """Replace a leading ~ as a shell does: where there is no such user or home folder, it is part of the name."""
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        return Path(typed)


def real(path: Path) -> Path:
    """Follow links as far as they lead; in a loop, that is not to the end."""
    return Path(os.path.realpath(path))
