"""A server with a made-up model, in this process: its figures depend on a token's bytes and on all before it.

What it answers is right in one of the shapes that servers use, or wrong in one of many ways.
"""

import itertools
import math
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from completions_cli.errors import CompletionsError, RejectedError
from completions_cli.models import CompletionRequest

Answer = dict[str, Any]
Wrong = Callable[[Answer, str], Answer]


def figure(before: bytes, token: bytes) -> float:
    """Return the log-probability of a token after some bytes."""
    return -1.0 - (zlib.crc32(before + b"|" + token) % 9000) / 1000


def pieces(text: str, longest: int = 3) -> list[bytes]:
    """Cut a text into tokens, some of them pieces of characters: always in the same way."""
    encoded = text.encode()
    chance = random.Random(17)
    found = []
    while encoded:
        size = chance.randint(1, longest)
        found.append(encoded[:size])
        encoded = encoded[size:]
    return found


def are_characters(tokens: Sequence[bytes]) -> bool:
    """Return whether each token is made of whole characters."""
    return all(not _is_piece(token) for token in tokens)


def _is_piece(token: bytes) -> bool:
    return "\ufffd" in token.decode("utf-8", "replace")


def true_score(prompt: str, continuation: str, longest: int = 3) -> tuple[float, int, bool]:
    """Return the log-probability of a continuation, its number of tokens, and whether the first begins in the prompt."""
    boundary, at, total, count, merged = len(prompt.encode()), 0, 0.0, 0, False
    encoded = (prompt + continuation).encode()
    for piece in pieces(prompt + continuation, longest):
        if at + len(piece) > boundary:
            total += figure(encoded[:at], piece)
            merged |= at < boundary
            count += 1
        at += len(piece)
    return total, count, merged


# How a token looks that may be a piece of a character.


def replaced(tokens: Sequence[bytes]) -> list[str]:
    """Show what is no character as U+FFFD, each token by itself."""
    return [token.decode("utf-8", "replace") for token in tokens]


def spelled(tokens: Sequence[bytes]) -> list[str]:
    r"""Show it as bytes:\xf0\x9f, as OpenAI does."""
    return [_spelled(token) for token in tokens]


def held(tokens: Sequence[bytes]) -> list[str]:
    """Show a token that ends amid a character as nothing, and its text with the token that ends it, as vLLM does."""
    shown, waiting = [], b""
    for token in tokens:
        waiting += token
        try:
            shown.append(waiting.decode())
            waiting = b""
        except UnicodeDecodeError:
            shown.append("")
    return shown


def latin(tokens: Sequence[bytes]) -> list[str]:
    """Show the bytes of what is not whole characters as Latin-1, as SGLang does."""
    return [_in_latin(token) for token in tokens]


def _in_latin(token: bytes) -> str:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return token.decode("latin-1")


def _spelled(token: bytes) -> str:
    try:
        return token.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)


