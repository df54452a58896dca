"""The messages between workers, coordinator and driver. All are pickled; what is secret says so."""

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
    """A request that waits for its turn: the tokens that it will use, and those that it may use at most."""

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

    `under_way` counts the tickets for it that the worker has, `pause` is how long nobody may send to it. `alive_ago` is
    when the newest request was sent that it answered or properly refused, `failures` are when later ones were sent
    that failed, the last of them with `error`. A member that only fails `is_failing`, after so many `probes`; `ending`
    is why it is to be left out, or rested.
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
    """What the coordinator knows of a member. Workers report it back to a coordinator that was restarted.

    It `was_alive` if it ever answered or properly refused a request, and `has_answered` if it ever answered. For
    `exhausted_for` seconds nobody waits for it.
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
    """The report of a worker. `totals` are those of each block in progress, `states` what it was told of the members.

    `models` are those whose answers it has recorded and that the coordinator has not named yet. It `is_drained` when
    each row of its blocks was sent at least once. `trouble` is what a user should know while it gets no answers.
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
    is_dismissed: bool = False  # others do its work
    models: tuple[str, ...] = ()
    assigned: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a member, and the headers that sign: keys and tokens, so its repr shows nothing of them.

    `version` is that of the orders in which its headers were new; `model` is for requests that name none.
    """

    version: int
    service: Service = field(repr=False)
    connection: Connection = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Orders:
    """How to reach the members. `store` has the variables that open the object store of INPUT and OUTPUT.

    Orders are arguments and results of calls on purpose: those go from process to process and are stored nowhere,
    whereas Ray stores what a worker is made with, to restart it.
    """

    version: int
    members: tuple[Access, ...]
    store: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Push:
    """The report of the driver: usage of blocks that ended, new orders if there are any, workers that were dismissed.

    `notes` is how many notes it has from the coordinator of that `incarnation`.
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

    `refused` has, by member, the version of orders that it no longer accepts; `heard` are the workers that reported
    lately, `models` those whose answers were recorded, `notes` what the user was not told yet, `trouble` what to show
    while no worker gets an answer.
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
    """How a block ended: what is in its part now, None if nothing is, and what this attempt has used.

    It `is_fenced` if this worker may no longer write, so that another must do the block; it `is_handed_back` if its
    machine is about to go, and others do the rest. `models` are those whose answers it has recorded.
    """

    part: int
    attempt: str
    entry: PartEntry | None
    totals: Totals
    ending: Ending | None = None
    is_fenced: bool = False
    is_handed_back: bool = False
    models: tuple[str, ...] = ()
