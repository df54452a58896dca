"""Sends units, each in its turn, and hands what comes back to the settlers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from completions_cli.batch.backlog import Backlog
from completions_cli.batch.budget import Budget
from completions_cli.batch.exchange import Failure, Reply
from completions_cli.batch.pool import hedging
from completions_cli.batch.pool.hedging import Hedging
from completions_cli.batch.pool.member import Member
from completions_cli.batch.settling import Settler
from completions_cli.batch.totals import Totals
from completions_cli.batch.units import Unit
from completions_cli.client import attempts
from completions_cli.errors import MalformedResponseError, RateLimitError, RequestTimeoutError, ServiceError
from completions_cli.pacing.gate import ClosedError, Turns
from completions_cli.pacing.pace import Ticket
from completions_cli.pacing.usage_estimate import UsageEstimate


@dataclass(slots=True)
class Sender:
    """Sends the requests of a run, and tells the gate, the pace, the totals and the settlers how each ended.

    `members` and `settlers` have the same order. `under_way` counts units, from the wait for their turn on.
    """

    members: Sequence[Member]
    gate: Turns
    settlers: Sequence[Settler]
    backlog: Backlog[Unit]
    totals: Totals
    budget: Budget
    estimate: UsageEstimate
    hedging: Hedging | None
    clock: Callable[[], float]
    under_way: int = 0
    texts_under_way: int = 0  # counted while tokens or money are limited

    @property
    def is_tight(self) -> bool:
        """Whether what is under way may use up the rest of the budget."""
        if not (self.under_way and self.budget.is_limited):
            return False
        totals = self.totals
        return self.budget.is_tight(totals.total_tokens, totals.cost, totals.texts, self.texts_under_way)

    async def send_in_turn(self, unit: Unit) -> None:
        """Wait for a turn and send the unit, or a refused one in its place whose wait is over by then."""
        texts = self._texts(unit)
        self.under_way += 1
        self.texts_under_way += texts
        try:
            tokens, most = self.estimate.of(unit.request) if self.gate.pace.counts_tokens else (0.0, 0.0)
            ticket = await self.gate.enter(tokens, most)
            if not unit.is_repeat and (waiting := self.backlog.swap(unit)) is not None:
                unit = self.settlers[0].due(waiting) or waiting
                self.texts_under_way += self._texts(unit) - texts
                texts = self._texts(unit)
            await self._send(unit, ticket)
        except ClosedError:
            return
        finally:
            self.under_way -= 1
            self.texts_under_way -= texts
            self.backlog.wake()

    async def send_again(self, unit: Unit, ticket: Ticket) -> None:
        """Send a unit that is in progress at another member, too."""
        self.under_way += 1
        try:
            await self._send(unit, ticket)
        finally:
            self.under_way -= 1
            self.backlog.wake()

    def _texts(self, unit: Unit) -> int:
        return unit.request.generation_count if self.budget.is_limited else 0

    async def _send(self, unit: Unit, ticket: Ticket) -> None:
        if self.hedging is not None:
            self.hedging.sent(unit, ticket)
        self.totals.requests += 1
        self.totals.retries += unit.is_repeat
        ticket = ticket._replace(is_repeat=unit.is_repeat)
        unit.sent += 1
        try:
            reply = await self.members[ticket.member].exchange.send(unit.request_by(ticket.member))
        except Failure as failure:
            self._failed(unit, failure, ticket)
        except BaseException:
            self.gate.pace.failed(self.clock(), ticket, overloaded=False)
            self.totals.maybe_billed += unit.race is not None
            raise
        else:
            self._answered(unit, reply, ticket)
        finally:
            if self.hedging is not None:
                self.hedging.over(unit)
        self.gate.pump()

    def _answered(self, unit: Unit, reply: Reply, ticket: Ticket) -> None:
        now, pace = self.clock(), self.gate.pace
        used = self.estimate.learn(reply.request, reply.usage) if pace.counts_tokens else None
        pace.answered(now, ticket, used)
        pace.read(now, ticket, reply.head.headers.get)
        self.members[ticket.member].answered(now - ticket.sent_at)
        if unit.race is not None and hedging.is_lost(unit, has_failed=False):
            self.settlers[ticket.member].use(reply)
            return
        self.settlers[ticket.member].answered(unit, reply, now=now, sent_at=ticket.sent_at)

    def _failed(self, unit: Unit, failure: Failure, ticket: Ticket) -> None:
        now, pace = self.clock(), self.gate.pace
        error = failure.error
        asked = error.retry_after if isinstance(error, ServiceError) else None
        if isinstance(error, RateLimitError):
            self.totals.throttled += 1
            pace.refused(now, ticket, asked)
        else:
            pace.failed(now, ticket, overloaded=attempts.is_overload(error), retry_after=asked)
        if failure.head is not None:
            pace.read(now, ticket, failure.head.headers.get)
        self.totals.maybe_billed += isinstance(error, MalformedResponseError | RequestTimeoutError)
        if unit.race is not None and hedging.is_lost(unit, has_failed=True):
            return
        self.settlers[ticket.member].failed(unit, error, now=now, sent_at=ticket.sent_at)
