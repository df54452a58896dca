"""What a run has done so far, counted: for the progress line, the summary and the exit code."""

from collections import Counter
from dataclasses import dataclass, field

from completions_cli.batch.budget import Prices
from completions_cli.batch.formats import Outcome
from completions_cli.batch.recovery import Recovered
from completions_cli.models import Json, Usage

_SUMS = (
    "new_failures",
    "requests",
    "answers",
    "texts",
    "retries",
    "throttled",
    "prompt_tokens",
    "completion_tokens",
    "maybe_billed",
)


@dataclass(slots=True)
class Totals:
    """`ok` and `failed` count the rows in OUTPUT, `resumed` of them from earlier runs; the rest is of this run."""

    resumed: int = 0
    replaced: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    new_failures: int = 0
    last_error: str | None = None
    requests: int = 0
    answers: int = 0
    texts: int = 0
    retries: int = 0
    throttled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish_reasons: Counter[str] = field(default_factory=Counter)
    maybe_billed: int = 0
    seconds: float = 0.0
    stopped_by: str | None = None
    prices: Prices | None = None
    before: Recovered | None = None

    @classmethod
    def after(cls, recovered: Recovered, prices: Prices | None = None) -> "Totals":
        """Begin with what earlier runs left."""
        return cls(
            resumed=len(recovered.done), ok=recovered.ok, failed=recovered.failed, prices=prices, before=recovered
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
    def cost(self) -> float | None:
        """What the tokens of this run cost, where prices are known."""
        return None if self.prices is None else self.prices.cost(self.prompt_tokens, self.completion_tokens)

    @property
    def total_tokens(self) -> int:
        """Tokens of prompts and completions."""
        return self.prompt_tokens + self.completion_tokens

    def count(self, outcome: Outcome) -> None:
        """Count a row that is done. A failure of an earlier run no longer counts once its row was asked again."""
        replaced = self.before.forget_failure(outcome.row.number) if self.before else None
        if replaced is not None:
            self.resumed -= 1
            self.replaced += 1
            self.failed[replaced] -= 1
            self.failed += Counter()  # without kinds that no row is left of
        if outcome.error is not None:
            self.failed[outcome.error.kind] += 1
            self.new_failures += 1
            self.last_error = outcome.error.message
            return
        self.ok += 1
        reason = outcome.choices[0].get("finish_reason") if outcome.choices else None
        self.finish_reasons[reason if isinstance(reason, str) else "unknown"] += 1

    def use(self, usage: Usage | None, texts: int = 1) -> None:
        """Add up what an answer of so many texts used."""
        self.answers += 1
        self.texts += texts
        if usage is not None:
            prompt = usage.prompt_tokens or 0
            completion = usage.completion_tokens
            if completion is None:
                completion = max(0, (usage.total_tokens or prompt) - prompt)
            self.prompt_tokens += prompt
            self.completion_tokens += completion

    def add(self, other: "Totals") -> None:
        """Add what another run of the same work did."""
        self.ok += other.ok
        self.resumed += other.resumed
        self.last_error = other.last_error or self.last_error
        self.failed.update(other.failed)
        self.finish_reasons.update(other.finish_reasons)
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def as_json(self) -> dict[str, Json]:
        """Build the summary."""
        return {
            "rows": self.rows,
            "ok": self.ok,
            "failed": dict(self.failed),
            "resumed": self.resumed,
            "requests": self.requests,
            "retries": self.retries,
            "throttled": self.throttled,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
            "cost": self.cost,
            "finish_reasons": dict(self.finish_reasons),
            "maybe_billed": self.maybe_billed,
            "seconds": round(self.seconds, 3),
            "stopped_by": self.stopped_by,
        }
