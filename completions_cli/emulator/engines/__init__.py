"""What writes the text: the contract that every engine keeps."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from completions_cli.emulator.call import Call, Delta, Generation


class ModelError(Exception):
    """The model refused a call, or failed. `status` is the HTTP status it would have, 502 when it is gone."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Engine(Protocol):
    """A model to answer calls with. Its methods raise ModelError."""

    @property
    def model(self) -> str:
        """The model's name, given back where the request names none."""
        ...

    @property
    def is_instant(self) -> bool:
        """Whether it answers at once, so that nobody need watch for clients that leave meanwhile."""
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
