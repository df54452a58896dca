"""The instant engine: prose that depends on the seed, the prompt and the parameters alone."""

import hashlib
import random
import re
from collections.abc import AsyncIterator, Iterator

from completions_cli.emulator import tokens
from completions_cli.emulator.call import Call, Delta, Generation, Prompt
from completions_cli.emulator.content_filter import OUTPUT_TRIGGER

# Lengths are log-normal, as measured lengths of answers are: half the texts stay below 60 tokens, and
# about one in twenty is cut by the API's default of 256.
_MEDIAN_TOKENS = 60
_SPREAD = 0.9
_LONGEST = 4096
_PROMPT_WORDS = 64
_FILTERED_AFTER = 5

_VOCABULARY = """
the a of and to in is that it was for on are with as they at be this from have or by one had not but what all
were when we there can an your which their said if do will each about how up out them then she many some so
these would other into has more her two like him see time could no make than first been its who now people my
made over did down only way find use may water long little very after words called just where most know small
café naïve Zürich señor coöperate 東京 Ελλάδα привет 🙂 \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}
"""
_WORDS = re.findall(r"\S+", _VOCABULARY)
_WORD = re.compile(r"\w+")


class EchoEngine:
    """Answers with prose that takes up words of the prompt.

    The k-th copy of one prompt within a call is sample k: packing prompts into one request does not
    change what each is answered, while repeated prompts get different texts.
    """

    model = "echo"

    def __init__(self, seed: int) -> None:
        self._seed = seed

    async def prompt_tokens(self, call: Call) -> int:
        """Count the tokens of all prompts."""
        return sum(tokens.count(prompt) for prompt in call.prompts)

    async def complete(self, call: Call) -> list[Generation]:
        """Answer at once."""
        return self._generations(call)

    async def stream(self, call: Call) -> AsyncIterator[Delta]:
        """Answer token by token, one token of each choice a round."""
        generations = self._generations(call)
        for generation in generations:
            if generation.preface:
                yield Delta(generation.index, 0, generation.preface, 0)
        for step in range(max(len(generation.pieces) for generation in generations) + 1):
            for generation in generations:
                if step < len(generation.pieces):
                    yield Delta(generation.index, step, generation.pieces[step], 1)
                elif step == len(generation.pieces):
                    yield Delta(generation.index, step, "", 0, generation.finish_reason)

    def _generations(self, call: Call) -> list[Generation]:
        seen: dict[Prompt, int] = {}
        generations = []
        for position, prompt in enumerate(call.prompts):
            first = seen.get(prompt, 0)
            seen[prompt] = first + call.samples
            generations += [
                self._generation(call, prompt, first + sample, position * call.samples + sample)
                for sample in range(call.samples)
            ]
        return generations

    def _generation(self, call: Call, prompt: Prompt, sample: int, index: int) -> Generation:
        pieces, finish_reason = _bounded(self._prose(call, prompt, sample), call)
        if isinstance(prompt, str) and OUTPUT_TRIGGER in prompt:
            pieces, finish_reason = pieces[:_FILTERED_AFTER], "content_filter"
        return Generation(index, pieces, finish_reason, _as_text(prompt) if call.echo else "")

    def _prose(self, call: Call, prompt: Prompt, sample: int) -> list[str]:
        """Give the whole text as tokens; limits only ever cut it, so that its start is always the same."""
        chance = random.Random(self._digest(call, prompt, sample))  # noqa: S311 - prose, not a secret
        wanted = min(_LONGEST, max(1, round(chance.lognormvariate(0, _SPREAD) * _MEDIAN_TOKENS)))
        own = _WORD.findall(_as_text(prompt)[-2000:])[-_PROMPT_WORDS:]
        pieces: list[str] = []
        for sentence in _sentences(chance, own):
            pieces += tokens.split(sentence)
            if len(pieces) >= wanted:
                break
        return pieces[:wanted]

    def _digest(self, call: Call, prompt: Prompt, sample: int) -> bytes:
        parameters = (call.temperature, call.top_p, call.frequency_penalty, call.presence_penalty)
        return hashlib.sha256(repr((self._seed, call.seed, prompt, parameters, sample)).encode()).digest()


def _sentences(chance: random.Random, own: list[str]) -> Iterator[str]:
    while True:
        words = [
            chance.choice(own) if own and chance.random() < 0.3 else chance.choice(_WORDS)  # noqa: PLR2004
            for _ in range(chance.randint(4, 14))
        ]
        comma = ", " if chance.random() < 0.3 else " "  # noqa: PLR2004
        middle = len(words) // 2
        end = chance.choice((".", ".", ".", ".", "!", "?", ".\n", ".\n\n"))
        yield f" {' '.join(words[:middle]).capitalize()}{comma}{' '.join(words[middle:])}{end}"


def _bounded(pieces: list[str], call: Call) -> tuple[list[str], str]:
    """Cut a text at `max_tokens` and before the first stop sequence."""
    finish_reason = "length" if len(pieces) >= call.max_tokens else "stop"
    pieces = pieces[: call.max_tokens]
    text = "".join(pieces)
    ends = [at for at in (text.find(sequence) for sequence in call.stop if sequence) if at >= 0]
    return (_cut(pieces, min(ends)), "stop") if ends else (pieces, finish_reason)


def _cut(pieces: list[str], length: int) -> list[str]:
    """Keep the first `length` characters; the token that is cut through stays in part."""
    kept: list[str] = []
    for piece in pieces:
        if length <= 0:
            break
        kept.append(piece[:length])
        length -= len(piece)
    return kept


def _as_text(prompt: Prompt) -> str:
    return prompt if isinstance(prompt, str) else " ".join(f"token{token}" for token in prompt[-_PROMPT_WORDS:])
