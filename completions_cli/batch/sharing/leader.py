"""The leading run: it has the only pace, and gives turns to all members over loopback connections."""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable
from typing import Any

from completions_cli.batch.sharing import messages
from completions_cli.batch.sharing.limits import SharedLimits
from completions_cli.batch.sharing.rendezvous import Address, Rendezvous
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.gate import ClosedError, Gate
from completions_cli.pacing.pace import Memory, Pace, Ticket

HEARTBEAT = 1.0  # seconds
SILENT = 3 * HEARTBEAT  # whoever says nothing for so long is frozen or gone
_MOST_STRANGERS = 32  # connections that have proven nothing yet; the oldest makes room for the next
_FROM_MEMBERS = ("ask", "drop", "end", "pause", "narrow", "alive")


class Leader:
    """Serves members until it is closed. For one event loop."""

    def __init__(
        self, rendezvous: Rendezvous, limits: SharedLimits, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rendezvous, self._limits = rendezvous, limits
        self._pace = Pace(Concurrency(limits.in_flight, most), limits.rpm, limits.tpm, clock())
        self._gate = Gate(self._pace, clock)
        self._clock = clock
        self._members: set[_Connection] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._strangers: dict[asyncio.StreamWriter, None] = {}
        self._server: asyncio.Server | None = None
        self._beating: asyncio.Task[None] | None = None
        self._address = Address(0, secrets.token_hex(16))

    async def start(self) -> Address:
        """Start serving and return the address."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=messages.LONGEST_LINE)
        self._address = self._address._replace(port=self._server.sockets[0].getsockname()[1])
        return self._address

    def lead(self) -> None:
        """Publish the address and send heartbeats until another run leads, as one may after this one was frozen."""
        self._rendezvous.write(self._address)
        self._beating = asyncio.create_task(self._beat())

    async def close(self) -> None:
        """Let the members find another leader."""
        if self._beating is not None and self._beating is not asyncio.current_task():
            self._beating.cancel()
        self._rendezvous.forget(self._address)  # while the port is still ours
        if self._server is not None:
            self._server.close()
        for member in self._members:
            member.leave()
        for stranger in self._strangers:
            stranger.transport.abort()
        self._gate.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=HEARTBEAT)

    async def _beat(self) -> None:
        while self._rendezvous.read() in (self._address, None):
            memory = self._pace.memory(self._clock())
            for member in self._members.copy():
                member.send("state", *self._told(), memory.paused, memory.rate)
                if self._clock() - member.heard_at > SILENT:
                    member.leave()  # what it has in flight is not waited for; when it is back it connects again
                    self._gate.pump()
            await asyncio.sleep(HEARTBEAT)
        await self.close()

    def _told(self) -> tuple[int, bool]:
        return self._pace.concurrency.limit, self._pace.counts_tokens

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a server's callback is one
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        member = _Connection(self._pace, self._gate, self._clock, writer, self._told)
        self._receive_stranger(writer)
        try:
            async with asyncio.timeout(SILENT):  # anybody on this machine may connect
                hello = await self._proven(reader, member)
            self._strangers.pop(writer, None)
            if hello is not None and self._welcomes(member, *hello):
                self._members.add(member)
                while True:
                    if member.receive(*await messages.receive(reader, *_FROM_MEMBERS)) == "narrow":
                        self._narrow()
        except (OSError, EOFError, messages.MessageError):
            pass  # gone, or none of ours
        finally:
            self._strangers.pop(writer, None)
            self._members.discard(member)
            member.leave()
            self._narrow()
            self._gate.pump()

    def _receive_stranger(self, writer: asyncio.StreamWriter) -> None:
        """Count a new connection; a member needs only a moment to prove itself, so the oldest stranger goes."""
        self._strangers[writer] = None
        if len(self._strangers) > _MOST_STRANGERS:
            oldest = next(iter(self._strangers))
            del self._strangers[oldest]
            oldest.transport.abort()

    async def _proven(self, reader: asyncio.StreamReader, member: "_Connection") -> list[Any] | None:
        """Exchange proofs; return what a member of this user says of itself, None for a stranger."""
        _, (theirs,) = await messages.receive(reader, "greet")
        mine = messages.nonce()
        member.send("proof", mine, messages.proof(self._address.token, "leader", theirs, mine))
        _, (proof, *hello) = await messages.receive(reader, "hello")
        expected = messages.proof(self._address.token, "member", theirs, mine)
        return hello if hmac.compare_digest(proof, expected) else None

    def _welcomes(self, member: "_Connection", limits: list[Any], held: list[int], memory: list[Any] | None) -> bool:
        if SharedLimits(*limits) != self._limits:
            member.send("differs", str(self._limits))
            return False
        member.hold(held)
        if memory is not None:
            self._pace.recall(self._clock(), Memory(*memory))
        member.send("welcome")
        member.send("state", *self._told(), 0.0, None)
        return True

    def _narrow(self) -> None:
        """Apply the tightest limit that a member asks for."""
        wishes = [member.most for member in self._members if member.most is not None]
        self._pace.narrow(min(wishes, default=None))


class _Connection:
    """One member, as the leader sees it."""

    def __init__(
        self,
        pace: Pace,
        gate: Gate,
        clock: Callable[[], float],
        writer: asyncio.StreamWriter,
        told: Callable[[], tuple[int, bool]],
    ) -> None:
        self._pace, self._gate, self._clock, self._writer, self._told = pace, gate, clock, writer, told
        self._tickets: dict[int, Ticket] = {}
        self._asks: dict[int, asyncio.Task[None]] = {}
        self.heard_at = clock()
        self.most: int | None = None  # requests in flight that the member wishes for during an outage

    def send(self, *message: object) -> None:
        """Send a message if the member is still connected."""
        if not self._writer.is_closing():
            self._writer.write(messages.line(*message))

    def hold(self, numbers: list[int]) -> None:
        """Count the requests that a member has in flight since an earlier leader."""
        for number in numbers:
            self._tickets[number] = Ticket(self._clock(), 0.0)
            self._pace.in_flight += 1

    def receive(self, name: str, rest: list[Any]) -> str:
        """Act on a message and return its name."""
        self.heard_at = self._clock()
        if name == "ask":
            number, tokens, most = rest
            self._asks[number] = asyncio.create_task(self._grant(number, float(tokens), float(most)))
        elif name == "drop":
            for number in rest[0]:
                if number in self._asks:
                    self._asks[number].cancel()
        elif name == "end":
            self._end(rest)
        elif name == "pause":
            self._pace.pause(self._clock() + float(rest[0]))
        elif name == "narrow":
            self.most = rest[0]
        return name

    def leave(self) -> None:
        """Release everything that the member held."""
        for task in self._asks.values():
            task.cancel()
        for ticket in self._tickets.values():
            self._pace.failed(self._clock(), ticket, overloaded=False)
        self._tickets.clear()
        self._writer.close()

    async def _grant(self, number: int, tokens: float, most: float) -> None:
        try:
            self._tickets[number] = await self._gate.enter(tokens, most)
            self.send("turn", number, *self._told())
        except ClosedError:
            pass
        finally:
            self._asks.pop(number, None)

    def _end(self, said: list[Any]) -> None:
        number, kind, used, asked, is_repeat, headers = said
        ticket, now, pace = self._tickets.pop(number, None), self._clock(), self._pace
        if ticket is None:
            return
        ticket = ticket._replace(is_repeat=is_repeat)
        if kind == "answered":
            pace.answered(now, ticket, used)
        elif kind == "refused":
            pace.refused(now, ticket, asked)
        else:
            pace.failed(now, ticket, overloaded=kind == "overloaded", retry_after=asked)
        pace.read(now, ticket, headers.get)
        self._gate.pump()
