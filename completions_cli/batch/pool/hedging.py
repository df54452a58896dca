"""The last rows of a slow member asked of an idle one, too: whichever answers first counts."""

import asyncio
from dataclasses import dataclass, field, replace

from completions_cli.batch.pool.pace import PoolPace
from completions_cli.batch.units import Race, Unit
from completions_cli.pacing.pace import Ticket

LOOK_SECONDS = 0.1  # between two looks for rows that take long
_TIMES_AS_LONG = 2.0  # as another member takes for one


@dataclass(slots=True)
class Hedging:
    """Follows what is asked of whom, and finds what is worth asking twice. Times are seconds of the run's clock."""

    pace: PoolPace
    _asked: dict[int, tuple[Unit, Ticket, "asyncio.Task[None]"]] = field(default_factory=dict)

    def sent(self, unit: Unit, ticket: Ticket) -> None:
        """Record a request of the task that runs."""
        task = _this_task()
        self._asked[id(unit)] = (unit, ticket, task)
        if unit.race is not None:
            unit.race.tasks.add(task)

    def over(self, unit: Unit) -> None:
        """Record that it has ended."""
        del self._asked[id(unit)]

    def second(self, now: float) -> tuple[Unit, Ticket] | None:
        """Return the unit to ask again, and the ticket for another member; None when there is none."""
        for unit, ticket, task in sorted(self._asked.values(), key=lambda asked: asked[1].sent_at):
            if unit.race is not None or unit.dialogue is not None or len(unit.requests) > 1:
                continue
            at_most = (now - ticket.sent_at) / _TIMES_AS_LONG
            found = self.pace.leave_to_other(now, ticket.tokens, ticket.member, at_most)
            if found is not None:
                unit.race = Race({task})
                return replace(unit, is_repeat=False), found
        return None


def is_lost(unit: Unit, *, has_failed: bool) -> bool:
    """Record how a request ended. Return whether that does not count: another has answered, or still may."""
    race = unit.race
    if race is None:
        return False
    race.tasks.discard(_this_task())
    if race.is_decided or (has_failed and race.tasks):
        return True
    race.is_decided, unit.race = True, None
    for task in race.tasks:
        task.cancel()
    return False


def _this_task() -> "asyncio.Task[None]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("requests are sent by tasks")
    return task
