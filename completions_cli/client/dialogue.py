"""Runs a score: sends the requests of its steps, one after another, and hands the answers back."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from completions_cli.errors import MisfitError, ServiceError
from completions_cli.models import CompletionRequest, Json
from completions_cli.scoring.steps import Steps

_Scored = TypeVar("_Scored")


def conclude(steps: Steps[_Scored], answer: Callable[[CompletionRequest], Mapping[str, Json]]) -> _Scored:
    """Run steps to their end and return the result. Raises what they and `answer` raise."""
    try:
        request = next(steps)
        while True:
            try:
                found = answer(request)
            except (ServiceError, MisfitError) as error:
                request = steps.throw(error)
            else:
                request = steps.send(found)
    except StopIteration as end:
        result: _Scored = end.value
        return result


async def concluded(
    steps: Steps[_Scored], answer: Callable[[CompletionRequest], Awaitable[Mapping[str, Json]]]
) -> _Scored:
    """Do what `conclude` does, awaiting each answer."""
    try:
        request = next(steps)
        while True:
            try:
                found = await answer(request)
            except (ServiceError, MisfitError) as error:
                request = steps.throw(error)
            else:
                request = steps.send(found)
    except StopIteration as end:
        result: _Scored = end.value
        return result
