"""Opening files that may turn out to be something else."""

import os


def without_waiting(path: str, flags: int) -> int:
    """Open a file, and do not wait for a writer where somebody has put a pipe; an `opener` for `open`."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
