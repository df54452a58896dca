"""How much a run may use, and how much may go wrong, before it stops."""

from dataclasses import dataclass

_SHARE_COUNTS_FROM = 50  # rows
_BEFORE_ANSWERS = 4  # texts that may be under way when nobody knows yet what one uses


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices per million tokens."""

    prompt: float
    completion: float

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Return the cost of tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1_000_000


@dataclass(frozen=True, slots=True)
class ErrorLimit:
    """Failed rows to stop at: a number, or a share (0..1) of the rows that are done."""

    count: int | None = None
    share: float | None = None

    def is_reached(self, failed: int, done: int) -> bool:
        """Return whether this number of failures among this number of rows reaches the limit."""
        if self.count is not None:
            return failed >= self.count
        return self.share is not None and done >= _SHARE_COUNTS_FROM and failed > 0 and failed >= self.share * done


@dataclass(frozen=True, slots=True)
class Budget:
    """What one run may use; None is without limit."""

    tokens: int | None = None
    cost: float | None = None
    prices: Prices | None = None
    errors: ErrorLimit | None = None

    @property
    def is_limited(self) -> bool:
        """True if tokens or money are limited."""
        return self.tokens is not None or self.cost is not None

    def spent(self, tokens: int, cost: float | None) -> str | None:
        """Name the budget that is used up, if one is."""
        if self.tokens is not None and tokens >= self.tokens:
            return "max_tokens_total"
        return "max_cost" if self.cost is not None and cost is not None and cost >= self.cost else None

    def is_tight(self, tokens: int, cost: float | None, answers: int, under_way: int) -> bool:
        """Return whether the texts under way may be all that the budget is good for, going by those that came."""
        if under_way >= max(_BEFORE_ANSWERS, answers):
            return True  # a few answers say little about many
        if not answers:
            return False
        share = 1 + under_way / answers
        return self.spent(round(tokens * share), None if cost is None else cost * share) is not None
