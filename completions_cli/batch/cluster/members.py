"""The members of a pool as the coordinator knows them: their paces, and which of them get requests."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from completions_cli.batch.budget import Budget
from completions_cli.batch.cluster.messages import Event, MemberNews, MemberState
from completions_cli.batch.pool.member import Health
from completions_cli.batch.pool.pace import PoolPace
from completions_cli.batch.pool.roster import Roster
from completions_cli.batch.triage import SUSPICIOUS_MEMBER, Ending
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.pace import Memory, Pace, Ticket

_PROBES = 2  # requests in flight to a member that is set aside
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class MemberLimits:
    """The limits of one member of a pool; None is no limit."""

    name: str | None
    in_flight: int | None = None
    rpm: float | None = None
    tpm: float | None = None


@dataclass(frozen=True, slots=True)
class ClusterLimits:
    """The limits of the whole cluster. `in_flight` is None where it adapts, up to `most`.

    `members` have limits of their own where there are several. If it `compares_models`, their first answers must all
    come from the same model.
    """

    in_flight: int | None
    most: int
    rpm: float | None
    tpm: float | None
    budget: Budget
    members: tuple[MemberLimits, ...] = ()
    compares_models: bool = False


@dataclass(slots=True)
class _Seen:
    """What workers have reported on a member."""

    was_alive: bool = False
    has_answered: bool = False
    answered_to: float = _NEVER  # when the newest request was sent that it did or properly refused
    failures: list[float] = field(default_factory=list)  # when requests were sent since then that failed
    probes: int = 0
    failed_at: float = _NEVER  # when it was last said that it only fails


class Members:
    """One service, or several, each with a pace of its own. Times are values of the coordinator's clock, in seconds.

    `pace` finds the member that may send first, where there are several.
    """

    def __init__(
        self, limits: ClusterLimits, now: float, warn: Callable[[str], None], is_tail: Callable[[], bool]
    ) -> None:
        total = Pace(Concurrency(limits.in_flight, limits.most), limits.rpm, limits.tpm, now)
        self._total, self._compares = total, limits.compares_models
        self._paces = [
            Pace(Concurrency(member.in_flight, limits.most), member.rpm, member.tpm, now) for member in limits.members
        ] or [total]
        names = [member.name for member in limits.members] or [None]
        self._healths = [Health(name, pace) for name, pace in zip(names, self._paces, strict=True)]
        self._seen = [_Seen() for _ in self._healths]
        self._roster = Roster(self._healths, warn)
        self.pace: Pace | PoolPace = total
        if limits.members:
            self.pace = PoolPace(list(zip(self._healths, self._paces, strict=True)), total)
            self.pace.is_tail = is_tail

    @property
    def are_several(self) -> bool:
        """True for a pool."""
        return self.pace is not self._total

    @property
    def are_unknown(self) -> bool:
        """True while no member has answered, if their models are compared."""
        return self._compares and not any(seen.has_answered for seen in self._seen)

    def count(self, under_way: Iterable[Sequence[int]]) -> None:
        """Count the requests in flight: those of each worker, by member."""
        sums = [0] * len(self._paces)
        for of_worker in under_way:
            for number, count in enumerate(of_worker):
                sums[number] += count
        for pace, count in zip(self._paces, sums, strict=True):
            pace.in_flight = count
        self._total.in_flight = sum(sums)

    def settle(self, event: Event, ticket: Ticket | None, now: float) -> None:
        """Record what became of a ticket; None is one of an earlier coordinator."""
        sent_at, then = now - event.sent_ago, now - event.ago
        ticket = (ticket or Ticket(sent_at, 0.0, member=event.member))._replace(
            sent_at=sent_at, is_repeat=event.is_repeat
        )
        if event.kind == "answered":
            self.pace.answered(then, ticket, event.used)
            self._healths[ticket.member].answered(then - sent_at)
            self._seen[ticket.member].has_answered = True
        elif event.kind == "refused":
            self.pace.refused(then, ticket, event.asked)
        else:
            self.pace.failed(then, ticket, overloaded=event.overloaded, retry_after=event.asked)
        if event.headers:
            self.pace.read(then, ticket, event.headers.get)

    def hear(self, news: Sequence[MemberNews], now: float) -> Ending | None:
        """Record what a worker has seen of each member. Return why the run must end, if it must."""
        final = None
        for number, of_member in enumerate(news):
            self._hear(number, of_member, now)
            if of_member.ending is not None:
                final = final or self._roster.give_up(self._healths[number], of_member.ending, now)
        return final

    def _hear(self, number: int, news: MemberNews, now: float) -> None:
        health, pace, seen = self._healths[number], self._paces[number], self._seen[number]
        if news.alive_ago is not None:
            seen.was_alive = True
            seen.answered_to = max(seen.answered_to, now - news.alive_ago)
            if self.are_several and seen.answered_to >= seen.failed_at:
                seen.probes, seen.failed_at = 0, _NEVER
                pace.narrow(None)
                self._roster.is_alive(health, now)
        if news.pause > 0:
            pace.pause(now + news.pause)
        failures = [*seen.failures, *(now - ago for ago in news.failures)]
        seen.failures = [sent_at for sent_at in failures if sent_at > seen.answered_to][-SUSPICIOUS_MEMBER:]
        only_fails = news.is_failing or (news.failures and len(seen.failures) == SUSPICIOUS_MEMBER)
        if self.are_several and news.error is not None and only_fails:
            seen.probes, seen.failed_at = max(seen.probes, news.probes), now
            pace.narrow(_PROBES)
            self._roster.set_aside(health, news.error)

    def start_slowly(self) -> None:
        """Start with few requests at a service that answers again. Each member of a pool does so by itself."""
        if not self.are_several:
            self._total.narrow(max(_PROBES, self._total.in_flight))
            self._total.narrow(None)

    def states(self, now: float) -> tuple[MemberState, ...]:
        """Return what workers need to know of the members."""
        return tuple(
            MemberState(
                pace.memory(now),
                seen.was_alive,
                seen.has_answered,
                health.is_aside,
                seen.probes,
                health.is_gone,
                max(0.0, health.exhausted_until - now),
            )
            for health, pace, seen in zip(self._healths, self._paces, self._seen, strict=True)
        )

    def recall(self, states: Sequence[MemberState], now: float) -> None:
        """Continue with what an earlier coordinator knew, and with nothing saved up."""
        for health, pace, seen, state in zip(self._healths, self._paces, self._seen, states, strict=False):
            pace.recall(now, state.memory)
            seen.was_alive, seen.has_answered = (
                seen.was_alive or state.was_alive,
                seen.has_answered or state.has_answered,
            )
            health.is_gone = health.is_gone or state.is_gone
        if self.are_several:
            self._total.recall(now, Memory())

    def restart(self, opens_at: float, now: float) -> None:
        """Continue after another coordinator, whose tickets are good until `opens_at`, with nothing saved up."""
        for pace in {*self._paces, self._total}:
            pace.recall(opens_at, pace.memory(now))
