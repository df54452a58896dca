"""The instant engine: prose that depends on the seed, the prompt and the parameters alone."""

import hashlib
import random
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from completions_cli.emulator import figures, tokens
from completions_cli.emulator.call import Call, Delta, Document, Generation, Prompt
from completions_cli.emulator.content_filter import OUTPUT_TRIGGER

# Lengths are log-normal: half the texts stay below 60 tokens, about one in twenty is cut by the API's default of 256.
_MEDIAN_TOKENS = 60
_SPREAD = 0.9
_LONGEST = 4096
_PROMPT_WORDS = 64
_PROMPT_TAIL = 2000
_FILTERED_AFTER = 5
_SENTENCES = 512

_VOCABULARY = """
the a of and to in is that it was for on are with as they at be this from have or by one had not but what all
were when we there can an your which their said if do will each about how up out them then she many some so
these would other into has more her two like him see time could no make than first been its who now people my
made over did down only way find use may water long little very after words called just where most know small
café naïve Zürich señor coöperate 東京 Ελλάδα привет 🙂 \N{WOMAN}\N{ZERO WIDTH JOINER}\N{ROCKET}
"""
_ENDS = (".", ".", ".", ".", "!", "?", ".\n", ".\n\n")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class _Telling:
    """One choice: the prompt as text, the tokens, why they end, and how many others were not taken."""

    index: int
    prompt: str
    pieces: list[str]
    reason: str
    discarded: int = 0


class EchoEngine:
    """Answers with prose that takes up words of the prompt.

    The k-th copy of one prompt within a call is sample k: packing prompts into one request does not
    change what each is answered, while repeated prompts get different texts.
    """

    model = "echo"
    is_instant = True

    def __init__(self, seed: int) -> None:
        self._seed = seed
        # Made once: an answer only chooses among them, so that thousands of requests a second cost little.
        self._sentences = _sentences()

    async def prompt_tokens(self, call: Call) -> int:
        """Count the tokens of all prompts."""
        return sum(tokens.count(prompt) for prompt in call.prompts)

    async def complete(self, call: Call) -> list[Generation]:
        """Answer at once."""
        return [_generation(call, telling) for telling in self._tellings(call)]

    async def stream(self, call: Call) -> AsyncIterator[Delta]:
        """Answer token by token, one token of each choice a round."""
        tellings = self._tellings(call)
        for telling in tellings:
            if call.echo and telling.prompt:
                yield Delta(telling.index, 0, telling.prompt, 0, None, _prompt_figures(call, telling.prompt))
        figures = [_figures(call, telling) for telling in tellings]
        for step in range(max(len(telling.pieces) for telling in tellings) + 1):
            for telling, figured in zip(tellings, figures, strict=True):
                if step < len(telling.pieces):
                    yield Delta(telling.index, step, telling.pieces[step], 1, None, figured[step] if figured else None)
                elif step == len(telling.pieces):
                    yield Delta(telling.index, step, "", 0, telling.reason)

    def _tellings(self, call: Call) -> list[_Telling]:
        seen: dict[Prompt, int] = {}
        tellings: list[_Telling] = []
        for prompt in call.prompts:
            sample = seen.get(prompt, 0)
            seen[prompt] = sample + call.texts
            told = [self._telling(call, prompt, sample + more) for more in range(call.texts)]
            tellings += [replace(each, index=len(tellings) + at) for at, each in enumerate(_best(told, call.samples))]
        return tellings

    def _telling(self, call: Call, prompt: Prompt, sample: int) -> _Telling:
        chance = random.Random(self._draw(call, prompt, sample))  # noqa: S311 - prose, not a secret
        wanted = min(_LONGEST, max(1, round(chance.lognormvariate(0, _SPREAD) * _MEDIAN_TOKENS)))
        pieces = self._prose(chance, prompt, min(wanted, call.max_tokens))
        reason = "length" if wanted >= call.max_tokens else "stop"
        if (end := _stop_at(pieces, call.stop)) is not None:
            pieces, reason = _cut(pieces, end), "stop"
        if isinstance(prompt, str) and OUTPUT_TRIGGER in prompt:
            pieces, reason = pieces[:_FILTERED_AFTER], "content_filter"
        return _Telling(0, _as_text(prompt), pieces, reason)

    def _prose(self, chance: random.Random, prompt: Prompt, length: int) -> list[str]:
        """Return the first tokens of a text; a longer one begins with the same."""
        own = _WORD.findall(_as_text(prompt[-_PROMPT_TAIL:]))[-_PROMPT_WORDS:]
        pieces: list[str] = []
        while len(pieces) < length:
            if own:
                word = own[int(chance.random() * len(own))]
                pieces += tokens.split(f" {word[0].upper()}{word[1:]},")
            pieces += self._sentences[int(chance.random() * _SENTENCES)]
        return pieces[:length]

    def _draw(self, call: Call, prompt: Prompt, sample: int) -> int:
        """Make a seed of all that the text depends on; limits are not part of it, as they only cut."""
        parameters = (call.temperature, call.top_p, call.frequency_penalty, call.presence_penalty)
        parts = repr((self._seed, call.seed, prompt, parameters, sample)).encode()
        return int.from_bytes(hashlib.sha256(parts).digest()[:8])


