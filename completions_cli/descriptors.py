"""What the system tells about file descriptors, how many it allows, and how bytes get into and out of one."""

import contextlib
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from completions_cli.errors import UsageError

_LEAST_FILES = 32  # with fewer an event loop and its first connection do not come about


def require_files() -> None:
    """Raise UsageError where too few files may be open for an event loop: uvloop would abort the process."""
    if (allowed := allow_files(_LEAST_FILES)) < _LEAST_FILES:
        raise UsageError(f"the system allows this process only {allowed} open files", hint="ulimit -n")


def allow_files(wanted: int) -> int:
    """Have the system allow so many open files if it may be asked to, and return how many it allows."""
    if sys.platform == "win32":  # which has no such limit
        return sys.maxsize
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        with contextlib.suppress(ValueError, OSError):  # macOS has a lower limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def occupy(fd: int) -> bool:
    """Put the null device where a standard stream was closed, lest the next open file be taken for it."""
    try:
        os.fstat(fd)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != fd:
            os.dup2(null, fd)
            os.close(null)
        return True
    return False


def is_terminal(fd: int) -> bool:
    """Return whether it is a terminal; false where there is none to ask about."""
    try:
        return os.isatty(fd)
    except OSError:
        return False


def writer(fd: int) -> Callable[[bytes | memoryview], int]:
    """Return what writes there. A terminal of Windows shows bytes by its code page; Python's file gives it text."""
    if sys.platform == "win32" and is_terminal(fd):
        return open(fd, "wb", buffering=0, closefd=False).write
    return functools.partial(os.write, fd)


def reader(fd: int) -> Callable[[int], bytes]:
    """Return what reads from there, for the same reason."""
    if sys.platform == "win32" and is_terminal(fd):
        return open(fd, "rb", buffering=0, closefd=False).read
    return functools.partial(os.read, fd)


def is_the_parents_too() -> bool:
    """Return whether the process that started this one reads the same pipe. Raises OSError where nobody knows."""
    return Path("/proc/self/fd/0").readlink() == Path(f"/proc/{os.getppid()}/fd/0").readlink()


def pending_bytes() -> int:
    """Return how many bytes standard input holds. Raises OSError."""
    import array
    import fcntl
    import termios

    count = array.array("i", [0])
    fcntl.ioctl(0, termios.FIONREAD, count)
    return count[0]


def wait_readable(fd: int) -> None:
    """Wait until there is something to read, or the end."""
    import select

    select.select([fd], [], [])


def wait_writable(fd: int) -> None:
    """Wait until something can be written."""
    import select

    select.select([], [fd], [])
