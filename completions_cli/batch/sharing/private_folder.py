"""A folder that no other user can read, change, or replace by one of their own."""

import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from completions_cli import paths
from completions_cli.errors import OutputError

HINT = "Set XDG_RUNTIME_DIR to a folder that only you can open, below folders that only you or root can change."
_OTHERS = 0o077
_WRITABLE = 0o022
_MOST_LINKS = 40


def make(folder: Path) -> None:
    """Make a folder, and those above it, for this user alone. Raises OutputError where others could interfere."""
    folder = folder.absolute()
    try:
        paths.make_private(folder)
        if sys.platform != "win32":
            _check(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror or error}", hint=HINT) from error


if sys.platform != "win32":

    def _check(folder: Path) -> None:
        for path in _way(folder):
            found = path.lstat()
            if found.st_uid not in (0, os.getuid()):
                raise OutputError(f"{path} belongs to another user, and --share relies on it", hint=HINT)
            is_shared = found.st_mode & _WRITABLE and not found.st_mode & stat.S_ISVTX
            if is_shared and not stat.S_ISLNK(found.st_mode):
                raise OutputError(f"{path} can be changed by others, and --share relies on it", hint=HINT)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise OutputError(f"{folder} is not a folder of yours", hint=HINT)
        if found.st_mode & _OTHERS:
            raise OutputError(f"{folder} is open to others", hint=f"chmod 700 {folder}")

    def _way(folder: Path) -> Iterator[Path]:
        """Return each folder and symbolic link that is passed on the way to a folder, from / on."""
        here, links = Path(folder.anchor), 0
        left = [*reversed(folder.parts[1:])]
        yield here
        while left:
            name = left.pop()
            path = here.parent if name == ".." else here / name
            yield path
            if not path.is_symlink():
                here = path
                continue
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            target = path.readlink()
            if target.is_absolute():
                here = Path(target.anchor)
            left += [part for part in reversed(target.parts) if part != target.anchor]
