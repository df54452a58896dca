"""Calls to the first member of a pool that answers, many at a time: what `failover` does, awaited."""

import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from completions_cli.client.async_caller import AsyncCaller
from completions_cli.client.turns import Order, Passed, shows
from completions_cli.errors import CompletionsError
from completions_cli.models import Chunk, CompletionRequest, Finished


class AsyncFailover:
    """`Failover`, awaited."""

    def __init__(self, callers: Sequence[AsyncCaller], on_pass: Callable[[Passed], None]) -> None:
        self._callers = callers
        self._on_pass = on_pass
        self._order = Order(len(callers))

    async def close(self) -> None:
        """Close the connections of all members."""
        for caller in self._callers:
            await caller.close()

    async def events(self, requests: Sequence[Sequence[CompletionRequest]]) -> AsyncGenerator[Chunk | Finished]:
        """Yield what `Failover.events` yields, as it arrives."""
        turns, began = self._order.turns(), time.monotonic()
        while True:
            member, has_text = turns.member, False
            asked, spent = requests[member], time.monotonic() - began
            try:
                answer = self._callers[member].events(*asked, is_patient=turns.is_patient, spent=spent)
                async with aclosing(answer) as events:
                    async for event in events:
                        has_text = has_text or shows(event)
                        yield event
            except CompletionsError as error:
                self._order.failed(member)
                turns.after(error, has_text=has_text)
                self._on_pass(Passed(member, error, turns.member))
            else:
                return
