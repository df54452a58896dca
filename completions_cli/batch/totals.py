"""Counts what a run has done so far, for the progress line, the summary and the exit code."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from completions_cli.batch import entry
from completions_cli.batch.budget import Prices
from completions_cli.batch.closing import OutputCounts
from completions_cli.batch.formats import SCORED, Outcome
from completions_cli.batch.recovery import Recovered, tally
from completions_cli.errors import CompletionsError
from completions_cli.models import Json, Usage

_FIGURES = (
    "requests",
    "retries",
    "throttled",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "maybe_billed",
    "hedged",
    "seconds",
)
_SUMS = (
    "new_ok",
    "requests",
    "answers",
    "texts",
    "unreported",
    "estimated",
    "retries",
    "throttled",
    "prompt_tokens",
    "completion_tokens",
    "maybe_billed",
)


@dataclass(slots=True)
class Totals:
    """`ok` and `failed` count the rows in OUTPUT, `resumed` of them from earlier runs; the rest is of this run.

    `found` is what OUTPUT held when the run began, its failures kept up to date; None where nobody read it as a whole.
    `spent` is the money so far where each profile has prices of its own. `parts` is what a folder of parts holds now.
    """

    resumed: int = 0
    replaced: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    new_ok: int = 0
    new_failed: Counter[str] = field(default_factory=Counter)
    last_error: str | None = None
    requests: int = 0
    answers: int = 0
    texts: int = 0
    unreported: int = 0  # answers that do not say what they used
    estimated: int = 0  # of them those whose tokens were guessed
    retries: int = 0
    throttled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reasons: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)  # rows by parameter
    maybe_billed: int = 0
    hedged: int = 0  # rows asked of a second member, too
    seconds: float = 0.0
    stopped_by: str | None = None
    prices: Prices | None = None
    spent: float | None = None
    profiles: Counter[str] = field(default_factory=Counter)  # rows answered
    found: Recovered | None = None
    parts: OutputCounts | None = None

    @classmethod
    def after(cls, recovered: Recovered, prices: Prices | None = None) -> "Totals":
        """Start from the totals of earlier runs."""
        return cls(
            resumed=len(recovered.done), ok=recovered.ok, failed=recovered.failed, prices=prices, found=recovered
        )

    @property
    def rows(self) -> int:
        """Rows that are done."""
        return self.ok + self.failed.total()

    @property
    def new_rows(self) -> int:
        """Rows that this run has done."""
        return self.rows - self.resumed

    @property
    def new_failures(self) -> int:
        """Rows that failed in this run."""
        return self.new_failed.total()

    @property
    def cost(self) -> float | None:
        """What the tokens of this run cost, where prices are known."""
        if self.spent is not None:
            return self.spent
        return None if self.prices is None else self.prices.cost(self.prompt_tokens, self.completion_tokens)

    @property
    def total_tokens(self) -> int:
        """Tokens of prompts and completions."""
        return self.prompt_tokens + self.completion_tokens

    def count(self, outcome: Outcome) -> None:
        """Count a row that is done. A failure of an earlier run no longer counts once its row was asked again."""
        row, error = outcome.row.number, outcome.error
        if self.found is not None and self.found.failures:
            self._replace_failure(self.found, row)
        if error is not None:
            self._count_failure(row, error)
            return
        self.ok += 1
        self.new_ok += 1
        tally(self.finish_reasons, outcome.finish_reason if outcome.scores is None else SCORED)
        tally(self.models, outcome.model)
        if outcome.profile is not None:
            self.profiles[outcome.profile] += 1
        if outcome.ignored:
            self.ignored.update(outcome.ignored)

    def _count_failure(self, row: int, error: CompletionsError) -> None:
        self.failed[error.kind] += 1
        self.new_failed[error.kind] += 1
        self.last_error = error.message
        if self.found is not None:
            self.found.record(entry.of_failure(row, error))

    def _replace_failure(self, found: Recovered, row: int) -> None:
        replaced = found.forget_failure(row)
        if replaced is not None:
            self.resumed -= 1
            self.replaced += 1
            self.failed[replaced] -= 1
            self.failed += Counter()  # without kinds that no row is left of

    @property
    def in_output(self) -> OutputCounts | None:
        """What OUTPUT holds now; None if it was not read as a whole."""
        if self.found is None:
            return self.parts
        return self.found.with_answers(self.models, self.finish_reasons, self.ignored, self.profiles)

    def use(
        self,
        usage: Usage | None,
        texts: int = 1,
        prices: Prices | None = None,
        guess: Callable[[], Usage] | None = None,
    ) -> None:
        """Add up what an answer of so many texts used, at the prices of who answered.

        Where the server does not say what it used, `guess` does, if there is one.
        """
        self.answers += 1
        self.texts += texts
        if usage is None:
            self.unreported += 1
            if guess is not None:
                self.estimated += 1
                usage = guess()
        if usage is not None:
            prompt = usage.prompt_tokens or 0
            completion = usage.completion_tokens
            if completion is None:
                completion = max(0, (usage.total_tokens or prompt) - prompt)
            self.prompt_tokens += prompt
            self.completion_tokens += completion
            if self.spent is not None and prices is not None:
                self.spent += prices.cost(prompt, completion)

    def add(self, other: "Totals") -> None:
        """Add the totals of another run of the same work."""
        self.ok += other.ok
        self.resumed += other.resumed
        self.last_error = other.last_error or self.last_error
        self.failed.update(other.failed)
        self.new_failed.update(other.new_failed)
        self.finish_reasons.update(other.finish_reasons)
        self.models.update(other.models)
        self.profiles.update(other.profiles)
        self.ignored.update(other.ignored)
        if other.spent is not None:
            self.spent = (self.spent or 0.0) + other.spent
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_json(self, earlier: Mapping[str, Json] | None = None) -> dict[str, Json]:
        """Build the summary of this run, and of all runs of this OUTPUT given what the `earlier` ones kept."""
        return {
            "rows": self.new_ok + self.new_failed.total(),
            "ok": self.new_ok,
            "failed": dict(self.new_failed),
            "finish_reasons": dict(self.finish_reasons),
            "models": dict(self.models),
            "profiles": dict(self.profiles),
            "ignored": dict(self.ignored),
            **self._figures(),
            "resumed": self.resumed,
            "all_runs": self.all_runs(earlier or {}),
        }

    def all_runs(self, earlier: Mapping[str, Json]) -> dict[str, Json]:
        """Build the summary over all runs. Rows are as they stand in OUTPUT; what they took is added up."""
        counts = self.in_output
        figures = self._figures()
        for name in (*_FIGURES, "cost"):
            figures[name] = _sum(earlier.get(name), figures[name])
        figures["seconds"] = round(figures["seconds"], 3)
        return {
            "rows": self.rows,
            "ok": self.ok,
            "failed": dict(self.failed),
            "finish_reasons": dict(counts.finish_reasons if counts else self.finish_reasons),
            "models": dict(counts.models if counts else self.models),
            "profiles": dict((counts and counts.profiles) or self.profiles),
            "ignored": dict(counts.ignored if counts else self.ignored),
            **figures,
        }

    def _figures(self) -> dict[str, Json]:
        return {
            "requests": self.requests,
            "retries": self.retries,
            "throttled": self.throttled,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
            "maybe_billed": self.maybe_billed,
            "hedged": self.hedged,
            "cost": self.cost,
            "seconds": round(self.seconds, 3),
            "stopped_by": self.stopped_by,
        }


def added(runs: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """Add up the totals of several outputs."""
    sums: dict[str, Json] = {}
    for run in runs:
        sums = {name: _sum(sums.get(name), run.get(name)) for name in (*_FIGURES, "cost")}
    return sums


def _sum(earlier: Json, now: Json) -> Json:
    """Add figures of which either may be unknown."""
    known = [value for value in (earlier, now) if type(value) in {int, float}]
    return sum(known) if known else None
