"""The response object and its chunks, as the API reference's CreateCompletionResponse has them."""

from collections.abc import Sequence
from dataclasses import dataclass

from completions_cli.emulator.call import Delta, Document, Generation, Usage


@dataclass(frozen=True, slots=True)
class Identity:
    """What all chunks of one answer share. `created` is Unix time in seconds."""

    id: str
    model: str
    created: int
    system_fingerprint: str

    def frame(self, choices: list[Document]) -> Document:
        """Wrap choices."""
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.system_fingerprint,
            "choices": choices,
        }


def whole(identity: Identity, generations: Sequence[Generation], usage: Usage) -> Document:
    """Return the answer as one document."""
    choices: list[Document] = [
        _choice(generation.index, generation.finish_reason, generation.text, generation.logprobs)
        for generation in generations
    ]
    return identity.frame(choices) | {"usage": usage.document()}


def chunk(identity: Identity, delta: Delta) -> Document:
    """Return one step of the answer; it has the shape of the whole."""
    return identity.frame([_choice(delta.index, delta.finish_reason, delta.text, delta.logprobs)])


def _choice(index: int, finish_reason: str | None, text: str, logprobs: Document | None) -> Document:
    choice: Document = {"index": index, "finish_reason": finish_reason, "text": text}
    return choice | {"logprobs": logprobs} if logprobs is not None else choice
