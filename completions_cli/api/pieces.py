"""What is put together from the pieces of an answer: its usage, and characters that came in two halves."""

from collections.abc import Sequence
from typing import TypeGuard

from completions_cli import limits
from completions_cli.models import Delta, Json, Usage

_WHOLE_ANSWER = None  # stands for the choice where usage is that of all choices
_HIGH_SURROGATES = range(0xD800, 0xDC00)


class UsageTally:
    """Adds up what chunks say about usage: the last word counts, except that llama.cpp counts each prompt apart."""

    def __init__(self) -> None:
        self.has_text = False
        self._by_choice: dict[int | None, Usage] = {}

    def add(self, value: dict[str, Json], deltas: Sequence[Delta]) -> None:
        """Record what a chunk says, which had these pieces of choices."""
        usage = value["usage"]
        if not isinstance(usage, dict):
            return
        # `timings` is the mark of llama.cpp, whose streams end each prompt with that prompt's usage.
        key = deltas[0].index if "timings" in value and deltas else _WHOLE_ANSWER
        counts = (usage.get(name) for name in Usage._fields)
        self._by_choice[key] = Usage(*(count if is_count(count) and count >= 0 else None for count in counts))

    def total(self) -> Usage | None:
        """Return the tokens of all choices as far as they were told."""
        told = self._by_choice.get(_WHOLE_ANSWER) or Usage.total(self._by_choice.values())
        # Some servers send zeros where they have not counted.
        return None if self.has_text and told is not None and {0} <= {*told} <= {0, None} else told


class SurrogateJoiner:
    """Makes text valid Unicode: JSON may escape an astral character as two halves, a chunk apart.

    A first half at the end of a piece waits for the next piece of its choice; what finds no
    partner until the choice finishes becomes U+FFFD.
    """

    def __init__(self) -> None:
        self.waiting: dict[int, str] = {}

    def join(self, index: int, text: str, *, is_last: bool) -> str:
        """Return what can be shown of a choice, with the next of its pieces."""
        text = self.waiting.pop(index, "") + text
        if text and not is_last and ord(text[-1]) in _HIGH_SURROGATES:
            self.waiting[index] = text[-1]
            text = text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_count(value: Json) -> TypeGuard[int]:
    """Return whether an integer is within what floats and printing can hold; JSON knows no limit."""
    return type(value) is int and -limits.TOKEN_COUNT <= value <= limits.TOKEN_COUNT
