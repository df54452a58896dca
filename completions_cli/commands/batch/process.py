"""What a batch needs of its process: files to open, an event loop, and signals that end it in order."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator

from completions_cli.batch.runner import Runner
from completions_cli.batch.triage import Ending
from completions_cli.errors import UsageError

_DRAIN_SECONDS = 30
_MOST_CONCURRENT = 1024
_OTHER_FILES = 64
_LEAST_FILES = 32  # with fewer the event loop and the first connection do not come about


def sockets(in_flight: int | None) -> int:
    """Return how many requests may be in flight at most, given how many files the system lets us open."""
    wanted = in_flight or _MOST_CONCURRENT
    if sys.platform == "win32":
        return wanted
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted + _OTHER_FILES:
        soft = wanted + _OTHER_FILES if hard == resource.RLIM_INFINITY else min(hard, wanted + _OTHER_FILES)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft < _LEAST_FILES:
        raise UsageError(f"the system lets this process open {soft} files only", hint="ulimit -n")
    if soft != resource.RLIM_INFINITY and in_flight is not None and soft < in_flight + _OTHER_FILES:
        raise UsageError(f"-j {in_flight}: the system lets this process open {soft} files only", hint="ulimit -n")
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - _OTHER_FILES))


def event_loop() -> asyncio.AbstractEventLoop:
    """Make the loop to run in; uvloop's, where there is one, takes a third less time for each row."""
    try:
        import uvloop
    except ImportError:  # on Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


@contextlib.contextmanager
def signals(runner: Runner, note: Callable[[str], None]) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM end the run in order, the second at once."""
    loop = asyncio.get_running_loop()

    def received(name: str) -> None:
        if runner.ending is not None:
            runner.abort()
            return
        note(f"note: stopping; {runner.in_flight} requests under way have {_DRAIN_SECONDS} s to end (again: stop now)")
        runner.stop(Ending(name))
        loop.call_later(_DRAIN_SECONDS, runner.abort)

    names = {signal.SIGINT: "interrupt", signal.SIGTERM: "terminate"}
    before = {number: signal.getsignal(number) for number in names}
    for number, name in names.items():
        if sys.platform == "win32":
            signal.signal(number, lambda *_, name=name: loop.call_soon_threadsafe(received, name))
        else:
            loop.add_signal_handler(number, received, name)
    try:
        yield
    finally:
        for number, handler in before.items():
            if sys.platform != "win32":
                loop.remove_signal_handler(number)
            signal.signal(number, handler)
