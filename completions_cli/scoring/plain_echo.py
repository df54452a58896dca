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
    choices, usage = answer.get("choices"), answer.get("usage")
    if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict or type(usage) is not dict:
        return None
    tokens = logprobs.read(choices[0])
    if type(tokens) is not SideBySide or logprobs.figure(tokens.figures[0]) is not None:
        return None
    if usage.get("prompt_tokens") != len(tokens.texts) or usage.get("completion_tokens") != 0:
        return None
    whole = prompt + text
    if not whole.isascii() or logprobs.shown(tokens) != (tokens.texts, whole):
        return None
    count, covered = _last(tokens.texts, len(text))
    scored = tokens[-count:]
    return (
        Score(text, scored, covered > len(text))
        if count < len(tokens.texts) and scores.are_undisputed(scored)
        else None
    )


def _last(texts: Sequence[str], size: int) -> tuple[int, int]:
    """Return how many of the last texts it takes for so many characters, and how many they have."""
    count = covered = 0
    for text in reversed(texts):
        count += 1
        covered += len(text)
        if covered >= size:
            break
    return count, covered