@dataclass
class ModelServer:
    """Answers requests as the server of a base model does."""

    shown: Callable[[Sequence[bytes]], list[str]] = replaced
    wrong: Wrong = lambda answer, _: answer
    has_bos: bool = False
    has_usage: bool = True
    longest: int = 3
    refuses: frozenset[str] = frozenset()
    requests: list[CompletionRequest] = field(default_factory=list)

    def answer(self, request: CompletionRequest) -> Mapping[str, Any]:
        """Answer a request. Raises RejectedError."""
        self.requests.append(request)
        text, generated = request.prompt, request.parameters["max_tokens"]
        assert isinstance(text, str)
        for name in self.refuses:
            if name in request.extra or (name == "max_tokens 0" and generated == 0):
                raise rejected(name)
        if request.extra.get("echo"):
            choice = self._echoed(text, generated)
        elif "prompt_logprobs" in request.extra:
            choice = self._of_prompt(text)
        else:
            choice = {"text": "!" * generated, "finish_reason": "length", "index": 0}
        usage = {"prompt_tokens": len(pieces(text, self.longest)) + self.has_bos, "completion_tokens": generated}
        answer = {"model": "made-up", "choices": [choice], **({"usage": usage} if self.has_usage else {})}
        return self.wrong(answer, text)

    def _echoed(self, text: str, generated: int) -> Answer:
        tokens = pieces(text, self.longest)
        figures = [figure(b"".join(tokens[:at]), token) for at, token in enumerate(tokens)]
        shown = self.shown(tokens)
        tops = [{"zz": value - 1, token: value} for token, value in zip(shown, figures, strict=True)]
        if self.has_bos:
            shown, figures, tops = ["<s>", *shown], [None, *figures], [None, *tops]  # type: ignore[list-item]  # the first token has no figure
        elif figures:
            figures[0] = tops[0] = None  # type: ignore[call-overload]  # the first token has no figure
        logprobs = {
            "tokens": [*shown, *(["!"] * generated)],
            "token_logprobs": [*figures, *([-0.001] * generated)],
            "top_logprobs": [*tops, *([{"!": -0.001}] * generated)],
            "text_offset": [sum(map(len, shown[:at])) for at in range(len(shown) + generated)],
        }
        return {"index": 0, "text": text + "!" * generated, "logprobs": logprobs, "finish_reason": "length"}

    def _of_prompt(self, text: str) -> Answer:
        tokens = pieces(text, self.longest)
        positions: list[Any] = [
            {
                str(zlib.crc32(token)): {
                    "logprob": figure(b"".join(tokens[:at]), token),
                    "rank": 3,
                    "decoded_token": shown,
                }
            }
            for at, (token, shown) in enumerate(zip(tokens, self.shown(tokens), strict=True))
        ]
        positions = [None, *positions] if self.has_bos else [None, *positions[1:]]
        return {"index": 0, "text": "!", "prompt_logprobs": positions, "finish_reason": "length"}


def rejected(name: str) -> CompletionsError:
    """Return the refusal of a parameter."""
    return RejectedError(f"{name} is not supported", status=400, param=name)


def _logprobs(change: Callable[[Answer], Answer]) -> Wrong:
    """Change the log-probabilities of an echo."""

    def changed(answer: Answer, _: str) -> Answer:
        (choice,) = answer["choices"]
        if not choice.get("logprobs"):
            return answer
        return answer | {"choices": [choice | {"logprobs": change(dict(choice["logprobs"]))}]}

    return changed


def _lists(change: Callable[[list[Any]], list[Any]], *names: str) -> Wrong:
    def of(logprobs: Answer) -> Answer:
        return logprobs | {name: change(list(logprobs[name])) for name in names or logprobs}

    return _logprobs(of)


def _at(position: int, value: Any) -> Wrong:
    def put(values: list[Any]) -> list[Any]:
        if values:
            values[position % len(values)] = value
        return values

    return _lists(put, "token_logprobs")


def _generated(text: str, count: int) -> Answer:
    """Return the choice of a server that ignores echo: tokens that it generated, and nothing else."""
    tokens = [piece.decode("utf-8", "replace") for piece in pieces(text)][:count]
    logprobs = {"tokens": tokens, "token_logprobs": [-0.5] * len(tokens), "top_logprobs": None, "text_offset": None}
    return {"index": 0, "text": "".join(tokens), "logprobs": logprobs, "finish_reason": "length"}


def _ignores_echo(answer: Answer, text: str) -> Answer:
    """Generate, of all things, what was asked about, if it is short; a longer text is never repeated by chance."""
    short = text if len(text.encode()) < 24 else "and so on"
    choice = _generated(short, 1000)
    usage = {"prompt_tokens": 9, "completion_tokens": len(choice["logprobs"]["tokens"])}
    return {"model": "made-up", "choices": [choice], **({"usage": usage} if "usage" in answer else {})}


def _turned_round(answer: Answer, text: str) -> Answer:
    """Turn the tokens round, and do not count them: of some texts they may look the same both ways."""
    answer = _lists(lambda values: values[::-1], "tokens")(answer, text)
    return {name: value for name, value in answer.items() if name != "usage"}


def _zeros(logprobs: Answer) -> Answer:
    """Fill in zeros for all that is unknown."""
    tops = [{token: 0.0} for token in logprobs["tokens"]]
    return logprobs | {"token_logprobs": [0.0] * len(tops), "top_logprobs": tops}


