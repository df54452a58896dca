"""The addresses of a host, and the race to be the first that is connected to: none costs the others its time."""

import queue
import socket
import threading
from collections.abc import Callable, Sequence
from itertools import zip_longest

import httpcore

from completions_cli.api.endpoint import is_loopback
from completions_cli.transport import this_machine

# Seconds that an address has for itself before the next one is tried beside it (RFC 8305 says 250 ms).
_HEAD_START = 0.25


def look_up(host: str, port: int, timeout: float | None) -> list[str]:
    """Resolve a name in a thread that can be given up: the resolver itself knows neither time-outs nor Ctrl-C.

    IPv6 and IPv4 take turns, so that a network without one of them costs one attempt.
    """
    if is_loopback(host) and host[0].isdigit():
        return [host]
    found: list[str] = []
    failure: list[OSError] = []

    def ask() -> None:
        try:
            answers = socket.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            failure.append(error if isinstance(error, OSError) else socket.gaierror(socket.EAI_NONAME, "bad name"))
        else:
            addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
            found.extend(alternating([address for address in addresses if this_machine.may_be(host, address)]))
            if not found:
                failure.append(OSError(0, this_machine.ELSEWHERE))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout)
    if failure:
        # Raised and caught so that it stays the new error's context: httpcore's pool drops the cause.
        try:
            raise failure[0]
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
    if not found:
        raise httpcore.ConnectTimeout("name look-up")
    return found


def alternating(addresses: list[str]) -> list[str]:
    """Put the families of addresses in turn, the first one's first."""
    first = [address for address in addresses if (":" in address) is (":" in addresses[0])]
    second = [address for address in addresses if address not in first]
    return [address for pair in zip_longest(first, second) for address in pair if address is not None]


def first_to_connect(
    addresses: Sequence[str],
    connect: Callable[[str], httpcore.NetworkStream],
    left: Callable[[], float | None],
) -> httpcore.NetworkStream:
    """Try the addresses one after another, each with a head start; a dead one costs the next no more than that.

    Raises what the last of them failed with.
    """
    if len(addresses) == 1:
        return connect(addresses[0])
    race = _Race(connect)
    try:
        for address in addresses:
            race.enter(address)
            race.watch(min(_HEAD_START, left() or _HEAD_START))
            if race.winner is not None:
                return race.winner
        while race.running:
            race.watch(left())
            if race.winner is not None:
                return race.winner
    finally:
        race.end()
    raise race.failure


class _Race:
    """Attempts to connect, each in a thread of its own; all but the first that succeeds are closed."""

    def __init__(self, connect: Callable[[str], httpcore.NetworkStream]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._is_over = False
        self._ended: queue.SimpleQueue[httpcore.NetworkStream | Exception] = queue.SimpleQueue()
        self.failure: Exception = httpcore.ConnectError("no address")
        self.running = 0
        self.winner: httpcore.NetworkStream | None = None

    def enter(self, address: str) -> None:
        """Start an attempt."""
        self.running += 1
        threading.Thread(target=self._run, args=(address,), daemon=True).start()

    def watch(self, seconds: float | None) -> None:
        """Wait for an attempt to end, `seconds` at most."""
        try:
            ended = self._ended.get(timeout=seconds)
        except queue.Empty:
            return
        self.running -= 1
        if isinstance(ended, Exception):
            self.failure = ended
        else:
            self.winner = ended

    def end(self) -> None:
        """Close the connections that come too late, those that did already included."""
        with self._lock:
            self._is_over = True
            while not self._ended.empty():
                late = self._ended.get()
                if not isinstance(late, Exception):
                    late.close()

    def _run(self, address: str) -> None:
        ended: httpcore.NetworkStream | Exception
        try:
            ended = self._connect(address)
        except Exception as error:  # noqa: BLE001 - it is raised again by whoever waits for this thread
            ended = error
        with self._lock:
            if self._is_over and not isinstance(ended, Exception):
                ended.close()
            else:
                self._ended.put(ended)
