"""Members that answer nothing while others do: they get less, without a timeout that somebody has to set."""

from collections.abc import Sequence

from completions_cli.batch.pool.member import Health
from completions_cli.pacing.gate import Limit

_LATE = 2.0  # times what it takes itself
_STUCK = 10.0  # times what others take
_STUCK_ITSELF = 3.0  # times what it takes itself
_LEAST = 1.0  # seconds; any program pauses for less
_FORGOTTEN = 3.0  # times what it took: so long after its last answer a member that nobody asks is tried again,
_SOONEST_TRIAL, _LATEST_TRIAL = 10.0, 60.0  # seconds; but not before, and not later


class Silence:
    """Follows how long each member has had requests in flight without a sign of it.

    One that is late, or has never answered, takes no more than its share of the requests in flight, so that it cannot
    keep all of them. One that is stuck gets nothing more until it gives a sign, or until no other answers either. One
    that was too slow to be asked for some time is tried with one request, as it may have become faster.
    """

    def __init__(self, members: Sequence[Health], total: Limit) -> None:
        self._members, self._total = members, total
        self._since: list[float | None] = [None] * len(members)
        self._answered_at = [float("-inf")] * len(members)
        self._tried: set[int] = set()

    def sent(self, now: float, number: int, before: int) -> None:
        """Record a request; so many were in flight before it."""
        if before == 0:
            if self.is_forgotten(now, number, before):
                self._tried.add(number)
            self._since[number] = now

    def heard(self, now: float, number: int, *, is_answer: bool = False) -> None:
        """Record that a request has ended."""
        self._since[number] = now
        if is_answer:
            self._answered_at[number] = now
            if number in self._tried:
                self._members[number].latency = 0.0  # what it took before says nothing
        self._tried.discard(number)

    def seconds(self, now: float, number: int, in_flight: int) -> float:
        """Return for how long nothing was heard of a member that has so many requests in flight."""
        if not in_flight:
            return 0.0
        since = self._since[number]
        if since is None:  # sent by a coordinator before this one
            since = self._since[number] = now
        return now - since

    def is_forgotten(self, now: float, number: int, in_flight: int) -> bool:
        """Return whether a member was not asked for so long that it is to be tried."""
        latency, since = self._members[number].latency, self._since[number]
        if in_flight or not latency or since is None:
            return False
        return now - since > min(_LATEST_TRIAL, max(_SOONEST_TRIAL, _FORGOTTEN * latency))

    def is_held(self, now: float, number: int, in_flight: int) -> bool:
        """Return whether a member is to get nothing more for now."""
        silent, own = self.seconds(now, number, in_flight), self._members[number].latency
        if in_flight and number in self._tried:
            return True
        if not in_flight or silent < _LATE * own:
            return False
        others = [other for other, member in enumerate(self._members) if other != number and _may_answer(member)]
        if others and in_flight >= self._total.limit // (len(others) + 1):
            return True
        answering = [self._members[other].latency for other in others if self._answered_at[other] > now - silent]
        return bool(answering) and silent > max(_LEAST, _STUCK_ITSELF * own, _STUCK * max(answering))


def _may_answer(member: Health) -> bool:
    return not (member.is_gone or member.is_aside)
