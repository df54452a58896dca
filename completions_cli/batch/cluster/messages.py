"""What workers, coordinator and driver tell each other. All of it is pickled; what is secret says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from completions_cli.api.service import Service
from completions_cli.batch.cluster.parts import PartEntry
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending
from completions_cli.errors import CompletionsError
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
    member: int = 0
    is_repeat: bool = False


class MemberNews(NamedTuple):
    """What a worker has seen of a member since it reported last. Times are seconds before the report.

    `under_way` counts the tickets for it that the worker has, `pause` is how long nobody is to ask it. `alive_ago` is
    when the newest request was sent that it did or properly refused, `failures` are when later ones were sent that
    failed, the last of them with `error`. A member that only fails `is_failing`, and was probed so often; `ending` is
    why it is to be left out, or rested.
    """

    under_way: int = 0
    pause: float = 0.0
    alive_ago: float | None = None
    failures: tuple[float, ...] = ()
    error: CompletionsError | None = None
    is_failing: bool = False
    probes: int = 0
    ending: Ending | None = None


class MemberState(NamedTuple):
    """What the coordinator knows of a member; workers tell it again to a coordinator that was begun anew.

    `was_alive` is whether it ever did, or properly refused, what it was asked, `has_answered` whether it ever answered.
    For `exhausted_for` seconds nobody waits for it.
    """

    memory: Memory = Memory()
    was_alive: bool = False
    has_answered: bool = False
    is_aside: bool = False
    probes: int = 0
    is_gone: bool = False
    exhausted_for: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """A worker's news. `totals` are those of each block it works on, `states` what it was told of the members.

    `models` are those whose answers it has recorded and that the coordinator has not named yet. It `is_drained` when
    its blocks hold no row that nobody was asked yet. `trouble` is what a user should know while nothing answers it.
    """

    worker: str
    incarnation: str
    asks: tuple[Ask, ...] = ()
    events: tuple[Event, ...] = ()
    members: tuple[MemberNews, ...] = ()
    totals: Mapping[str, Totals] = field(default_factory=dict)
    ending: Ending | None = None
    states: tuple[MemberState, ...] = ()
    models: tuple[str, ...] = ()
    is_drained: bool = False
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The coordinator's answer: tickets for the first asks, and in how many seconds to report again.

    `assigned` says which member each ticket is for, where there are several. `models` are those whose answers any
    worker has recorded.
    """

    incarnation: str
    tickets: tuple[int, ...]
    again: float
    limit: int
    counts_tokens: bool
    ending: Ending | None
    states: tuple[MemberState, ...]
    is_dismissed: bool = False  # the driver has given its work to others
    models: tuple[str, ...] = ()
    assigned: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a member and what proves who asks: keys and tokens, so it shows nothing of itself.

    `version` is that of the orders in which its headers were new, `model` is named where a request names none.
    """

    version: int
    service: Service = field(repr=False)
    connection: Connection = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """How to reach the members. `store` are variables that open the object store of INPUT and OUTPUT.

    It is pickled on purpose, as argument and result of calls: those travel from process to process and are kept
    nowhere, while what a worker is made with is stored by Ray for its restart.
    """

    version: int
    members: tuple[Access, ...]
    store: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Push:
    """The driver's news: what blocks that ended have used, new orders if there are any, workers that it gave up.

    `notes` is how many notes it has of the coordinator of that `incarnation`.
    """

    settled: Totals
    forget: frozenset[str]
    dismissed: frozenset[str] = frozenset()
    orders: Orders | None = None
    ending: Ending | None = None
    incarnation: str = ""
    notes: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """The coordinator's answer to the driver.

    `refused` has, by member, the version of orders that it no longer takes; `heard` are the workers that said something
    lately, `models` those whose answers were recorded, `notes` what the user is to be told and was not, `trouble` what
    to show while no worker gets an answer.
    """

    incarnation: str
    in_flight: int
    totals: Mapping[str, Totals]
    ending: Ending | None
    refused: Mapping[int, int]
    heard: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    trouble: str | None = None


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
