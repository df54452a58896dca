"""Signals that end a command: each unwinds it like Ctrl-C, so that files are tidied up and children and servers end."""

import signal
import sys
import time
from types import FrameType

from completions_cli.errors import ExitCode

# Signals often come in pairs: a closed terminal and a supervisor, or Ctrl-C and what a parent passes on. The second
# would strike the tidying up. Where that takes longer, one more signal still ends it.
_TOGETHER_SECONDS = 1.0


def raise_on_signals() -> None:
    """Have SIGINT raise KeyboardInterrupt, SIGTERM and SIGHUP SystemExit; what follows within a second is ignored.

    SIGHUP that is ignored, as under nohup, stays so; so does SIGINT, as in a shell's background jobs.
    """
    ends: float | None = None

    def received(number: int, _: FrameType | None) -> None:
        nonlocal ends
        now = time.monotonic()
        if ends is not None and now < ends:
            return
        ends = now + _TOGETHER_SECONDS
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(ExitCode.TERMINATED if number == signal.SIGTERM else ExitCode.HUNG_UP)

    signal.signal(signal.SIGTERM, received)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, received)
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, received)
