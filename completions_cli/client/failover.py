"""Calls to the first member of a pool that answers. One profile is a pool of one."""

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeVar

from completions_cli.client import dialogue
from completions_cli.client.caller import Caller
from completions_cli.client.search import Order, Passed, shows
from completions_cli.errors import CompletionsError
from completions_cli.models import Chunk, CompletionRequest, Finished, Json
from completions_cli.scoring.steps import Steps

_Scored = TypeVar("_Scored")


class Failover:
    """Asks the `count` members of a pool in turn. `caller_of` opens the caller of one when it is needed."""

    def __init__(self, count: int, caller_of: Callable[[int], Caller], on_pass: Callable[[Passed], None]) -> None:
        self.caller_of = caller_of
        self._order = Order(count, on_pass)

    def events(self, requests: Sequence[Sequence[CompletionRequest]]) -> Generator[Chunk | Finished]:
        """Yield what `Caller.events` yields, of the first member that answers; `requests` are what each is asked."""
        search, began = self._order.search(), time.monotonic()
        while True:
            member, has_text = search.member, False
            asked, spent = requests[member], time.monotonic() - began
            try:
                for event in self.caller_of(member).events(*asked, is_patient=search.is_patient, spent=spent):
                    has_text = has_text or shows(event)
                    yield event
            except CompletionsError as error:
                self._order.failed(search, error, has_text=has_text)
            else:
                return

    def conclude(self, dialogues: Sequence[Callable[[], Steps[_Scored]]]) -> _Scored:
        """Return the result of the first member that answers; `dialogues` begin what each is asked."""
        search, began = self._order.search(), time.monotonic()
        while True:
            member = search.member
            answer = _answering(self.caller_of(member), is_patient=search.is_patient, began=began)
            try:
                return dialogue.conclude(dialogues[member](), answer)
            except CompletionsError as error:
                self._order.failed(search, error)


def _answering(caller: Caller, *, is_patient: bool, began: float) -> Callable[[CompletionRequest], Mapping[str, Json]]:
    """Return what answers the requests of one call, which began at a time: they share its deadline."""
    return lambda request: caller.answer(request, is_patient=is_patient, spent=time.monotonic() - began)
