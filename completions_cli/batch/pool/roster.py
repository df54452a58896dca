"""Which members of a pool are asked: who is set aside, who is left out, and when nobody is left."""

from collections.abc import Callable, Sequence

from completions_cli.batch.pool.member import Health
from completions_cli.batch.triage import Ending
from completions_cli.errors import CompletionsError, ServiceError

_FOR_A_WHILE = ("outage", "max_wait")  # endings that time may mend
_PAUSE = 30.0  # seconds between two looks at a member that nobody waits for


def quiet(_: str) -> None:
    """Tell nobody."""


class Roster:
    """The members of a pool. Times are values of the run's clock, in seconds. `warn` tells the user of changes."""

    def __init__(self, members: Sequence[Health], warn: Callable[[str], None] = quiet) -> None:
        self.members = members
        self._warn = warn

    def has_others(self, member: Health, now: float) -> bool:
        """Return whether another member can do what this one cannot."""
        return any(other is not member and not other.is_gone and other.exhausted_until <= now for other in self.members)

    def failed(self, member: Health, error: CompletionsError, sent_at: float) -> None:
        """Record that a request sent at some time failed, and may not next time: nothing follows from one."""

    def set_aside(self, member: Health, error: CompletionsError) -> None:
        """Record that a member only fails."""
        if not member.is_aside and len(self.members) > 1:
            member.is_aside = True
            self._warn(f"note: {member.name} is set aside until it answers again: {error.summary}")

    def is_alive(self, member: Health, _: float) -> None:
        """Record that a member did, or properly refused, what it was asked at some time."""
        member.exhausted_until = float("-inf")
        if member.is_aside:
            member.is_aside = False
            self._warn(f"note: {member.name} answers again")

    def give_up(self, member: Health, ending: Ending, now: float) -> Ending | None:
        """Go on without a member. Return how the run ends where it was the last, else None."""
        if member.is_gone or not self.has_others(member, now):
            return None if member.is_gone and self._has_any(now) else ending
        if ending.reason in _FOR_A_WHILE:
            self._rest(member, ending, now)
            return None
        member.is_gone = True
        said = ending.error.summary if ending.error is not None else ending.reason
        self._warn(f"warning: {member.name} is left out for the rest of the run: {said}")
        return None

    def _rest(self, member: Health, ending: Ending, now: float) -> None:
        asked = ending.error.retry_after if isinstance(ending.error, ServiceError) else None
        member.exhausted_until = float("inf") if asked is None else max(member.exhausted_until, now + asked)
        member.pace.narrow(1)
        member.pace.pause(now + (_PAUSE if asked is None else asked))
        if ending.error is not None:
            self.set_aside(member, ending.error)

    def _has_any(self, now: float) -> bool:
        return any(not member.is_gone and member.exhausted_until <= now for member in self.members)
