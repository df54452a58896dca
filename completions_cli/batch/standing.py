"""A summary of an output for people, of a file or of a folder of parts."""

from collections import Counter
from collections.abc import Mapping
from typing import Protocol


class Standing(Protocol):
    """Rows in an output, counted. `examples` has one failure of some kinds: its row and its message."""

    @property
    def failed(self) -> Counter[str]:
        """How many rows failed, by kind."""

    @property
    def worth_retrying(self) -> int:
        """How many of them in a way that may pass."""

    @property
    def models(self) -> Counter[str]:
        """How many rows each model answered."""

    @property
    def profiles(self) -> Counter[str]:
        """How many rows each profile answered."""

    @property
    def finish_reasons(self) -> Counter[str]:
        """How many answers ended for each reason."""

    @property
    def ignored(self) -> Counter[str]:
        """In how many answers the server ignored a parameter, by its name."""

    @property
    def examples(self) -> Mapping[str, tuple[int, str]]:
        """One failure of a kind."""
