"""Opening files that may turn out to be something else."""

import errno
import os
import stat
from pathlib import Path

STREAM_SECONDS = 30.0  # as long as a key_command may take


def without_waiting(path: str, flags: int) -> int:
    """Open a file, and do not wait for a writer where somebody has put a pipe; an `opener` for `open`."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))


def is_stream(path: Path) -> bool:
    """Return whether a path leads to a pipe or a device; false where that cannot be found out."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def read_stream(path: Path, limit: int) -> bytes:
    """Read a pipe or device to its end, or to the limit. Raises OSError, also when that does not come in time."""
    import threading  # most calls need no thread

    found: list[bytes | OSError] = []

    def read() -> None:
        try:
            with path.open("rb") as file:
                found.append(file.read(limit))
        except OSError as error:
            found.append(error)

    # It may be left behind: nothing ends the wait for a writer.
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(STREAM_SECONDS)
    if not found:
        raise TimeoutError(errno.ETIMEDOUT, f"it is a pipe or a device, and did not end within {STREAM_SECONDS:g} s")
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]
