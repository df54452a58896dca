"""The ids of models that an endpoint listed, remembered for a day: for hints and the tab key, which must not wait.

Only ids are stored, each endpoint's in a file named by a hash of its URL. A cache that cannot be read or written is
no cache; nothing depends on it.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from completions_cli.errors import OutputError
from completions_cli.opening import without_waiting
from completions_cli.wall_clock import unix_time

_LONGEST_LIFE = 24 * 60 * 60  # seconds
_MOST_IDS = 10_000
_MOST_BYTES = 4 * 1024 * 1024
_SUFFIX = ".json"


def read(url: str) -> tuple[str, ...]:
    """Return the ids listed at a URL within the last day, or none."""
    folder = _folder()
    if folder is None:
        return ()
    try:
        with open(_file(folder, url), "rb", opener=without_waiting) as file:
            found = json.loads(file.read(_MOST_BYTES))
        listed, ids = found["listed"], found["ids"]
        if 0 <= unix_time() - listed < _LONGEST_LIFE:
            return tuple(item for item in ids if isinstance(item, str))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass
    return ()


def write(url: str, ids: Iterable[str]) -> None:
    """Remember the ids listed at a URL, and forget lists that are too old to be used."""
    folder = _folder()
    if folder is None:
        return
    from completions_cli import atomic, paths

    kept = [item for _, item in zip(range(_MOST_IDS), ids, strict=False)]
    content = json.dumps({"listed": unix_time(), "ids": kept}).encode()
    if len(content) > _MOST_BYTES:
        return
    with contextlib.suppress(OSError, OutputError):
        paths.make_private(folder)
        _forget_old(folder)
        atomic.write(_file(folder, url), content, mode=0o600, follow=False)


def _forget_old(folder: Path) -> None:
    for path in folder.glob("*" + _SUFFIX):
        with contextlib.suppress(OSError):
            if unix_time() - path.stat(follow_symlinks=False).st_mtime >= _LONGEST_LIFE:
                path.unlink()


def _file(folder: Path, url: str) -> Path:
    return folder / (hashlib.sha256(url.encode()).hexdigest()[:32] + _SUFFIX)


def _folder() -> Path | None:
    """Return the folder for lists, on Linux $XDG_CACHE_HOME/completions/models; None where there is no home."""
    import platformdirs

    try:
        folder = platformdirs.user_cache_path("completions", appauthor=False)
    except (RuntimeError, KeyError):
        return None
    return folder / "models" if folder.is_absolute() else None
