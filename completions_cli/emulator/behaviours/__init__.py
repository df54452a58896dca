"""The back ends that can be played, and the contract each keeps."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from completions_cli.emulator.call import Call, Document, Usage
from completions_cli.emulator.config import LimitHeader
from completions_cli.emulator.reply import Reply


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body. Header names are in lower case; `query` keeps each name's first value."""

    method: str
    path: str
    query: Mapping[str, str]
    query_string: str
    headers: Mapping[str, str]
    path_deployment: str | None = None

    @property
    def bearer(self) -> str:
        """The token of the Authorization header; empty when there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


# Each chunk with the usage beside the last one.
Chunks = AsyncIterator[tuple[Document, Usage | None]]


class Behaviour(Protocol):
    """One back end: what it accepts, how it refuses, what its answers look like."""

    paths: tuple[str, ...]
    redirects_slash: bool
    limit_headers: frozenset[LimitHeader]

    @property
    def models(self) -> tuple[str, ...]:
        """The models that can be named."""
        ...

    def check_key(self, head: Head) -> None:
        """Check who is asking: raises RefusalError."""
        ...

    def admit(self, head: Head) -> None:
        """Check everything before the body: raises RefusalError."""
        ...

    def read(self, head: Head, body: bytes) -> Call:
        """Check the body and fill in the defaults: raises RefusalError."""
        ...

    def too_many(self, wait: float) -> Reply:
        """Return the refusal for a limit that lasts so many seconds."""
        ...

    def model_error(self, status: int, message: str) -> Reply:
        """Return the answer for a model that refused or failed."""
        ...

    def elsewhere(self, head: Head) -> Reply:
        """Answer on any path that is not one of `paths`."""
        ...

    def wrong_method(self, head: Head) -> Reply:
        """Return the answer for a path that is served with other methods."""
        ...

    def dress(self, call: Call, document: Document) -> Document:
        """Add what this back end's whole answers have beyond the reference."""
        ...

    def dress_stream(self, call: Call, chunks: Chunks) -> AsyncIterator[Document]:
        """Make of the chunks what this back end streams."""
        ...
