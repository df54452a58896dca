"""What the calls of an asynchronous client share, for each event loop that it is used on."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from completions_cli.auth.async_credentials import AsyncCredentials
from completions_cli.client.pacer import Pacer, UnpacedCall
from completions_cli.models import CompletionRequest
from completions_cli.transport.asynchronous import AsyncTransport


@dataclass(frozen=True)
class Session:
    """Connections, credentials and the pace of calls on one event loop, until the client is closed."""

    transport: AsyncTransport
    credentials: AsyncCredentials
    pacer: Pacer | None

    def call(self, request: CompletionRequest) -> UnpacedCall:
        """Begin a call."""
        return UnpacedCall() if self.pacer is None else self.pacer.call(request)

    async def close(self) -> None:
        """Close all connections, and end the calls that wait for their turn."""
        if self.pacer is not None:
            self.pacer.close()
        await self.transport.close()


class Sessions:
    """The sessions of one client in one process.

    A loop that comes after another, as with every `asyncio.run`, takes over its connections and continues at its pace.
    Loops that run at the same time, in threads, have connections and a pace each: nothing of asyncio may be shared.
    """

    def __init__(self, new: Callable[[Session | None], Session]) -> None:
        self._new = new  # is given the session whose knowledge it takes over
        self._of: dict[asyncio.AbstractEventLoop, Session] = {}
        self._last: Session | None = None
        self._lock = threading.Lock()

    def current(self) -> Session:
        """Return the session of the running loop."""
        loop = asyncio.get_running_loop()
        return self._of.get(loop) or self._begin(loop)

    def _begin(self, loop: asyncio.AbstractEventLoop) -> Session:
        with self._lock:
            ended = [self._of.pop(each) for each in list(self._of) if each.is_closed()]
            session = self._new(self._last)
            if ended:
                session = replace(session, transport=ended[-1].transport)
            self._last = self._of[loop] = session
        return session

    async def close(self) -> None:
        """Close every session. A call that begins later gets a new one."""
        with self._lock:
            sessions, self._of = self._of, {}
        for loop, session in sessions.items():
            if loop.is_running() and loop is not asyncio.get_running_loop():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))
            else:
                await session.close()
