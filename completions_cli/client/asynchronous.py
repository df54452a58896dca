"""The client for programs with many requests in progress."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Self, Unpack, overload

from completions_cli.auth.secret import Sealed
from completions_cli.client.arguments import ClientOptions, CompletionOptions, ScoreOptions
from completions_cli.client.async_caller import AsyncCaller
from completions_cli.client.async_failover import AsyncFailover
from completions_cli.client.base import ServiceClient, wait_listener
from completions_cli.client.completion import Completion, Gathering
from completions_cli.client.configuration import Configuration
from completions_cli.client.keywords import explicit
from completions_cli.client.outgoing import mask_of
from completions_cli.models import Chunk, CompletionRequest, Delta, Finished, Prompt
from completions_cli.scoring.scores import Scores, TextScore


class AsyncClient(ServiceClient):
    """An asynchronous `Client`: any number of calls at a time, over shared connections.

    >>> async def main():
    ...     async with AsyncClient(endpoint, api_key=key) as client:
    ...         calls = [client.complete(f"{number} is", max_tokens=8) for number in range(100)]
    ...         return await asyncio.gather(*calls)
    >>> len(asyncio.run(main()))
    100

    With `pace=True`, calls wait for their turn. The client learns from rate headers and refusals how many requests the
    service accepts and how fast, and a 429 uses up none of a call's retries. A program then needs no rate limiter.

    A cancelled call releases its connection at once. `from_profile` reads files and may run a `key_command`, which
    blocks the event loop.
    """

    def _call_with(self, configured: Sequence[Configuration], options: Sealed[ClientOptions]) -> None:
        on_wait, is_paced = wait_listener(options), bool(options.reveal().get("pace"))
        mask = mask_of(member.credentials for member in configured)
        self._callers = [
            AsyncCaller(
                member.service,
                member.credentials,
                member.connection,
                member.policy,
                on_wait,
                is_paced=is_paced,
                mask=mask,
            )
            for member in configured
        ]
        self._pool = AsyncFailover(self._callers, lambda passed: self._passed(passed, on_wait))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()
        self._close_engine()

    @explicit(CompletionOptions)
    async def complete(self, prompt: Prompt | None = None, **options: Unpack[CompletionOptions]) -> Completion:
        """Complete a prompt, as `Client.complete` does."""
        requests = self._requests(prompt, options, stream=False)
        gathering = Gathering()
        async for event in self._events(requests):
            gathering.take(event)
        return gathering.completion()

    @explicit(CompletionOptions)
    def stream(self, prompt: Prompt | None = None, **options: Unpack[CompletionOptions]) -> "AsyncCompletionStream":
        """Complete a prompt piece by piece, as `Client.stream` does.

        >>> async def main():
        ...     async with AsyncClient(endpoint, api_key=key) as client:
        ...         async with client.stream("Once upon a time", max_tokens=8) as stream:
        ...             async for delta in stream:
        ...                 _ = delta.text
        ...         return stream.completion.finish_reason
        >>> asyncio.run(main())
        'length'
        """
        requests = self._requests(prompt, options, stream=True)
        return AsyncCompletionStream(self._events(requests))

    @overload
    async def score(
        self,
        prompt: str,
        continuations: Sequence[str],
        **options: Unpack[ScoreOptions],
    ) -> Scores: ...

    @overload
    async def score(
        self,
        prompt: str,
        continuations: None = None,
        **options: Unpack[ScoreOptions],
    ) -> TextScore: ...

    @explicit(ScoreOptions)
    async def score(
        self,
        prompt: str,
        continuations: Sequence[str] | None = None,
        **options: Unpack[ScoreOptions],
    ) -> Scores | TextScore:
        """Return what `Client.score` returns."""
        dialogues = self._dialogues(prompt, continuations, options)
        with self._wording():
            return await self._pool.conclude(dialogues)

    async def models(self) -> list[str]:
        """Return the ids of the models that the service lists, as `Client.models` does."""
        with self._wording():
            return (await self._callers[0].models()).ids

    async def _events(self, requests: list[list[CompletionRequest]]) -> AsyncGenerator[Chunk | Finished]:
        with self._wording():
            async with aclosing(self._pool.events(requests)) as events:
                async for event in events:
                    yield event


class AsyncCompletionStream:
    """A streamed answer: iterate over its deltas. As a context manager, it releases the connection."""

    def __init__(self, events: AsyncGenerator[Chunk | Finished]) -> None:
        self._events = events
        self._gathering = Gathering()
        self._deltas = _read(events, self._gathering)

    def __aiter__(self) -> AsyncIterator[Delta]:
        return self._deltas

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def completion(self) -> Completion:
        """The answer so far, which is whole once the iteration has ended."""
        return self._gathering.completion()

    async def close(self) -> None:
        """Stop here: the connection is closed if the answer has not ended."""
        await self._deltas.aclose()
        await self._events.aclose()


async def _read(events: AsyncGenerator[Chunk | Finished], gathering: Gathering) -> AsyncGenerator[Delta]:
    # Without the stream itself, which would make a circle: the collector ends all generators of one at the same time,
    # and those that are being closed by another then fail.
    async for event in events:
        for delta in gathering.take(event):
            yield delta
