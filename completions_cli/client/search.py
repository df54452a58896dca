"""Which of several members is asked, and which next when one cannot answer. No I/O: failures come in as values."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from completions_cli.api import blame
from completions_cli.errors import CompletionsError, NetworkError, RateLimitError, ServerError, ServiceError
from completions_cli.models import Chunk, Finished

_AVOIDED_SECONDS = 30.0


class Passed(NamedTuple):
    """A member that did not answer, why, and the member that is asked now; members by their place in the pool."""

    member: int
    error: CompletionsError
    following: int


class Search:
    """The search of one call for a member of a pool that answers.

    Each is asked once, without retries: another member may answer sooner. Where none did, those that may yet answer
    are asked again, with all their retries.
    """

    def __init__(self, members: Sequence[int]) -> None:
        self._left = deque(members)
        self._again: deque[int] = deque()
        self._count = len(members)
        self.is_patient = self._count == 1
        self.member = self._left.popleft()

    def pass_on(self, error: CompletionsError, *, has_text: bool) -> None:
        """Turn to the next member. Raises the error where no other should be asked, or none is left."""
        if has_text or not is_of_member(error):
            raise error
        if not self.is_patient and may_pass(error):
            self._again.append(self.member)
        if not self._left:
            self._left, self._again, self.is_patient = self._again, deque(), True
        if not self._left:
            raise self._last(error)
        self.member = self._left.popleft()

    def _last(self, error: CompletionsError) -> CompletionsError:
        if self._count > 1:
            error.message = f"{error.message.rstrip('.')} (none of {self._count} profiles answered; this was the last)"
        return error


class Order:
    """The order in which calls ask the members of a pool: as they are given, but one that failed lately last."""

    def __init__(
        self,
        count: int,
        on_pass: Callable[[Passed], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._failed_at = [float("-inf")] * count
        self._on_pass = on_pass
        self._clock = clock

    def search(self) -> Search:
        """Begin a call."""
        now = self._clock()
        lately = [now - at < _AVOIDED_SECONDS for at in self._failed_at]
        return Search(sorted(range(len(lately)), key=lately.__getitem__))

    def failed(self, search: Search, error: CompletionsError, *, has_text: bool = False) -> None:
        """Record that the member that was asked did not answer, and pass on. Raises what `Search.pass_on` raises."""
        member = search.member
        self._failed_at[member] = self._clock()
        search.pass_on(error, has_text=has_text)
        self._on_pass(Passed(member, error, search.member))


def is_of_member(error: CompletionsError) -> bool:
    """Return whether a failure concerns the member that was asked, and not what it was asked.

    A member that stayed silent is not: it may be at work on an answer that will be paid for.
    """
    if isinstance(error, NetworkError | RateLimitError | ServerError):
        return True
    return isinstance(error, ServiceError) and (error.retryable or blame.blamed(error) != "row")


def may_pass(error: CompletionsError) -> bool:
    """Return whether the same member may answer another time."""
    return isinstance(error, ServerError) or (isinstance(error, NetworkError | ServiceError) and error.retryable)


def shows(event: Chunk | Finished) -> bool:
    """Return whether an event shows something of an answer, after which no other member may be asked."""
    return isinstance(event, Chunk) and any(delta.text or delta.finish_reason for delta in event.deltas)
