"""Which address of a host the library is to connect to: it tries them in turn, and a dead one costs it seconds."""

import asyncio
import contextlib
import functools
import ipaddress
import threading
import time

import httpcore

from completions_cli.api.endpoint import is_loopback
from completions_cli.api.urls import Origin
from completions_cli.transport import racing


async def address(origin: Origin, seconds: float | None) -> str | None:
    """Return the address that accepts a connection first, or None where the library's own choice is as good.

    That is so for a host with one address, for one whose first address is quick, and where all refuse: whoever
    connects then finds out why. Raises TimeoutError after `seconds`. A cancelled call leaves nothing to wait for.
    """
    if is_loopback(origin.host) or _is_address(origin.host):
        return None
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str | None] = loop.create_future()

    def tell(quickest: str | None, *, in_time: bool) -> None:
        if not found.done() and in_time:
            found.set_result(quickest)
        elif not found.done():
            found.set_exception(TimeoutError())

    def race() -> None:
        quickest, in_time = None, True
        try:
            quickest = _race(origin, seconds)
        except httpcore.ConnectTimeout:
            in_time = False
        except httpcore.ConnectError:
            pass
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
            loop.call_soon_threadsafe(functools.partial(tell, quickest, in_time=in_time))

    threading.Thread(target=race, daemon=True).start()
    return await found


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _race(origin: Origin, seconds: float | None) -> str | None:
    ends = None if seconds is None else time.monotonic() + seconds
    addresses = racing.look_up(origin.host, origin.port, seconds)
    if len(addresses) == 1:
        return None

    def left() -> float | None:
        remaining = None if ends is None else ends - time.monotonic()
        if remaining is not None and remaining <= 0:
            raise httpcore.ConnectTimeout("connecting")
        return remaining

    def connect(to: str) -> httpcore.NetworkStream:
        return httpcore.SyncBackend().connect_tcp(to, origin.port, left())

    stream = racing.first_to_connect(addresses, connect, left)
    quickest = str(stream.get_extra_info("server_addr")[0])
    stream.close()
    return None if quickest == addresses[0] else quickest
