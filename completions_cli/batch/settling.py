"""Where units end: as lines of OUTPUT, back in the backlog, or at the end of the whole run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from completions_cli.api import blame
from completions_cli.api.retry import RetryPolicy
from completions_cli.batch import outcomes
from completions_cli.batch.backlog import Backlog
from completions_cli.batch.budget import Budget
from completions_cli.batch.exchange import Reply
from completions_cli.batch.formats import Outcome, OutputFormat, line
from completions_cli.batch.model_watch import ModelWatch
from completions_cli.batch.pool.member import Member
from completions_cli.batch.pool.roster import Roster
from completions_cli.batch.rows import Row
from completions_cli.batch.scribe import Scribe
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending, Triage, Verdict
from completions_cli.batch.units import Packer, Unit
from completions_cli.errors import (
    BatchStoppedError,
    CompletionsError,
    MisfitError,
    NotFoundError,
    RejectedError,
    ServiceError,
)

_PROBES = 2  # requests under way while an outage is suspected
_RESUME_HINT = "Run the same command again to resume."
_BUDGET_WORDS = {
    "max_tokens_total": "the token budget is used up (--max-tokens-total)",
    "max_cost": "the cost limit is reached (--max-cost)",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a run goes by.

    `limits_errors` is whether failed rows are limited (--max-errors), here or by the driver of a cluster: then rows
    that are refused alike from the start are recorded, too. `limits_usage` is whether tokens or money are: then the
    tokens of answers without usage are estimated.
    """

    policy: RetryPolicy
    budget: Budget
    output_format: OutputFormat = "native"
    limits_errors: bool = False
    limits_usage: bool = False


