"""What a run would do: reads, checks, counts and estimates its rows without sending anything."""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from completions_cli.api import wire
from completions_cli.batch.rows import Row
from completions_cli.batch.units import Packer
from completions_cli.pacing.usage_estimate import UsageEstimate

_SHOWN = 5
_MOST_NAMES = 1000  # of fields; memory must not follow the input


@dataclass(slots=True)
class Plan:
    """Figures of a run to come. `bad` shows the first bad rows; tokens are guessed, completions at their most."""

    rows: int = 0
    done: int = 0
    bad_rows: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    kept: Counter[str] = field(default_factory=Counter)

    def count_fields(self, rows: Iterable[Row], body: Iterable[str]) -> None:
        """Count what is sent for rows, and what is kept of them."""
        for row in rows:
            self.sent.update(name for name in body if len(self.sent) < _MOST_NAMES or name in self.sent)
            if isinstance(row.metadata, dict):
                self.kept.update(name for name in row.metadata if len(self.kept) < _MOST_NAMES or name in self.kept)


def draw_up(parts: Iterable[Iterable[Row]], packer: Packer) -> Plan:
    """Make the plan for the rows of all parts, which share no requests."""
    plan = Plan()
    estimate = UsageEstimate()
    for unit in itertools.chain.from_iterable(map(packer.units, parts)):
        plan.rows += len(unit.rows)
        if not unit.requests:
            plan.bad_rows += 1
            if len(plan.bad) < _SHOWN and unit.rows[0].error is not None:
                plan.bad.append((unit.rows[0].number, unit.rows[0].error.message))
        requests = unit.requests if unit.dialogue is None else unit.dialogue.planned()
        if requests:
            plan.count_fields(unit.rows, wire.body(requests[0]))
        for request in requests:
            plan.requests += 1
            prompt, most = estimate.split(request)
            plan.prompt_tokens += round(prompt)
            plan.completion_tokens += round(most)
    return plan
