"""How many tokens a request will use: guessed from its length, then from what answers turned out to use."""

import math
from collections.abc import Iterable

from completions_cli.models import CompletionRequest, Prompt, Usage

_BYTES_A_TOKEN = 4.0  # of English text, until answers tell
_UNSAID = 16.0  # what many servers generate at most when the request does not say
_WEIGHT = 0.05  # of the newest answer in the running means


class UsageEstimate:
    """Learns bytes a prompt token and tokens a text; `n` and `best_of` ask for several texts a prompt."""

    def __init__(self) -> None:
        self._bytes_a_token = _BYTES_A_TOKEN
        self._completion: float | None = None

    def of(self, request: CompletionRequest) -> tuple[float, float]:
        """Guess the tokens of a request, its completions included: about how many, and at worst."""
        prompt, most = self.split(request)
        if self._completion is None:
            return prompt + most, prompt + most
        return prompt + min(self._completion * request.generation_count, most), prompt + most

    def split(self, request: CompletionRequest) -> tuple[float, float]:
        """Guess the tokens of a request: those of its prompts, and those of its completions at worst."""
        allowed = request.parameters.get("max_tokens")
        most = float(allowed) if isinstance(allowed, int) else max(_UNSAID, self._completion or 0.0)
        return self._prompt(request.prompt), most * request.generation_count

    def learn(self, request: CompletionRequest, usage: Usage | None) -> float | None:
        """Record the tokens an answer used and return their total, None when it does not say."""
        if usage is None:
            return None
        if usage.completion_tokens is not None:
            each = usage.completion_tokens / request.generation_count
            known = self._completion
            self._completion = each if known is None else known + (each - known) * _WEIGHT
        if usage.prompt_tokens:
            size = _size(request.prompt)
            if size is not None:
                self._bytes_a_token += (size / usage.prompt_tokens - self._bytes_a_token) * _WEIGHT
        if usage.total_tokens is not None:
            return float(usage.total_tokens)
        return float((usage.prompt_tokens or 0) + (usage.completion_tokens or 0))

    def _prompt(self, prompt: Prompt | None) -> float:
        size = _size(prompt)
        if size is not None:
            return size / max(0.5, self._bytes_a_token) + 1
        return float(sum(len(part) if isinstance(part, list) else 1 for part in prompt or ()))


def guessed(request: CompletionRequest, texts: Iterable[str]) -> Usage:
    """Return about what an answer of these texts has used, for a server that does not say."""
    prompt, most = UsageEstimate().split(request)
    size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    completion = math.ceil(size / _BYTES_A_TOKEN)
    if "max_tokens" in request.parameters:
        completion = min(completion, int(most))
    return Usage(int(prompt), completion, int(prompt) + completion)


def _size(prompt: Prompt | None) -> int | None:
    """Return the length of a prompt that is text; None for tokens."""
    if isinstance(prompt, str):
        return len(prompt)
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], str):
        return sum(len(part) for part in prompt)
    return None
