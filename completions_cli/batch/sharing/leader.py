"""The run that leads: it has the one pace, and hands turns to all members over loopback connections.

A message is a line of JSON, a list whose first item names it.

- A member sends `hello` (token, limits, the numbers of its requests in flight, what it knows of an earlier leader's
  pace), `ask` (number, tokens, most), `drop` (numbers), `end` (number, kind, tokens used, wait asked for, rate
  headers), `pause` (seconds), `narrow` (requests, or null) and `alive`.
- It receives `welcome` or `differs` (the limits there are), `turn` (number, limit, whether tokens count) and `state`
  (limit, whether tokens count, seconds of pause, learned rate).
"""

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any

from completions_cli.batch.sharing.limits import Limits
from completions_cli.batch.sharing.rendezvous import Address
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.gate import ClosedError, Gate
from completions_cli.pacing.pace import Memory, Pace, Ticket

HEARTBEAT = 1.0  # seconds
SILENT = 3 * HEARTBEAT  # whoever says nothing for so long is frozen or gone
LONGEST_LINE = 1 << 20


class Leader:
    """Serves members until it is closed. For one event loop."""

    def __init__(self, limits: Limits, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._pace = Pace(Concurrency(limits.in_flight, most), limits.rpm, limits.tpm, clock())
        self._gate = Gate(self._pace, clock)
        self._clock = clock
        self._members: set[_Connection] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._beating: asyncio.Task[None] | None = None
        self._token = secrets.token_hex(16)

    async def start(self) -> Address:
        """Begin to serve; return where."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=LONGEST_LINE)
        return Address(self._server.sockets[0].getsockname()[1], self._token)

    def lead(self, is_leading: Callable[[], bool]) -> None:
        """Send heartbeats until `is_leading` says that another run leads, as it may after this one was frozen."""
        self._beating = asyncio.create_task(self._beat(is_leading))

    async def close(self) -> None:
        """Let the members find another leader."""
        if self._beating is not None and self._beating is not asyncio.current_task():
            self._beating.cancel()
        if self._server is not None:
            self._server.close()
        for member in self._members:
            member.leave()
        self._gate.close()
        if self._serving:
            await asyncio.wait(self._serving, timeout=HEARTBEAT)

    async def _beat(self, is_leading: Callable[[], bool]) -> None:
        while is_leading():
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
        try:
            async with asyncio.timeout(SILENT):  # anybody on this machine may connect
                hello = json.loads(await reader.readline())
            if self._welcomes(member, hello):
                self._members.add(member)
                while line := await reader.readline():
                    if member.receive(json.loads(line)) == "narrow":
                        self._narrow()
        except (OSError, ValueError, TypeError, IndexError, KeyError, RecursionError, OverflowError):
            pass  # gone, or none of ours
        finally:
            self._members.discard(member)
            member.leave()
            self._narrow()
            self._gate.pump()

    def _welcomes(self, member: "_Connection", hello: list[Any]) -> bool:
        name, token, limits, held, memory = hello
        if name != "hello" or not hmac.compare_digest(str(token), self._token):
            return False
        if Limits(*limits) != self._limits:
            member.send("differs", str(self._limits))
            return False
        member.hold(held)
        if memory is not None:
            self._pace.recall(self._clock(), Memory(*memory))
        member.send("welcome")
        member.send("state", *self._told(), 0.0, None)
        return True

    def _narrow(self) -> None:
        """Take the tightest of the members' wishes."""
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
        """Send a message, if the member is still there."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    def hold(self, numbers: list[int]) -> None:
        """Count what a member has in flight that an earlier leader let go."""
        for number in numbers:
            self._tickets[number] = Ticket(self._clock(), 0.0)
            self._pace.in_flight += 1

    def receive(self, message: list[Any]) -> str:
        """Act on a message and return its name. Raises ValueError or TypeError for one that is none."""
        name, *rest = message
        self.heard_at = self._clock()
        if name == "ask":
            number, tokens, most = rest
            self._asks[number] = asyncio.create_task(self._grant(number, float(tokens), float(most)))
        elif name == "drop":
            for number in rest[0]:
                if number in self._asks:
                    self._asks[number].cancel()
        elif name == "end":
            self._end(*rest)
        elif name == "pause":
            self._pace.pause(self._clock() + float(rest[0]))
        elif name == "narrow":
            self.most = rest[0]
        return str(name)

    def leave(self) -> None:
        """Give back whatever the member had."""
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

    def _end(self, number: int, kind: str, used: float | None, asked: float | None, headers: dict[str, str]) -> None:
        ticket, now, pace = self._tickets.pop(number, None), self._clock(), self._pace
        if ticket is None:
            return
        if kind == "answered":
            pace.answered(now, ticket, used)
        elif kind == "refused":
            pace.refused(now, ticket, asked)
        else:
            pace.failed(now, ticket, overloaded=kind == "overloaded", retry_after=asked)
        pace.read(now, ticket, headers.get)
        self._gate.pump()
