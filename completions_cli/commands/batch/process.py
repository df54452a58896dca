"""What a batch needs of its process: files to open, an event loop, and signals that end it in order."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Protocol

from completions_cli import descriptors
from completions_cli.batch.runner import Runner
from completions_cli.batch.triage import Ending
from completions_cli.errors import UsageError

_SIGNALS: dict[int, str] = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminate"}  # and why the run then ends
if sys.platform != "win32":
    _SIGNALS[signal.SIGHUP] = "hangup"
_DRAIN_SECONDS = 30
_MOST_CONCURRENT = 1024
_OTHER_FILES = 64


def sockets(in_flight: int | None) -> int:
    """Return how many requests may be in flight at most, given how many files the system lets us open."""
    wanted = in_flight or _MOST_CONCURRENT
    soft = descriptors.allow_files(wanted + _OTHER_FILES)
    if in_flight is not None and soft < in_flight + _OTHER_FILES:
        raise UsageError(f"-j {in_flight}: the system allows this process only {soft} open files", hint="ulimit -n")
    return max(1, min(wanted, soft - _OTHER_FILES))


def event_loop() -> asyncio.AbstractEventLoop:
    """Make the loop to run in; uvloop's, where there is one, takes a third less time for each row.

    Raises UsageError where too few files may be open for one: uvloop would abort the process.
    """
    descriptors.require_files()
    try:
        import uvloop
    except ImportError:  # on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


class Stoppable(Protocol):
    """A run that signals can end: `ending` is set once it has been stopped."""

    @property
    def ending(self) -> Ending | None:
        """Why it was stopped."""

    @property
    def in_flight(self) -> int:
        """How many requests are in progress."""

    def stop(self, ending: Ending, /) -> None:
        """Send nothing more; requests in progress may end."""


@contextlib.contextmanager
def signals_in_loop(runner: Runner, note: Callable[[str], None]) -> Iterator[None]:
    """Let the first signal end a run of the event loop in order, the second at once."""
    loop = asyncio.get_running_loop()

    def received(number: int) -> None:
        if _is_first(number, runner, note):
            loop.call_later(_DRAIN_SECONDS, runner.abort)
        else:
            runner.abort()

    with _restored():
        for number in _heeded():
            if sys.platform == "win32":
                signal.signal(number, lambda number, _: loop.call_soon_threadsafe(received, number))
            else:
                loop.add_signal_handler(number, received, number)
        try:
            yield
        finally:
            for number in _heeded() if sys.platform != "win32" else ():
                loop.remove_signal_handler(number)


@contextlib.contextmanager
def signals(run: Stoppable, note: Callable[[str], None]) -> Iterator[None]:
    """Let the first signal end a run in order; the second raises KeyboardInterrupt or SystemExit."""

    def received(number: int, _: object) -> None:
        if not _is_first(number, run, note):
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    with _restored():
        for number in _heeded():
            signal.signal(number, received)
        yield


def _is_first(number: int, run: Stoppable, note: Callable[[str], None]) -> bool:
    """Stop the run, unless it is stopping already."""
    if run.ending is not None:
        return False
    note(f"note: stopping{_awaited(run.in_flight)}")
    run.stop(Ending(_SIGNALS[number]))
    return True


def _awaited(in_flight: int) -> str:
    """Say what is waited for."""
    if not in_flight:
        return ""
    requests = "1 request in progress has" if in_flight == 1 else f"{in_flight} requests in progress have"
    return f"; {requests} {_DRAIN_SECONDS} s to finish (a second Ctrl-C stops at once)"


def _heeded() -> list[int]:
    """Return the signals that end a run: nohup has SIGHUP ignored, and that stays so."""
    return [number for number, name in _SIGNALS.items() if name != "hangup" or not _is_ignored(number)]


def _is_ignored(number: int) -> bool:
    return signal.getsignal(number) == signal.SIG_IGN


@contextlib.contextmanager
def _restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
