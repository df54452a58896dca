"""Paths as users type them."""

import os
from pathlib import Path

from completions_cli.errors import UsageError


def expanded(typed: str) -> Path:
    """Replace a leading ~ as a shell does: where there is no such user or home folder, it is part of the name.

    Raises UsageError for an empty name, which would be that of the working folder.
    """
    if not typed:
        raise UsageError("the name of a file is empty", hint="Is a variable of the shell unset?")
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        return Path(typed)


def real(path: Path) -> Path:
    """Follow links as far as they lead; in a loop, that is not to the end."""
    return Path(os.path.realpath(path))


def is_file(path: Path) -> bool:
    """Return whether there is a file; False also where the system does not let us look, as a write will tell."""
    return os.path.isfile(path)  # noqa: PTH113 - the method raises PermissionError before Python 3.14


def is_link(path: Path) -> bool:
    """Return whether there is a symbolic link; False also where the system does not let us look."""
    return os.path.islink(path)  # noqa: PTH114 - as above


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone, whatever the umask. Raises OSError."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def on_a_line(path: Path | str) -> str:
    """Return a path as part of a line that is printed: a name that holds line ends begins no other one."""
    return str(path).replace("\n", "\\n").replace("\r", "\\r")