@dataclass(frozen=True, slots=True)
class Settler:
    """Settles the units sent to a member: records their rows, sends them again, or stops the run.

    Times are values of the run's clock, in seconds.
    """

    rules: Rules
    packer: Packer
    totals: Totals
    member: Member
    roster: Roster
    backlog: Backlog[Unit]
    scribe: Scribe
    stop: Callable[[Ending], None]
    models: ModelWatch
    parked: list[tuple[Unit, CompletionsError, float]] = field(default_factory=list)  # and when they failed
    rejected: list[tuple[Unit, CompletionsError]] = field(default_factory=list)  # while nothing was answered

    @property
    def triage(self) -> Triage:
        """What judges the failures of this member."""
        return self.member.triage

    def due(self, unit: Unit | None) -> Unit | None:
        """Return the unit to send; a pack that came too late is split first."""
        if unit is None or len(unit.rows) == 1 or self.packer.size > 1:
            return unit
        first, *others = self.packer.singles(unit)
        self.backlog.first(*others)
        return first

    def answered(self, unit: Unit, reply: Reply, *, now: float, sent_at: float) -> None:
        """Record a reply."""
        self.use(reply)
        problem = outcomes.misfit(unit, reply)
        if problem is None:
            self._fits(unit, reply, now=now, sent_at=sent_at)
        else:
            self.failed(unit, problem, now=now, sent_at=sent_at)
        if self.rules.budget.is_limited:
            self._stop_when_spent()

    def use(self, reply: Reply) -> None:
        """Count what a reply used; if the server does not say, a budget uses an estimate."""
        guess = reply.guessed_usage if self.rules.limits_usage else None
        self.totals.use(reply.usage, reply.request.generation_count, self.member.prices, guess)

    def failed(self, unit: Unit, error: CompletionsError, *, now: float, sent_at: float) -> None:
        """Record a failure."""
        if isinstance(error, MisfitError) and len(unit.rows) > 1:
            self.backlog.first(*self.packer.misfit(unit))
            return
        if unit.dialogue is not None and isinstance(error, RejectedError | NotFoundError | MisfitError):
            left = unit.dialogue.refused(error)
            if left is None:  # there are other ways to ask
                self._is_alive(sent_at)
                self.backlog.first(unit)
                return
            error = left
        unit.is_repeat = True
        unit.latency = now - sent_at
        verdict = self.triage.judge(error, now=now, sent_at=sent_at, tries=unit.tries, model=unit.rows[0].model)
        if verdict.kind in ("later", "spent"):
            self.roster.failed(self.member, error, sent_at)
        self._carry_out(verdict, unit, error, now=now, sent_at=sent_at)

    def record(self, outcome: Outcome) -> None:
        """Write down how a row ended, unless its model must not be mixed with that of earlier runs."""
        mixed = self.models.ending(outcome)
        if mixed is not None:
            self.stop(mixed)
            return
        self.scribe.add(line(outcome, self.rules.output_format), outcome)

    def settle_waiting(self, now: float) -> None:
        """Decide on the rows that failed while nothing else succeeded: theirs or the server's fault."""
        self._settle_rejected()
        parked = self.parked.copy()
        self.parked.clear()
        for unit, error, _ in parked:
            if not self.triage.outage.was_alive or self._is_model_lost(unit, error):
                ending = self.roster.give_up(self.member, self.triage.nothing_succeeds(error), now)
                self._fail(unit, error) if ending is None else self.stop(ending)
            else:
                self._fail(unit, error)

    def _settle_rejected(self) -> None:
        rejected = self.rejected.copy()
        self.rejected.clear()
        for unit, error in rejected:
            self._fail(unit, error)

    def _settle_parked(self, sent_at: float) -> None:
        """Settle failures older than a request that the server answered: only that is proof."""
        due = [parked for parked in self.parked if parked[2] <= sent_at]
        self.parked[:] = [parked for parked in self.parked if parked[2] > sent_at]
        for unit, error, _ in due:
            self._settle_doubtful(unit, error)

    def _settle_doubtful(self, unit: Unit, error: CompletionsError) -> None:
        """Record the rows of a unit as failed, or send it again if its model has answered others since."""
        if self._is_model_lost(unit, error):
            self.backlog.first(unit)
        else:
            self._fail(unit, error)

    def _is_model_lost(self, unit: Unit, error: CompletionsError) -> bool:
        """Return whether a unit was refused for a model that has answered others."""
        return blame.blamed(error) == "model" and self.triage.is_known(unit.rows[0].model)

    def _fits(self, unit: Unit, reply: Reply, *, now: float, sent_at: float) -> None:
        """Record a reply that is what its request asked for."""
        self.triage.answered(unit.rows[0].model)
        self._is_alive(sent_at)
        unit.latency = now - sent_at
        unit.replies.append(reply)
        unit.is_repeat = False
        self.packer.taken(unit)
        if unit.is_answered:
            for outcome in outcomes.of(unit):
                self.record(outcome)
        else:
            self.backlog.first(unit)

    def _carry_out(self, verdict: Verdict, unit: Unit, error: CompletionsError, *, now: float, sent_at: float) -> None:
        kind, wait, ending = verdict
        if kind == "now":
            self.backlog.first(unit) if wait <= 0 else self.backlog.later(unit, wait)
        elif kind == "later":
            unit.tries += 1
            self.backlog.later(unit, wait)
        elif kind == "probe":
            self.member.pace.narrow(_PROBES)
            self.member.pace.pause(now + wait)
            self.roster.set_aside(self.member, error)
            self.backlog.last(unit)
            self.hand_over(now)
        elif kind == "spent" and len(unit.rows) > 1:
            # One of them may spoil it for the others: one more chance for each half.
            self.backlog.first(*self.packer.split(unit, last_try=unit.tries))
        elif kind == "doubtful" and len(unit.rows) > 1 and blame.blamed(error) == "row":
            self.backlog.first(*self.packer.refused(unit))
        elif kind in ("spent", "doubtful"):
            self.parked.append((unit, error, now))
        elif kind == "failed":
            self._fail(unit, error)
        elif kind == "rejected":
            self._rejected(unit, error, now=now, sent_at=sent_at)
        elif ending is not None:
            self._give_up(ending, [unit], now)

    def hand_over(self, now: float) -> bool:
        """Hand rows that failed while nothing succeeded to other members; return whether there are any."""
        if not self.parked or self.triage.outage.was_alive or not self.roster.has_others(self.member, now):
            return False
        self.backlog.first(*(unit for unit, _, _ in self.parked))
        self.parked.clear()
        return True

    def _give_up(self, ending: Ending, asked: list[Unit], now: float) -> None:
        """Stop the run, unless other members can take the units of this one."""
        final = self.roster.give_up(self.member, ending, now)
        if final is not None:
            self.stop(final)
            return
        self.backlog.first(*asked, *(unit for unit, _, _ in self.parked))
        self.parked.clear()

    def _rejected(self, unit: Unit, error: CompletionsError, *, now: float, sent_at: float) -> None:
        unexplained = None if self.rules.limits_errors else self.triage.unexplained(error)
        if unexplained is not None:
            self._carry_out(unexplained, unit, error, now=now, sent_at=sent_at)
            return
        self._is_alive(sent_at)
        if len(unit.rows) > 1:
            self.backlog.first(*self.packer.refused(unit))
        elif self.triage.has_answered or self.rules.limits_errors:
            self._fail(unit, error)
        else:
            self.rejected.append((unit, error))
            ending = self.triage.refused_alike(error)
            if ending is not None:
                refused = [refused for refused, _ in self.rejected]
                self.rejected.clear()
                self._give_up(ending, refused, now)

    def _fail(self, unit: Unit, error: CompletionsError) -> None:
        for row in unit.rows:
            self.record(_failed_outcome(row, unit, error, self.member.name))

    def _is_alive(self, sent_at: float) -> None:
        """Record that the server answered or properly refused a request sent at that time."""
        self.triage.outage.alive()
        self.member.pace.narrow(None)
        self.roster.is_alive(self.member, sent_at)
        if self.parked:
            self._settle_parked(sent_at)
        if self.rejected and self.triage.has_answered:
            self._settle_rejected()

    def _stop_when_spent(self) -> None:
        ending = budget_ending(self.rules.budget, self.totals)
        if ending is not None:
            self.stop(ending)


