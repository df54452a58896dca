"""The paces of several members as one: the next request goes to whichever may send it first."""

from collections.abc import Callable, Sequence

from completions_cli.batch.pool.member import Health
from completions_cli.batch.pool.silence import Silence
from completions_cli.pacing.gate import Limit
from completions_cli.pacing.pace import FULL, HeaderOf, Pace, Ticket


class PoolLimit:
    """How many requests may be in flight over all members."""

    def __init__(self, paces: Sequence[tuple[Health, Pace]], total: Limit) -> None:
        self._paces = paces
        self._total = total

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return min(
            self._total.limit,
            max(1, sum(pace.concurrency.limit for member, pace in self._paces if not member.is_gone)),
        )


class PoolPace:
    """Stands in for a `Pace`: finds the member for the next request. `total` holds what all may do together.

    Where several may send, it is the one that is likely to answer first: the fewest requests in flight for its speed.
    So a slow member gets little, and one that answers nothing less and less. Once `is_tail` is true, nothing is asked
    of a member that is set aside, which may take long to fail.
    """

    def __init__(self, paces: Sequence[tuple[Health, Pace]], total: Pace) -> None:
        self._paces = paces
        self._total = total
        self.is_tail: Callable[[], bool] = lambda: False  # whether no new rows are left
        self._next = 0
        self.concurrency = PoolLimit(paces, total.concurrency)
        self._silence = Silence([member for member, _ in paces], total.concurrency)

    @property
    def counts_tokens(self) -> bool:
        """Whether anybody's limit is one of tokens."""
        return self._total.counts_tokens or any(pace.counts_tokens for _, pace in self._paces)

    @property
    def in_flight(self) -> int:
        """Requests under way."""
        return self._total.in_flight

    def wait(self, now: float, tokens: float, most: float) -> float:
        """Return the seconds until a request may go to some member; FULL while too many are in flight."""
        held = self._total.wait(now, tokens, most)
        if held > 0:
            return held
        soonest, best = FULL, None
        is_tail = self.is_tail()
        skips_aside = is_tail and any(not (member.is_aside or member.is_gone) for member, _ in self._paces)
        for number, (member, pace) in enumerate(self._paces):
            if member.is_gone or (skips_aside and member.is_aside):
                continue
            wait = pace.wait(now, tokens, most)
            if wait > 0:
                soonest = min(soonest, wait)
                continue
            if self._silence.is_held(now, number, pace.in_flight):
                continue
            latency = max(member.latency, self._silence.seconds(now, number, pace.in_flight))
            if not is_tail and self._silence.is_forgotten(now, number, pace.in_flight):
                latency = 0.0
            rank = (not member.is_aside, latency * (pace.in_flight + 1), pace.in_flight)
            if best is None or rank < best:
                best, self._next = rank, number
        return soonest if best is None else 0.0

    def leave(self, now: float, tokens: float, most: float) -> Ticket:
        """Count a request that goes to the member that `wait` found. Its ticket says which."""
        pace = self._paces[self._next][1]
        self._silence.sent(now, self._next, pace.in_flight)
        self._total.leave(now, tokens, most)
        return pace.leave(now, tokens, most)._replace(member=self._next)

    def leave_to_other(self, now: float, tokens: float, member: int, at_most: float) -> Ticket | None:
        """Count a request to the quickest member but this one that takes `at_most` seconds; None when none may send."""
        if self._total.wait(now, tokens, tokens) > 0:
            return None
        quick = [
            (other.latency, number)
            for number, (other, pace) in enumerate(self._paces)
            if number != member
            and not (other.is_gone or other.is_aside)
            and 0 < other.latency <= at_most
            and pace.wait(now, tokens, tokens) <= 0
        ]
        if not quick:
            return None
        self._next = min(quick)[1]
        return self.leave(now, tokens, tokens)

    def answered(self, now: float, ticket: Ticket, used: float | None) -> None:
        """Record an answer."""
        self._silence.heard(now, ticket.member, is_answer=True)
        self._total.answered(now, ticket, used)
        self._paces[ticket.member][1].answered(now, ticket, used)

    def refused(self, now: float, ticket: Ticket, retry_after: float | None) -> None:
        """Record a 429, which is between its member and us."""
        self._silence.heard(now, ticket.member)
        self._total.failed(now, ticket, overloaded=False)
        self._paces[ticket.member][1].refused(now, ticket, retry_after)

    def failed(self, now: float, ticket: Ticket, *, overloaded: bool, retry_after: float | None = None) -> None:
        """Record any other failure."""
        self._silence.heard(now, ticket.member)
        self._total.failed(now, ticket, overloaded=False)
        self._paces[ticket.member][1].failed(now, ticket, overloaded=overloaded, retry_after=retry_after)

    def pause(self, until: float) -> None:
        """Send nothing to anybody before `until`."""
        self._total.pause(until)

    def narrow(self, most: int | None) -> None:
        """Limit the requests in flight to `most`; None ends it."""
        self._total.narrow(most)

    def read(self, now: float, ticket: Ticket, header: HeaderOf) -> None:
        """Record the rate headers of an answer."""
        self._paces[ticket.member][1].read(now, ticket, header)
