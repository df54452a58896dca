"""Text completions from the Azure AI Foundry model-inference API.

>>> from completions_cli import Client
>>> with Client(endpoint, api_key=key) as client:
...     completion = client.complete("Once upon a time", max_tokens=8)
>>> completion.usage.completion_tokens
8
"""

from completions_cli.version import __version__

TYPE_CHECKING = False  # what `typing` calls so is the same to type checkers, and costs its import
if TYPE_CHECKING:
    from completions_cli.auth.given_credential import TokenCredential
    from completions_cli.client.arguments import ClientOptions, CompletionOptions
    from completions_cli.client.asynchronous import AsyncClient, AsyncCompletionStream
    from completions_cli.client.attempts import Wait
    from completions_cli.client.completion import Choice, Completion
    from completions_cli.client.sync import Client, CompletionStream
    from completions_cli.errors import (
        AuthError,
        CompletionsError,
        ConfigError,
        ContentFilterError,
        LogprobsError,
        MalformedResponseError,
        NetworkError,
        NotFoundError,
        RateLimitError,
        RejectedError,
        RequestTimeoutError,
        ServerError,
        ServiceError,
        ServiceTimeoutError,
        UsageError,
    )
    from completions_cli.models import Delta, Prompt, Usage
    from completions_cli.scoring.scores import Score, Scores, TextScore

__all__ = [
    "AsyncClient",
    "AsyncCompletionStream",
    "AuthError",
    "Choice",
    "Client",
    "ClientOptions",
    "Completion",
    "CompletionOptions",
    "CompletionStream",
    "CompletionsError",
    "ConfigError",
    "ContentFilterError",
    "Delta",
    "LogprobsError",
    "MalformedResponseError",
    "NetworkError",
    "NotFoundError",
    "Prompt",
    "RateLimitError",
    "RejectedError",
    "RequestTimeoutError",
    "Score",
    "Scores",
    "ServerError",
    "ServiceError",
    "ServiceTimeoutError",
    "TextScore",
    "TokenCredential",
    "Usage",
    "UsageError",
    "Wait",
    "__version__",
]

# Where the names live that are not errors: the command starts without loading them.
_HOMES = {
    "AsyncClient": "client.asynchronous",
    "AsyncCompletionStream": "client.asynchronous",
    "Choice": "client.completion",
    "Client": "client.sync",
    "ClientOptions": "client.arguments",
    "Completion": "client.completion",
    "CompletionOptions": "client.arguments",
    "CompletionStream": "client.sync",
    "Delta": "models",
    "Prompt": "models",
    "Score": "scoring.scores",
    "Scores": "scoring.scores",
    "TextScore": "scoring.scores",
    "TokenCredential": "auth.given_credential",
    "Usage": "models",
    "Wait": "client.attempts",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