def counting(totals: Totals, budget: Budget, stop: Callable[[Ending], None]) -> Callable[[Sequence[Outcome]], None]:
    """Return a function that counts rows once their lines are in OUTPUT, and stops the run if too many failed."""

    def count(outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            totals.count(outcome)
            ending = errors_ending(budget, totals) if outcome.error is not None else None
            if ending is not None:
                stop(ending)

    return count


def budget_ending(budget: Budget, totals: Totals) -> Ending | None:
    """End a run whose tokens or money are used up."""
    spent = budget.spent(totals.total_tokens, totals.cost) if budget.is_limited else None
    return Ending(spent, BatchStoppedError(_BUDGET_WORDS[spent], hint=_RESUME_HINT)) if spent is not None else None


def errors_ending(budget: Budget, totals: Totals) -> Ending | None:
    """End a run of which too many rows failed."""
    if budget.errors is None or not budget.errors.is_reached(totals.new_failures, totals.new_rows):
        return None
    rows = "1 row" if totals.new_failures == 1 else f"{totals.new_failures} rows"
    words = f"{rows} failed (--max-errors); the last: {totals.last_error}"
    return Ending("max_errors", BatchStoppedError(words, hint=_RESUME_HINT))


def _failed_outcome(row: Row, unit: Unit, error: CompletionsError, profile: str | None) -> Outcome:
    request_id = error.request_id if isinstance(error, ServiceError) else None
    return Outcome(row, error=error, request_id=request_id, attempts=unit.sent, latency=unit.latency, profile=profile)
