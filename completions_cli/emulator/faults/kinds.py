"""What a fault is: what it strikes, at which stages of an answer it acts, and what it does there."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto

from completions_cli.emulator.behaviours import Head
from completions_cli.emulator.call import Call, Document
from completions_cli.emulator.channel import Channel
from completions_cli.emulator.reply import AnyReply, Reply

# A chunk of the answer, or a block of the event stream as it is written.
Event = Document | bytes
Events = AsyncIterator[Event]
Blocks = AsyncIterator[bytes]
Choices = list[Document | None]


class Target(Enum):
    """What a fault strikes; its draws are used up by these alone."""

    REQUEST = auto()
    ANSWER = auto()
    DOCUMENT = auto()
    STREAM = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One kind of fault: a line of `--list-faults` and a function at one or more stages.

    Every function but `call` and `choices` takes the fault's value last. The stages, in order: `answer` replaces the
    answer (None: not this time); `call` changes what the model is asked; `choices` changes those of a whole answer to
    a call, `document` its object; `events` the chunks of a stream and `blocks` their bytes; `reply` changes headers
    and body; `send` carries the answer to the client. `plain` answers a request for a stream with a whole document.
    """

    kind: str
    summary: str
    target: Target
    value: float = 0.0
    value_name: str | None = None
    answer: Callable[[Head, float], Reply | None] | None = None
    call: Callable[[Call], Call] | None = None
    choices: Callable[[Choices, Call], Choices] | None = None
    document: Callable[[Document, float], Document] | None = None
    events: Callable[[Events, float], Events] | None = None
    blocks: Callable[[Blocks, float], Blocks] | None = None
    reply: Callable[[AnyReply, float], AnyReply] | None = None
    send: Callable[[Channel, AnyReply, float], Awaitable[None]] | None = None
    plain: bool = False
