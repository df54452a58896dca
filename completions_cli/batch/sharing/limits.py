"""What the runs that share a pace agree on: a name, and limits."""

import re
from typing import NamedTuple

from completions_cli.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def checked_name(name: str) -> str:
    """Return a name that may be shared. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"--share: {name!r} is not a name", hint="Use up to 64 letters, digits, dots, dashes and underscores."
        )
    return name


class SharedLimits(NamedTuple):
    """Limits for all runs together; None means not given."""

    in_flight: int | None
    rpm: float | None
    tpm: float | None

    def __str__(self) -> str:
        typed = (("-j", self.in_flight or "auto"), ("--rpm", self.rpm), ("--tpm", self.tpm))
        return " ".join(
            f"{option} {value:g}" if isinstance(value, float) else f"{option} {value}"
            for option, value in typed
            if value
        )
