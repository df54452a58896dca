"""Where the requests of one of several runs wait for their turn, which the leader gives."""

import asyncio
import hmac
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from completions_cli.batch.sharing import messages
from completions_cli.batch.sharing.leader import SILENT, Leader
from completions_cli.batch.sharing.limits import SharedLimits
from completions_cli.batch.sharing.rendezvous import Address, Rendezvous
from completions_cli.errors import CompletionsError, NetworkError, UsageError
from completions_cli.pacing.gate import ClosedError
from completions_cli.pacing.pace import RATE_HEADERS, HeaderOf, Ticket

_FIRST_LIMIT = 16
_ANSWERS_WITHIN = 2.0  # seconds; a leader that does not is frozen, gone, or not one of ours


@dataclass(slots=True)
class SharedLimit:
    """How many requests all runs together may have in flight."""

    limit: int = _FIRST_LIMIT


class SharedPace:
    """Takes the place of a `Pace`: reports everything to the leader, which has the real one."""

    def __init__(self, send: Callable[..., None]) -> None:
        self.counts_tokens = True  # until the leader says that nobody counts them
        self.concurrency = SharedLimit()
        self.held: set[int] = set()  # numbers of the requests in flight
        self._send = send
        self._ended: dict[int, tuple[Any, ...]] = {}
        self._headers: dict[int, dict[str, str]] = {}
        self._narrowed: int | None = None

    @property
    def in_flight(self) -> int:
        """Requests in flight from here."""
        return len(self.held)

    def answered(self, now: float, ticket: Ticket, used: float | None) -> None:
        """Record an answer."""
        self._ended[ticket.number] = ("answered", used, None, ticket.is_repeat)

    def refused(self, now: float, ticket: Ticket, retry_after: float | None) -> None:
        """Record a 429."""
        self._ended[ticket.number] = ("refused", None, retry_after, ticket.is_repeat)

    def failed(self, now: float, ticket: Ticket, *, overloaded: bool, retry_after: float | None = None) -> None:
        """Record any other failure."""
        kind = "overloaded" if overloaded else "failed"
        self._ended[ticket.number] = (kind, None, retry_after, ticket.is_repeat)

    def pause(self, until: float) -> None:
        """Send nothing before `until`."""
        self._send("pause", max(0.0, until - time.monotonic()))

    def narrow(self, most: int | None) -> None:
        """Limit the requests in flight of all runs to `most`; None ends it."""
        if most != self._narrowed:
            self._narrowed = most
            self._send("narrow", most)

    def read(self, now: float, ticket: Ticket, header: HeaderOf) -> None:
        """Record the rate headers of an answer."""
        self._headers[ticket.number] = {name: value for name in RATE_HEADERS if (value := header(name)) is not None}

    def tell(self) -> None:
        """Send the leader what has ended."""
        ended, self._ended = self._ended, {}
        for number, outcome in ended.items():
            self.held.discard(number)
            self._send("end", number, *outcome, self._headers.pop(number, {}))


