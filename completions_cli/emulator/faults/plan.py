"""Which faults strike which request: drawn from the seed, in the order in which requests arrive."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import cast

from completions_cli.emulator.behaviours import Head
from completions_cli.emulator.call import Call, Document
from completions_cli.emulator.channel import Channel
from completions_cli.emulator.fault_spec import FaultSpec, parse_spec
from completions_cli.emulator.faults.catalogue import found
from completions_cli.emulator.faults.kinds import Blocks, Choices, Events, Fault, Target
from completions_cli.emulator.reply import AnyReply, RefusalError, Reply
from completions_cli.errors import UsageError

# A request may ask for faults of its own with this header.
HEADER = "x-emulator-fault"


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that strikes one request, and its value."""

    fault: Fault
    value: float


@dataclass(slots=True)
class Strikes:
    """All that strikes one request, in the order of the command line."""

    strikes: list[Strike] = field(default_factory=list)

    @property
    def kinds(self) -> list[str]:
        """Name them."""
        return [strike.fault.kind for strike in self.strikes]

    @property
    def plain(self) -> bool:
        """Whether a stream is answered with a whole document."""
        return any(strike.fault.plain for strike in self.strikes)

    def answer(self, head: Head) -> Reply | None:
        """Return what the first of them puts in the answer's place."""
        for strike in self.strikes:
            if strike.fault.answer and (reply := strike.fault.answer(head, strike.value)):
                return reply
        return None

    def call(self, call: Call) -> Call:
        """Change what the model is asked."""
        for strike in self.strikes:
            if strike.fault.call:
                call = strike.fault.call(call)
        return call

    def document(self, document: Document, call: Call) -> Document:
        """Change a whole answer to a call."""
        for strike in self.strikes:
            if strike.fault.choices:
                choices = cast("Choices", document.get("choices", []))
                document = document | {"choices": strike.fault.choices(choices, call)}
            if strike.fault.document:
                document = strike.fault.document(document, strike.value)
        return document

    def events(self, events: Events) -> Events:
        """Change the chunks of a stream."""
        for strike in self.strikes:
            if strike.fault.events:
                events = strike.fault.events(events, strike.value)
        return events

    def blocks(self, blocks: Blocks) -> Blocks:
        """Change the bytes of a stream."""
        for strike in self.strikes:
            if strike.fault.blocks:
                blocks = strike.fault.blocks(blocks, strike.value)
        return blocks

    def reply(self, reply: AnyReply) -> AnyReply:
        """Change headers and body."""
        for strike in self.strikes:
            if strike.fault.reply:
                reply = strike.fault.reply(reply, strike.value)
        return reply

    async def send(self, channel: Channel, reply: AnyReply) -> None:
        """Carry the answer to the client, by way of the first of them that does it in its own way."""
        for strike in self.strikes:
            if strike.fault.send:
                await strike.fault.send(channel, reply, strike.value)
                return
        await channel.reply(reply)


class _Source:
    """One `--fault`: its own sequence of draws, so that another fault beside it changes nothing."""

    def __init__(self, fault: Fault, spec: FaultSpec, seed: str) -> None:
        self.fault = fault
        self._spec = spec
        self._left = spec.first
        self._chance = random.Random(seed)  # noqa: S311 - which requests fail, not a secret
        self.strike = _strike(fault, spec)

    def draws(self) -> bool:
        """Use up one draw and tell whether it strikes."""
        if self._left is None:
            return self._chance.random() < self._spec.rate
        self._left -= 1
        return self._left >= 0


class FaultPlan:
    """All faults of one emulator. Raises UsageError for kinds that do not exist."""

    def __init__(self, specs: Sequence[FaultSpec], seed: int) -> None:
        self._sources = [
            _Source(found(spec), spec, f"{seed} {position} {spec.kind}") for position, spec in enumerate(specs)
        ]

    def draw(self, targets: Collection[Target], asked: str | None) -> list[Strike]:
        """Draw the faults that strike these targets, after those that the request itself asks for.

        `asked` is that request's header: faults as on the command line, with commas between.
        """
        wanted = _strikes(asked) if asked else []
        drawn = [source.strike for source in self._sources if source.fault.target in targets and source.draws()]
        return [strike for strike in wanted if strike.fault.target in targets] + drawn


def _strikes(asked: str) -> list[Strike]:
    try:
        return [_wanted(parse_spec(text)) for text in asked.split(",")]
    except UsageError as error:
        raise RefusalError(Reply.of_text(400, f"{HEADER}: {error.message}\n")) from error


def _wanted(spec: FaultSpec) -> Strike:
    if spec.rate < 1 or spec.first is not None:
        raise UsageError("a single request is affected or not: leave out :RATE")
    return _strike(found(spec), spec)


def _strike(fault: Fault, spec: FaultSpec) -> Strike:
    return Strike(fault, fault.value if spec.value is None else spec.value)
