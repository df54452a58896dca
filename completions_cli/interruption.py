"""Signals that end a command: each unwinds it like Ctrl-C, so that files are tidied up and children and servers end."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from completions_cli.exit_codes import ExitCode

# Signals often come in pairs: a closed terminal and a supervisor, or Ctrl-C and what a parent passes on. The second
# would strike the tidying up. Where that takes longer, one more signal still ends it.
_TOGETHER_SECONDS = 1.0

# What ends no process, what cannot be handled, and what a process gets because it has crashed.
_NOT_ENDING = {
    getattr(signal, f"SIG{name}", None)
    for name in (
        *("CHLD", "CONT", "URG", "WINCH", "INFO", "TSTP", "TTIN", "TTOU", "STOP", "KILL"),
        *("ABRT", "BUS", "EMT", "FPE", "ILL", "SEGV", "SYS", "TRAP"),
    )
}

# What a terminal sends to all programs in its foreground at once: for Ctrl-C, and for Ctrl with a backslash.
KEYS = frozenset({signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT)})


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


@contextlib.contextmanager
def handled(before: signal.Handlers | None, act: Callable[[int], None]) -> Iterator[None]:
    """Act on the signals that end a process and were treated so before, None for any of Python's own ways."""
    if threading.current_thread() is not threading.main_thread():  # no other has to do with signals
        yield
        return
    found = {number: signal.getsignal(number) for number in signal.valid_signals() - _NOT_ENDING}
    changed = {number: was for number, was in found.items() if (callable(was) if before is None else was is before)}
    for number in changed:
        signal.signal(number, lambda number, _: act(number))
    try:
        yield
    finally:
        for number, handler in changed.items():
            signal.signal(number, handler)


def exit_on_signals() -> contextlib.AbstractContextManager[None]:
    """Unwind the block on every other signal that would end the process at once; it ends with the code of a shell."""
    return handled(signal.SIG_DFL, lambda number: sys.exit(128 + number))


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let the signals that come within the block count at its end."""
    received: list[int] = []
    with handled(None, received.append):
        yield
    if received:
        signal.raise_signal(received[0])


@contextlib.contextmanager
def keys_left_to_a_child() -> Iterator[None]:
    """Do nothing on the signals of a terminal's keys within the block: a child gets them too, and may use them."""
    found = {number: signal.getsignal(number) for number in KEYS}
    for number, handler in found.items():
        if handler is not signal.SIG_IGN:  # which a child would inherit
            signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in found.items():
            signal.signal(number, handler)
