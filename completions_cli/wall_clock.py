"""The wall clock, which may jump: for what others date, such as tokens. Every wait is measured by `time.monotonic`."""

import time


def unix_time() -> float:
    """Return the seconds since 1970."""
    return time.time()  # noqa: TID251 - nothing else reads it