def _sentences() -> list[list[str]]:
    """Make a stock of sentences, each as its tokens."""
    chance = random.Random("sentences")  # noqa: S311 - prose, not a secret
    words = _VOCABULARY.split()
    return [
        tokens.split(f" {' '.join(chance.choices(words, k=chance.randint(4, 14)))}{chance.choice(_ENDS)}")
        for _ in range(_SENTENCES)
    ]


def _stop_at(pieces: list[str], sequences: Sequence[str]) -> int | None:
    """Find where the first stop sequence begins in a text."""
    if not sequences:
        return None
    text = "".join(pieces)
    return min((at for at in (text.find(sequence) for sequence in sequences if sequence) if at >= 0), default=None)


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
    return prompt if isinstance(prompt, str) else " ".join(f"token{token}" for token in prompt)


def _best(tellings: list[_Telling], count: int) -> list[_Telling]:
    """Keep the texts whose tokens are likeliest on average, in the order in which they were drawn."""
    if len(tellings) == count:
        return tellings
    order = sorted(range(len(tellings)), key=lambda at: -figures.mean(tellings[at].pieces, tellings[at].prompt))
    kept = sorted(order[:count])
    first, *others = [tellings[at] for at in kept]
    return [replace(first, discarded=sum(len(tellings[at].pieces) for at in order[count:])), *others]


def _generation(call: Call, telling: _Telling) -> Generation:
    text = "".join(telling.pieces)
    return Generation(
        telling.index,
        telling.prompt + text if call.echo else text,
        len(telling.pieces),
        telling.reason,
        _whole_figures(call, telling),
        telling.discarded,
    )


def _whole_figures(call: Call, telling: _Telling) -> Document | None:
    if call.logprobs is None:
        return None
    figured = figures.figure(telling.pieces, telling.prompt, call.logprobs)
    if not call.echo:
        return figures.document(figured, len(telling.prompt), call.logprobs)
    return figures.document(_of_prompt(call.logprobs, telling.prompt) + figured, 0, call.logprobs)


def _figures(call: Call, telling: _Telling) -> list[Document] | None:
    """Return the figures of each token on its own, as a stream has them."""
    if call.logprobs is None:
        return None
    offset, parts = len(telling.prompt), []
    for each in figures.figure(telling.pieces, telling.prompt, call.logprobs):
        parts.append(figures.document([each], offset, call.logprobs))
        offset += len(each.token)
    return parts


def _prompt_figures(call: Call, prompt: str) -> Document | None:
    return None if call.logprobs is None else figures.document(_of_prompt(call.logprobs, prompt), 0, call.logprobs)


def _of_prompt(top: int, prompt: str) -> list[figures.Figured]:
    return figures.figure(tokens.split(prompt), "", top)
