"""Calls to the first member of a pool that answers, many at a time: what `failover` does, awaited."""

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TypeVar

from completions_cli.client import dialogue
from completions_cli.client.async_caller import AsyncCaller
from completions_cli.client.search import Order, Passed, shows
from completions_cli.errors import CompletionsError
from completions_cli.models import Chunk, CompletionRequest, Finished, Json
from completions_cli.scoring.steps import Steps

_Scored = TypeVar("_Scored")


class AsyncFailover:
    """`Failover`, awaited."""

    def __init__(self, callers: Sequence[AsyncCaller], on_pass: Callable[[Passed], None]) -> None:
        self._callers = callers
        self._order = Order(len(callers), on_pass)

    async def close(self) -> None:
        """Close the connections of all members."""
        for caller in self._callers:
            await caller.close()

    async def events(self, requests: Sequence[Sequence[CompletionRequest]]) -> AsyncGenerator[Chunk | Finished]:
        """Yield what `Failover.events` yields, as it arrives."""
        search, began = self._order.search(), time.monotonic()
        while True:
            member, has_text = search.member, False
            asked, spent = requests[member], time.monotonic() - began
            try:
                answer = self._callers[member].events(*asked, is_patient=search.is_patient, spent=spent)
                async with aclosing(answer) as events:
                    async for event in events:
                        has_text = has_text or shows(event)
                        yield event
            except CompletionsError as error:
                self._order.failed(search, error, has_text=has_text)
            else:
                return

    async def conclude(self, dialogues: Sequence[Callable[[], Steps[_Scored]]]) -> _Scored:
        """Return the result of the first member that answers; `dialogues` begin what each is asked."""
        search, began = self._order.search(), time.monotonic()
        while True:
            member = search.member
            answer = _answering(self._callers[member], is_patient=search.is_patient, began=began)
            try:
                return await dialogue.concluded(dialogues[member](), answer)
            except CompletionsError as error:
                self._order.failed(search, error)


def _answering(
    caller: AsyncCaller, *, is_patient: bool, began: float
) -> Callable[[CompletionRequest], Awaitable[Mapping[str, Json]]]:
    """Return what answers the requests of one call, which began at a time: they share its deadline."""
    return lambda request: caller.answer(request, is_patient=is_patient, spent=time.monotonic() - began)
