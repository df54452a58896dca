"""Which address of a host the library is to connect to: it tries them in turn, and a dead one costs it seconds."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time

from completions_cli.api.endpoint import is_loopback
from completions_cli.api.urls import Origin


def has_several(origin: Origin) -> bool:
    """Return whether a host may have several addresses, which only a resolver knows."""
    return not is_loopback(origin.host) and not _is_address(origin.host)


async def address(origin: Origin, seconds: float | None) -> str | None:
    """Return the address that accepts a connection first, or None where the library's own choice is as good.

    That is so for a host with one address, for one whose first address is quick, and where all refuse: whoever
    connects then finds out why. Raises TimeoutError after `seconds`. A cancelled call leaves nothing to wait for.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str | None] = loop.create_future()

    def tell(quickest: str | None) -> None:
        if not found.done():
            found.set_result(quickest)

    def race() -> None:
        ends = None if seconds is None else time.monotonic() + seconds
        quickest = _race(origin, ends)
        if ends is not None and time.monotonic() >= ends:
            return  # the timer below says so
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
            loop.call_soon_threadsafe(tell, quickest)

    threading.Thread(target=race, daemon=True).start()
    async with asyncio.timeout(seconds):
        return await found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _race(origin: Origin, ends: float | None) -> str | None:
    try:
        answers = socket.getaddrinfo(origin.host.encode(), origin.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return None
    addresses = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    return _first_of(addresses, origin.port, ends) if len(addresses) > 1 else None


def _first_of(addresses: list[str], port: int, ends: float | None) -> str | None:
    # Imported by those who need it: most hosts have one address, or stand on this machine.
    import httpcore

    from completions_cli.transport import racing

    def left() -> float | None:
        remaining = None if ends is None else ends - time.monotonic()
        if remaining is not None and remaining <= 0:
            raise httpcore.ConnectTimeout("connecting")
        return remaining

    def connect(to: str) -> httpcore.NetworkStream:
        return httpcore.SyncBackend().connect_tcp(to, port, left())

    try:
        stream = racing.first_to_connect(racing.alternating(addresses), connect, left)
    except (httpcore.ConnectError, httpcore.ConnectTimeout):
        return None
    quickest = str(stream.get_extra_info("server_addr")[0])
    stream.close()
    return None if quickest == addresses[0] else quickest
