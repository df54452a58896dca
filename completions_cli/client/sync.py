"""The client for programs that wait for each answer."""

from collections.abc import Generator, Iterator, Sequence
from types import TracebackType
from typing import Self, Unpack, overload

from completions_cli.auth.secret import Sealed
from completions_cli.client.arguments import ClientOptions, CompletionOptions, ScoreOptions
from completions_cli.client.base import ServiceClient, wait_listener
from completions_cli.client.caller import Caller
from completions_cli.client.completion import Completion, Gathering
from completions_cli.client.configuration import Configuration
from completions_cli.client.failover import Failover
from completions_cli.client.keywords import explicit
from completions_cli.client.outgoing import mask_of
from completions_cli.errors import UsageError
from completions_cli.models import Chunk, CompletionRequest, Delta, Finished, Prompt
from completions_cli.scoring.scores import Scores, TextScore


class Client(ServiceClient):
    """Completions from one service. Threads may share it. Close it, or use it as a context manager.

    It uses only its arguments, and the proxies and certificates of the environment. `from_profile` uses profiles,
    variables and stored keys, as the command does.

    >>> with Client(endpoint, api_key=key) as client:
    ...     print(client.complete("Once upon a time", max_tokens=8).finish_reason)
    length

    Raises the errors of `completions_cli.errors`: UsageError and ConfigError before anything is sent,
    the others when a request fails.
    """

    def _call_with(self, configured: Sequence[Configuration], options: Sealed[ClientOptions]) -> None:
        if options.reveal().get("pace"):
            raise UsageError("Client makes one call at a time and has no pace", hint="Use AsyncClient(…, pace=True).")
        on_wait, mask = wait_listener(options), mask_of(member.credentials for member in configured)
        self._callers = [
            Caller(member.service, member.credentials, member.connection, member.policy, on_wait=on_wait, mask=mask)
            for member in configured
        ]
        self._pool = Failover(len(configured), self._callers.__getitem__, lambda passed: self._passed(passed, on_wait))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for caller in self._callers:
            caller.close()
        self._close_engine()

    @explicit(CompletionOptions)
    def complete(self, prompt: Prompt | None = None, **options: Unpack[CompletionOptions]) -> Completion:
        """Complete a prompt: a string, tokens, or an array of either, which gives a choice for each.

        >>> completion = client.complete(["Red", "Green"], max_tokens=4, temperature=0)
        >>> [choice.index for choice in completion.choices]
        [0, 1]
        """
        requests = self._requests(prompt, options, stream=False)
        gathering = Gathering()
        for event in self._events(requests):
            gathering.take(event)
        return gathering.completion()

    @explicit(CompletionOptions)
    def stream(self, prompt: Prompt | None = None, **options: Unpack[CompletionOptions]) -> "CompletionStream":
        """Complete a prompt piece by piece, as the text is generated. The request is sent when iteration starts.

        >>> with client.stream("Once upon a time", max_tokens=8) as stream:
        ...     text = "".join(delta.text for delta in stream)
        >>> text == stream.completion.text
        True
        """
        requests = self._requests(prompt, options, stream=True)
        return CompletionStream(self._events(requests))

    @overload
    def score(
        self,
        prompt: str,
        continuations: Sequence[str],
        **options: Unpack[ScoreOptions],
    ) -> Scores: ...

    @overload
    def score(
        self,
        prompt: str,
        continuations: None = None,
        **options: Unpack[ScoreOptions],
    ) -> TextScore: ...

    @explicit(ScoreOptions)
    def score(
        self,
        prompt: str,
        continuations: Sequence[str] | None = None,
        **options: Unpack[ScoreOptions],
    ) -> Scores | TextScore:
        """Return how likely the model finds continuations of a prompt or, without any, the text itself.

        Nothing is stripped or put between prompt and continuation. Raises LogprobsError if the server does not return
        log-probabilities.

        >>> scores = client.score("Red and", [" green", " blue"])
        >>> [score.token_count for score in scores.continuations]
        [1, 1]
        >>> client.score("Once upon a time").perplexity > 1
        True
        """
        dialogues = self._dialogues(prompt, continuations, options)
        with self._wording():
            return self._pool.conclude(dialogues)

    def models(self) -> list[str]:
        """Return the ids of the models that the service lists (for a pool, its first member).

        >>> client.models()
        ['echo']
        """
        with self._wording():
            return self._callers[0].models().ids

    def _events(self, requests: list[list[CompletionRequest]]) -> Generator[Chunk | Finished]:
        with self._wording():
            yield from self._pool.events(requests)


class CompletionStream:
    """A streamed answer: iterate over its deltas. As a context manager, it releases the connection."""

    def __init__(self, events: Generator[Chunk | Finished]) -> None:
        self._events = events
        self._gathering = Gathering()
        self._deltas = self._read()

    def __iter__(self) -> Iterator[Delta]:
        return self._deltas

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @property
    def completion(self) -> Completion:
        """The answer so far, which is whole once the iteration has ended."""
        return self._gathering.completion()

    def close(self) -> None:
        """Stop here: the connection is closed if the answer has not ended."""
        self._deltas.close()
        self._events.close()

    def _read(self) -> Generator[Delta]:
        for event in self._events:
            yield from self._gathering.take(event)