def _without_the_token(logprobs: Answer) -> Answer:
    tops = [top and {"zz": min(top.values())} for top in logprobs["top_logprobs"]]
    return logprobs | {"top_logprobs": tops}


def _offsets_in_bytes(logprobs: Answer) -> Answer:
    ends = itertools.accumulate(len(token.encode()) for token in logprobs["tokens"])
    return logprobs | {"text_offset": [0, *ends][:-1]}


def _generates_one(answer: Answer, text: str) -> Answer:
    usage = {"usage": answer["usage"] | {"completion_tokens": 1}} if "usage" in answer else {}
    return answer | {"choices": [_generated(text, 1)]} | usage


WRONG: dict[str, Wrong] = {
    "right": lambda answer, _: answer,
    "offsets shifted": _lists(lambda values: [value + 1 for value in values], "text_offset"),
    "offsets of -1": _lists(lambda values: [-1 for _ in values], "text_offset"),
    "no offsets": _logprobs(lambda logprobs: logprobs | {"text_offset": None}),
    "no likeliest": _logprobs(lambda logprobs: logprobs | {"top_logprobs": None}),
    "likeliest of one": _lists(lambda values: values[:1], "top_logprobs"),
    "first missing": _lists(lambda values: values[1:]),
    "last missing": _lists(lambda values: values[:-1]),
    "middle missing": _lists(lambda values: values[: len(values) // 2] + values[len(values) // 2 + 1 :]),
    "a figure too few": _lists(lambda values: values[1:], "token_logprobs"),
    "a token too few": _lists(lambda values: values[:-1], "tokens"),
    "two tokens joined": _lists(lambda values: ["".join(values[:2]), *values[2:]], "tokens"),
    "all joined": _lists(lambda values: ["".join(values)], "tokens"),
    "null": _at(-1, None),
    "all null": _lists(lambda values: [None for _ in values], "token_logprobs"),
    "NaN": _at(-1, math.nan),
    "positive": _at(-1, 0.7),
    "minus infinity": _at(-1, -math.inf),
    "minus infinity in words": _at(-1, "-Infinity"),
    "minus 9999": _at(-1, -9999.0),
    "a text for a figure": _at(-1, "-1.5"),
    "all zero": _lists(lambda values: [0.0 for _ in values], "token_logprobs"),
    "all zero, with their likeliest": _logprobs(_zeros),
    "figures of other tokens": _lists(lambda values: [value and value - 3 for value in values], "token_logprobs"),
    "figures of the token before": _lists(lambda values: [None, *values[:-1]], "token_logprobs"),
    "figures of the token after": _lists(lambda values: [*values[1:], None], "token_logprobs"),
    "likeliest without the token": _logprobs(_without_the_token),
    "other text": _lists(lambda values: [f"{value}x" for value in values], "tokens"),
    "beginning missing": _lists(lambda values: values[len(values) // 2 :]),
    "another beginning": _lists(lambda values: ["<s>", *values], "tokens"),
    "tokens with all before": _lists(lambda values: ["".join(values[: at + 1]) for at in range(len(values))], "tokens"),
    "spelled as in the vocabulary": _lists(lambda values: [value.replace(" ", "Ġ") for value in values], "tokens"),
    "offsets in bytes": _logprobs(_offsets_in_bytes),
    "stripped": _lists(lambda values: [value.strip() for value in values], "tokens"),
    "turned round": _turned_round,
    "no logprobs": lambda answer, _: answer | {"choices": [{"index": 0, "text": "", "logprobs": None}]},
    "empty logprobs": lambda answer, _: answer | {"choices": [{"index": 0, "text": "", "logprobs": {}}]},
    "no choices": lambda answer, _: answer | {"choices": []},
    "two choices": lambda answer, _: answer | {"choices": answer["choices"] * 2},
    "echo ignored": _ignores_echo,
    "one generated token": _generates_one,
    "the end of the text alone": lambda answer, text: answer | {"choices": [_generated(text[len(text) // 2 :], 999)]},
}

# Seen by what the same answer says of the likeliest tokens, where these can be told from each other.
CONTRADICTED = frozenset({"figures of other tokens", "figures of the token before", "figures of the token after"})
