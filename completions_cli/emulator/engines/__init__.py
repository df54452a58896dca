"""What writes the text: the contract that every engine keeps."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from completions_cli.emulator.call import Call, Delta, Generation


class Engine(Protocol):
    """A model to answer calls with."""

    @property
    def model(self) -> str:
        """The model's name, given back where the request names none."""
        ...

    async def prompt_tokens(self, call: Call) -> int:
        """Count the tokens of all prompts of a call."""
        ...

    async def complete(self, call: Call) -> Sequence[Generation]:
        """Answer a call as a whole: one generation a choice, by index."""
        ...

    def stream(self, call: Call) -> AsyncIterator[Delta]:
        """Answer a call token by token, the choices interleaved."""
        ...
