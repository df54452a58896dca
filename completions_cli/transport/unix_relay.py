"""A way to a Unix socket for a library that only connects to hosts: a SOCKS server (RFC 1928) on this machine.

It serves whoever knows its password (RFC 1929), which is new for each relay: other users of the machine could connect
to it, and who may use the socket is said by the permissions of its file. It runs in a thread, for connections outlive
the event loop that they were made on.
"""

import asyncio
import contextlib
import hmac
import secrets
import socket
import threading
from asyncio import StreamReader, StreamWriter

_HOST = "127.0.0.1"
_PASSWORD, _NONE_WILL_DO = 2, 0xFF  # methods
_NAME = 3  # kind of address
_ADDRESS_BYTES = {1: 4, 4: 16}
_FAILED = 1
_HANDSHAKE_SECONDS = 10.0
_FULL_SECONDS = 0.01  # until a full queue of the server is tried again
_PIECE = 65536
_BACKLOG = 4096  # the system takes its own limit if that is lower


class UnixRelay:
    """Leads from `proxy`, a URL, to a Unix socket. `refusal` says why the last connection to it failed, if it did."""

    def __init__(self, path: str) -> None:
        self.refusal: str | None = None
        self._path = path
        self._user, self._password = secrets.token_hex(16), secrets.token_hex(16)
        self._listener = socket.create_server((_HOST, 0), backlog=_BACKLOG)
        self.proxy = f"socks5h://{self._user}:{self._password}@{_HOST}:{self._listener.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Close all connections."""
        with contextlib.suppress(RuntimeError):  # it was closed before
            self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # cancels what still serves
            runner.run(self._serve_all())

    async def _serve_all(self) -> None:
        server = await asyncio.start_server(self._serve, sock=self._listener)
        await self._closing.wait()
        server.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_HANDSHAKE_SECONDS):
                if not await self._admitted(reader, writer):
                    return
            try:
                connected = await self._connected()
            except OSError as error:
                self.refusal = error.strerror or str(error)
                writer.write(_reply(_FAILED))
                await writer.drain()
                return
            self.refusal = None
            writer.write(_reply(0))
            await _joined((reader, writer), connected)

    async def _admitted(self, reader: StreamReader, writer: StreamWriter) -> bool:
        """Read a greeting, a password and a request, whose address is of no interest."""
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        if _PASSWORD not in methods:
            writer.write(bytes([5, _NONE_WILL_DO]))
            return False
        writer.write(bytes([5, _PASSWORD]))
        _, count = await reader.readexactly(2)
        user = await reader.readexactly(count)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        known = hmac.compare_digest(user + b":" + password, f"{self._user}:{self._password}".encode())
        writer.write(bytes([1, 0 if known else _FAILED]))
        if not known:
            return False
        kind = (await reader.readexactly(4))[3]
        length = (await reader.readexactly(1))[0] if kind == _NAME else _ADDRESS_BYTES.get(kind, 0)
        await reader.readexactly(length + 2)
        return True

    async def _connected(self) -> tuple[StreamReader, StreamWriter]:
        found = socket.socket(socket.AF_UNIX)
        try:
            found.setblocking(False)
            while True:
                try:
                    found.connect(self._path)
                    break
                except BlockingIOError:  # the server has too many waiting
                    await asyncio.sleep(_FULL_SECONDS)
            return await asyncio.open_unix_connection(sock=found)
        except BaseException:
            found.close()
            raise


def _reply(code: int) -> bytes:
    return bytes([5, code, 0, 1, 0, 0, 0, 0, 0, 0])


async def _joined(one: tuple[StreamReader, StreamWriter], other: tuple[StreamReader, StreamWriter]) -> None:
    """Carry bytes both ways until either side closes."""
    with contextlib.closing(other[1]):
        ways = [asyncio.create_task(_carry(one[0], other[1])), asyncio.create_task(_carry(other[0], one[1]))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _carry(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
