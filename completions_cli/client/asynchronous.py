"""The client for programs that have many requests under way."""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Never, Self, overload

from completions_cli.client import pool_mask
from completions_cli.client.arguments import ClientOptions
from completions_cli.client.async_caller import AsyncCaller
from completions_cli.client.async_failover import AsyncFailover
from completions_cli.client.base import ServiceClient, told
from completions_cli.client.completion import Completion, Gathering
from completions_cli.client.configuration import Configuration
from completions_cli.client.keywords import explicit
from completions_cli.models import Chunk, CompletionRequest, Delta, Finished, Json, Prompt
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

    def _call_with(self, configured: Sequence[Configuration], options: ClientOptions) -> None:
        on_wait, is_paced = told(options), bool(options.get("pace"))
        mask = pool_mask.of(member.credentials for member in configured)
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

    @explicit
    async def complete(  # noqa: PLR0913 - each may be given by name
        self,
        prompt: Prompt | None = None,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        model: str | None = None,
        suffix: str | None = None,
        extra: Mapping[str, Json] | None = None,
        samples: int = 1,
        unset: Collection[str] = (),
        **unknown: Never,
    ) -> Completion:
        """Complete a prompt, as `Client.complete` does."""
        requests = self._requests(locals(), stream=False)
        gathering = Gathering()
        async for event in self._events(requests):
            gathering.take(event)
        return gathering.completion()

    @explicit
    def stream(  # noqa: PLR0913 - each may be given by name
        self,
        prompt: Prompt | None = None,
        *,
        max_tokens: int | None = None,
        temperature: float | None = None,
        top_p: float | None = None,
        stop: str | Sequence[str] | None = None,
        seed: int | None = None,
        frequency_penalty: float | None = None,
        presence_penalty: float | None = None,
        model: str | None = None,
        suffix: str | None = None,
        extra: Mapping[str, Json] | None = None,
        samples: int = 1,
        unset: Collection[str] = (),
        **unknown: Never,
    ) -> "AsyncCompletionStream":
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
        requests = self._requests(locals(), stream=True)
        return AsyncCompletionStream(self._events(requests))

    @overload
    async def score(
        self,
        prompt: str,
        continuations: Sequence[str],
        *,
        model: str | None = None,
        extra: Mapping[str, Json] | None = None,
        unset: Collection[str] = (),
    ) -> Scores: ...

    @overload
    async def score(
        self,
        prompt: str,
        continuations: None = None,
        *,
        model: str | None = None,
        extra: Mapping[str, Json] | None = None,
        unset: Collection[str] = (),
    ) -> TextScore: ...

    @explicit
    async def score(
        self,
        prompt: str,
        continuations: Sequence[str] | None = None,
        *,
        model: str | None = None,
        extra: Mapping[str, Json] | None = None,
        unset: Collection[str] = (),
        **unknown: Never,
    ) -> Scores | TextScore:
        """Return what `Client.score` returns."""
        dialogues = self._dialogues(locals())
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
        """All that has come so far, which is the whole answer once the iteration has ended."""
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
