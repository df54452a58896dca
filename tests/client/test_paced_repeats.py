"""Paced calls say which of their attempts were sent before: refusals of first attempts are no limit."""

import asyncio

import pytest

from completions_cli import RateLimitError
from completions_cli.client.pacer import Pacer
from completions_cli.models import CompletionRequest

REQUEST = CompletionRequest("one is")
CALLS = 40


async def turns_at_once(refused_attempts: int) -> int:
    """Make calls of which only so many attempts are refused, then return how many more may go in one moment."""
    now = 0.0
    pacer = Pacer(60.0, clock=lambda: now)
    for _ in range(CALLS):
        call = pacer.call(REQUEST)
        for attempt in range(refused_attempts + 1):
            now += 30.0
            turn = await call.turn(None)
            if attempt < refused_attempts:
                turn.failed(RateLimitError("full", status=429))
            else:
                turn.answered(None)
    for count in range(CALLS):
        try:
            await pacer.call(REQUEST).turn(0.0)
        except TimeoutError:
            return count
    return CALLS


@pytest.mark.parametrize(("refused_attempts", "at_once"), [(0, True), (1, True), (2, False)])
def test_only_refused_first_attempts_leave_the_pace_alone(refused_attempts: int, at_once: bool) -> None:
    assert (asyncio.run(turns_at_once(refused_attempts)) >= 16) is at_once