class SharedGate:
    """Lets requests out as the leader allows; becomes the leader if there is none. For one event loop."""

    def __init__(self, rendezvous: Rendezvous, limits: SharedLimits, most: int) -> None:
        self.pace = SharedPace(self._send)
        self._rendezvous, self._limits, self._most = rendezvous, limits, most
        self._numbers = itertools.count(1)
        self._asks: dict[int, tuple[asyncio.Future[Ticket], float, float]] = {}
        self._memory: tuple[float, float | None] | None = None
        self._leader: Leader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._address: Address | None = None
        self._left: Address | None = None  # of a leader that talked nonsense
        self._is_closed = False
        self.on_failure: Callable[[CompletionsError], None] = lambda _: None  # there is no leader, nor can there be one

    async def enter(self, tokens: float, most: float) -> Ticket:
        """Wait for the turn of a request that will use about `tokens`, `most` at worst. Raises ClosedError."""
        if self._is_closed:
            raise ClosedError
        number = next(self._numbers)
        turn: asyncio.Future[Ticket] = asyncio.get_running_loop().create_future()
        self._asks[number] = turn, tokens, most
        self._send("ask", number, tokens, most)
        return await turn

    def pump(self) -> None:
        """Tell the leader what has ended."""
        self.pace.tell()

    def close(self) -> None:
        """Send all who wait away."""
        self._is_closed = True
        asks, self._asks = self._asks, {}
        self._send("drop", list(asks))
        for turn, _, _ in asks.values():
            if not turn.done():
                turn.set_exception(ClosedError())

    @asynccontextmanager
    async def joined(self) -> AsyncIterator["SharedGate"]:
        """Take part for the duration of a block. Raises UsageError if the other runs have other limits."""
        reader = await self._join()
        following = asyncio.create_task(self._follow(reader))
        try:
            yield self
        finally:
            self.close()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            self._part()
            if self._leader is not None:
                await self._leader.close()

    # The leader

    async def _join(self) -> asyncio.StreamReader:
        """Connect to the leader, or become it. One run at a time does this."""
        async with self._rendezvous.alone():
            address = self._rendezvous.read()
            reader = None if address in (None, self._left) else await self._greet(address)
            if reader is None:
                reader = await self._lead()
            return reader

    async def _lead(self) -> asyncio.StreamReader:
        if self._leader is not None:
            await self._leader.close()
        leader = self._leader = Leader(self._rendezvous, self._limits, self._most)
        reader = await self._greet(await leader.start())
        if reader is None:
            raise NetworkError("--share needs connections to 127.0.0.1, and this machine allows none")
        leader.lead()
        return reader

    async def _greet(self, address: Address) -> asyncio.StreamReader | None:
        """Return a connection that the leader accepted; None if no run of this user leads any more."""
        writer = None
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN):
                reader, writer = await asyncio.open_connection("127.0.0.1", address.port, limit=messages.LONGEST_LINE)
                writer.write(await self._hello(reader, writer, address.token))
                answer, limits = await messages.receive(reader, "welcome", "differs")
        except (OSError, EOFError, messages.MessageError):
            if writer is not None:
                writer.close()
            return None
        if answer == "differs":
            writer.close()
            raise UsageError(
                f"the runs that share this pace have different limits: {limits[0]}",
                hint="Give every run of a name the same -j, --rpm and --tpm.",
            )
        self._address, self._writer = address, writer
        for number, (_, tokens, most) in self._asks.items():
            self._send("ask", number, tokens, most)
        return reader

    async def _hello(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> bytes:
        """Return the greeting for the leader. Raises MessageError if it does not prove to be of this user."""
        mine = messages.nonce()
        writer.write(messages.line("greet", mine))
        _, (theirs, proof) = await messages.receive(reader, "proof")
        if not hmac.compare_digest(proof, messages.proof(token, "leader", mine, theirs)):
            raise messages.MessageError
        proof = messages.proof(token, "member", mine, theirs)
        return messages.line("hello", proof, self._limits, sorted(self.pace.held), self._memory)

    async def _follow(self, reader: asyncio.StreamReader) -> None:
        """Receive turns, from one leader after another."""
        try:
            await self._follow_all(reader)
        except CompletionsError as error:
            self.on_failure(error)

    async def _follow_all(self, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                while True:
                    async with asyncio.timeout(SILENT):
                        name, rest = await messages.receive(reader, "turn", "state")
                    self._receive(name, rest)
            except messages.MessageError:
                self._left = self._address
            except (OSError, EOFError):
                pass
            self._part()
            reader = await self._join()

    def _receive(self, name: str, rest: list[Any]) -> None:
        if name == "turn":
            number, *told = rest
            self._heed(*told)
            self._take(number)
        elif name == "state":
            limit, counts_tokens, *memory = rest
            self._heed(limit, counts_tokens)
            self._memory = (memory[0], memory[1])
            self._send("alive")

    def _heed(self, limit: int, counts_tokens: bool) -> None:  # noqa: FBT001 - from a message
        self.pace.concurrency.limit, self.pace.counts_tokens = limit, counts_tokens

    def _take(self, number: int) -> None:
        turn = self._asks.pop(number, (None,))[0]
        if turn is None or turn.done():  # the run was closed, or the one who waited was cancelled
            self._send("end", number, "failed", None, None, False, {})
            return
        self.pace.held.add(number)
        turn.set_result(Ticket(time.monotonic(), 0.0, number=number))

    def _part(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _send(self, *message: object) -> None:
        """Send a message; without a leader the next one is told in its hello."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(messages.line(*message))
