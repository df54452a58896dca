"""The way back to the client: one exchange's ASGI ends, and the socket under them."""

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Coroutine
from typing import TypeVar

from starlette.types import Receive, Scope, Send

from completions_cli.emulator.reply import AnyReply, StreamReply

_Result = TypeVar("_Result")
_BODY_SECONDS = 60.0  # longest wait for a request's body, whatever length it announced
TRANSPORT = "completions.transport"
# l_onoff = 1, l_linger = 0: closing sends RST and drops what is unsent.
_RESET_ON_CLOSE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


class Channel:
    """One exchange's way back to its client."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._transport: asyncio.Transport = scope[TRANSPORT]

    async def body(self) -> bytes | None:
        """Read the request's body; None when the client left before its end, or kept it back for too long."""
        body = bytearray()
        giving_up = asyncio.get_running_loop().call_later(_BODY_SECONDS, self._transport.abort)
        try:
            while (message := await self._receive())["type"] == "http.request":
                body += message["body"]
                if not message["more_body"]:
                    return bytes(body)
            return None
        finally:
            giving_up.cancel()

    async def reply(self, reply: AnyReply) -> None:
        """Send an answer as it should be sent."""
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if isinstance(reply, StreamReply):
            await self.while_connected(self._stream(reply))
        else:
            await self._start(reply.status, reply.headers | {"content-length": str(len(reply.body))})
            await self._send({"type": "http.response.body", "body": reply.body})

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        pairs = [(name.encode("ascii"), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def _stream(self, reply: StreamReply) -> None:
        await self._start(reply.status, reply.headers)
        async for chunk in reply.chunks:
            await self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def while_connected(self, work: Coroutine[None, None, _Result]) -> _Result | None:
        """Do something that may take long; a client that leaves ends it, and nothing comes of it."""
        doing = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self.disconnected())
        try:
            await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not doing.done():
                doing.cancel()
            await asyncio.gather(doing, gone, return_exceptions=True)
        return None if doing.cancelled() else doing.result()

    def write(self, data: bytes) -> None:
        """Put bytes on the socket past the HTTP layer."""
        self._transport.write(data)

    async def close(self) -> None:
        """End the connection in order (FIN), after what was written."""
        self._transport.close()
        await self.disconnected()

    async def reset(self) -> None:
        """End the connection with RST."""
        raw = self._transport.get_extra_info("socket")
        # Either is raised for a connection that the client has closed already, by asyncio or by uvloop.
        with contextlib.suppress(OSError, ValueError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()
        await self.disconnected()

    async def disconnected(self) -> None:
        """Wait until the connection is gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
