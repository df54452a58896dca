"""What a check of the configuration found."""

from dataclasses import dataclass

from completions_cli.errors import CompletionsError


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check. `error` is what a call would have failed with.

    The state of a check is ok, note, failed or skipped, that of a parameter kept, ignored, refused or unclear.
    """

    check: str
    state: str
    message: str
    error: CompletionsError | None = None
    quotes_server: bool = False


def failed(check: str, error: CompletionsError) -> Finding:
    """Make the finding of a check that failed."""
    return Finding(check, "failed", error.message, error)
