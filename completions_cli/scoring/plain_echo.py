"""The usual answer to an echo, read at once: tokens of ASCII that spell the text, and nothing else was generated.

`alignment` reads any answer, this one alike, but takes several times as long. A batch of short texts would notice.
"""

from collections.abc import Mapping, Sequence

from completions_cli.api import logprobs
from completions_cli.api.logprobs import SideBySide
from completions_cli.models import Json
from completions_cli.scoring import scores
from completions_cli.scoring.scores import Score


def score(answer: Mapping[str, Json], prompt: str, text: str) -> Score | None:
    """Return the score of a continuation from the answer to one request; None where it takes a closer look."""
    try:
        (choice,) = answer["choices"]
        found, usage = choice["logprobs"], answer["usage"]
        tokens, figures, offsets, tops = map(found.__getitem__, _LISTS)
        is_echo = len(tokens) == len(figures) == len(offsets) == len(tops) == usage["prompt_tokens"]
        if not is_echo or usage["completion_tokens"] != 0 or figures[0] is not None or not found.keys() <= _KNOWN:
            return None
        if not _spell(tokens, prompt + text):
            return None
        count, covered = _last(tokens, len(text))
        scored = SideBySide(tokens[-count:], figures[-count:], offsets[-count:], tops[-count:], [None] * count)
    except (AttributeError, LookupError, TypeError, ValueError):
        return None
    return Score(text, scored, covered > len(text)) if scores.are_undisputed(scored) else None


_LISTS = ("tokens", "token_logprobs", "text_offset", "top_logprobs")
_KNOWN = frozenset(_LISTS)


def _spell(tokens: Sequence[str], text: str) -> bool:
    """Return whether tokens are just the text, and show all of it."""
    is_shown = type(tokens) is list and all(tokens) and "".join(tokens) == text
    return is_shown and text.isascii() and not logprobs.may_spell_bytes(text)


def _last(tokens: Sequence[str], size: int) -> tuple[int, int]:
    """Return how many of the last tokens it takes for so many characters, and how many they have."""
    count = covered = 0
    while covered < size:
        count += 1
        covered += len(tokens[-count])
    return count, covered
