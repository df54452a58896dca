"""Errors without the secrets that a server, or something on the way, put into its answer."""

from collections.abc import Collection
from typing import TypeVar

from completions_cli.api import headers
from completions_cli.errors import CompletionsError, ServiceError

# The parts of an error that may quote a server.
_SERVERS_WORDS = ("message", "hint", "code", "param", "request_id", "detail")

_Error = TypeVar("_Error", bound=CompletionsError)


def masked(error: _Error, secrets: Collection[str]) -> _Error:
    """Black out secrets in an error's texts; it is the same error afterwards."""
    for name in _SERVERS_WORDS:
        text = getattr(error, name, None)
        if isinstance(text, str):
            setattr(error, name, headers.mask(text, secrets))
    error.args = (error.message,)  # which `repr` shows
    if isinstance(error, ServiceError):
        error.loc = tuple(headers.mask(part, secrets) for part in error.loc)
    return error
