"""The members of a pool as one worker sees them; the coordinator decides about them, for all workers."""

from collections.abc import Sequence

from completions_cli.batch.cluster.messages import MemberNews, MemberState
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.pool.member import Health, Member
from completions_cli.batch.pool.roster import Roster
from completions_cli.batch.triage import Ending
from completions_cli.errors import CompletionsError


class LeasedRoster(Roster):
    """Writes down how members are doing, and takes what the coordinator says of them."""

    def __init__(self, members: Sequence[Member], models: ModelWatch) -> None:
        super().__init__(members)
        self.reached = members
        self._models = models
        self._numbers: dict[Health, int] = {member: number for number, member in enumerate(members)}
        self._alive: dict[int, float] = {}  # when the newest request that proves it was sent
        self._failing: dict[int, tuple[CompletionsError, int]] = {}
        self._endings: dict[int, Ending] = {}

    def set_aside(self, member: Health, error: CompletionsError) -> None:
        """Write down that a member only fails."""
        number = self._numbers[member]
        self._alive.pop(number, None)
        self._failing[number] = error, self.reached[number].triage.outage.probes

    def is_alive(self, member: Health, sent_at: float) -> None:
        """Write down that a member did, or properly refused, what it was asked at that time."""
        number = self._numbers[member]
        self._failing.pop(number, None)
        self._alive[number] = max(sent_at, self._alive.get(number, sent_at))

    def give_up(self, member: Health, ending: Ending, now: float) -> Ending | None:
        """Have a member left out, or rested. Return how the run ends where it was the last as far as is known here."""
        self._endings[self._numbers[member]] = ending
        return super().give_up(member, ending, now)

    def news(self, now: float, under_way: Sequence[int], pauses: Sequence[float]) -> tuple[MemberNews, ...]:
        """Return what was written down since the last time, with the tickets and the pauses of each member."""
        alive, self._alive = self._alive, {}
        failing, self._failing = self._failing, {}
        endings, self._endings = self._endings, {}
        return tuple(
            MemberNews(
                count,
                pause,
                now - alive[number] if number in alive else None,
                failing.get(number),
                endings.get(number),
            )
            for number, (count, pause) in enumerate(zip(under_way, pauses, strict=True))
        )

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
