"""The members of a pool as one worker sees them; the coordinator decides about them, for all workers."""

from collections.abc import Sequence
from typing import NamedTuple

from completions_cli.batch.cluster.messages import MemberNews, MemberState
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.pool.member import Health, Member, trouble
from completions_cli.batch.pool.roster import Roster
from completions_cli.batch.triage import SUSPICIOUS_MEMBER, Ending
from completions_cli.errors import CompletionsError


class _Failing(NamedTuple):
    """How a member failed since it last answered: the middle of its `MemberNews`."""

    failures: tuple[float, ...]
    error: CompletionsError | None
    is_failing: bool = False
    probes: int = 0


_NO_FAILURE = _Failing((), None)


class LeasedRoster(Roster):
    """Records how members are doing, and takes over what the coordinator says of them."""

    def __init__(self, members: Sequence[Member], models: ModelWatch) -> None:
        super().__init__(members)
        self.reached = members
        self._models = models
        self._numbers: dict[Health, int] = {member: number for number, member in enumerate(members)}
        self._alive: dict[int, float] = {}  # when the newest request that proves it was sent
        self._failing: dict[int, _Failing] = {}
        self._endings: dict[int, Ending] = {}

    def failed(self, member: Health, error: CompletionsError, sent_at: float) -> None:
        """Record a failure; those of all workers together show whether a member only fails."""
        number = self._numbers[member]
        known = self._failing.get(number, _NO_FAILURE).failures
        self._failing[number] = _Failing((*known, sent_at)[-SUSPICIOUS_MEMBER:], error)

    def set_aside(self, member: Health, error: CompletionsError) -> None:
        """Record that a member only fails."""
        number = self._numbers[member]
        self._alive.pop(number, None)
        self._failing[number] = _Failing((), error, is_failing=True, probes=self.reached[number].triage.outage.probes)

    def is_alive(self, member: Health, sent_at: float) -> None:
        """Record that a member answered, or properly refused, a request sent at that time."""
        number = self._numbers[member]
        self._alive[number] = sent_at = max(sent_at, self._alive.get(number, sent_at))
        if number in self._failing:
            left = tuple(failed_at for failed_at in self._failing[number].failures if failed_at > sent_at)
            self._failing[number] = _Failing(left, self._failing[number].error)

    def give_up(self, member: Health, ending: Ending, now: float) -> Ending | None:
        """Have a member left out, or rested. Return how the run ends if it was the last that this worker knows of."""
        self._endings[self._numbers[member]] = ending
        return super().give_up(member, ending, now)

    def trouble(self, now: float) -> str | None:
        """Return what to tell the user while no member answers this worker, or None."""
        return trouble(self.reached, now)

    def news(self, now: float, under_way: Sequence[int], pauses: Sequence[float]) -> tuple[MemberNews, ...]:
        """Return what was recorded since the last time, with the tickets and pauses of each member."""
        alive, self._alive = self._alive, {}
        failing, self._failing = self._failing, {}
        endings, self._endings = self._endings, {}
        found = []
        for number, (count, pause) in enumerate(zip(under_way, pauses, strict=True)):
            alive_ago = now - alive[number] if number in alive else None
            failed = failing.get(number, _NO_FAILURE)
            failed = failed._replace(failures=tuple(now - sent_at for sent_at in failed.failures))
            found.append(MemberNews(count, pause, alive_ago, *failed, endings.get(number)))
        return tuple(found)

    def take(self, states: Sequence[MemberState], now: float) -> None:
        """Record what the coordinator says of the members."""
        for member, state in zip(self.reached, states, strict=False):
            outage = member.triage.outage
            outage.was_alive = outage.was_alive or state.was_alive
            member.is_gone = member.is_gone or state.is_gone
            member.exhausted_until = now + state.exhausted_for if state.exhausted_for else float("-inf")
            if state.is_aside:
                outage.suspect(now, state.probes)
            elif member.is_aside:
                outage.alive()
            member.is_aside = state.is_aside
            if state.has_answered:
                self._models.trust(member.name)
