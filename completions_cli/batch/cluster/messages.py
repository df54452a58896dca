"""What workers, coordinator and driver tell each other. All of it is pickled; what is secret says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from completions_cli.api.service import Service
from completions_cli.batch.cluster.parts import PartEntry
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.pacing.pace import Memory
from completions_cli.transport.connection import Connection

LEASE_SECONDS = 3.0  # so long a ticket is good for, counted from when it was asked for


class Ask(NamedTuple):
    """A request that waits for its turn: the tokens it will use, and those it may use at worst."""

    tokens: float
    most: float


class Event(NamedTuple):
    """What became of a ticket. Times are seconds before the report it comes in."""

    kind: Literal["answered", "refused", "failed"]
    ticket: int
    sent_ago: float
    ago: float
    used: float | None = None
    asked: float | None = None
    overloaded: bool = False
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's news. `under_way` counts the tickets it has; `totals` are those of each block it works on.

    `models` are those whose answers it has recorded and that the coordinator has not named yet.
    """

    worker: str
    incarnation: str
    under_way: int = 0
    asks: tuple[Ask, ...] = ()
    events: tuple[Event, ...] = ()
    pause: float = 0.0
    totals: Mapping[str, Totals] = field(default_factory=dict)
    is_alive: bool = False
    ending: Ending | None = None
    memory: Memory = field(default_factory=Memory)
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Grant:
    """The coordinator's answer: tickets for the first asks, and in how many seconds to report again.

    `models` are those whose answers any worker has recorded.
    """

    incarnation: str
    tickets: tuple[int, ...]
    again: float
    limit: int
    counts_tokens: bool
    is_alive: bool
    ending: Ending | None
    memory: Memory
    is_dismissed: bool = False  # the driver has given its work to others
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Orders:
    """How to reach the service and what proves who asks: keys and tokens, so it shows nothing of itself.

    `store` are variables that open the object store of INPUT and OUTPUT.

    It is pickled on purpose, as argument and result of calls: those travel from process to process and are kept
    nowhere, while what a worker is made with is stored by Ray for its restart.
    """

    version: int
    service: Service = field(repr=False)
    connection: Connection = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    store: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Push:
    """The driver's news: what blocks that ended have used, new orders if there are any, workers that it gave up."""

    settled: Totals
    forget: frozenset[str]
    dismissed: frozenset[str] = frozenset()
    orders: Orders | None = None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """The coordinator's answer to the driver.

    `refused` is the version of orders that a service no longer takes, `heard` the workers that said something lately,
    `models` those whose answers were recorded.
    """

    incarnation: str
    in_flight: int
    totals: Mapping[str, Totals]
    ending: Ending | None
    refused: int
    heard: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """How a block ended: what is in its part now, None when nothing is, and what this attempt has used.

    `is_fenced` says that this worker may not write any more: somebody else must do it; `is_handed_back` that its
    machine is about to go, and that others do the rest. `models` are those whose answers it has recorded.
    """

    part: int
    attempt: str
    entry: PartEntry | None
    totals: Totals
    ending: Ending | None = None
    is_fenced: bool = False
    is_handed_back: bool = False
    models: tuple[str, ...] = ()
