"""How much a run may use, and how much may go wrong, before it stops."""

from dataclasses import dataclass

_SHARE_COUNTS_FROM = 50  # rows


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens."""

    prompt: float
    completion: float

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Work out what tokens cost."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1_000_000


@dataclass(frozen=True, slots=True)
class ErrorLimit:
    """Failed rows to stop at: a number, or a share (0..1) of the rows that are done."""

    count: int | None = None
    share: float | None = None

    def is_reached(self, failed: int, done: int) -> bool:
        """Tell whether so many failures among so many rows are too many."""
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

    def spent(self, prompt_tokens: int, completion_tokens: int) -> str | None:
        """Name the budget that is used up, if one is."""
        if self.tokens is not None and prompt_tokens + completion_tokens >= self.tokens:
            return "max_tokens_total"
        if self.cost is not None and self.prices is not None:
            return "max_cost" if self.prices.cost(prompt_tokens, completion_tokens) >= self.cost else None
        return None
