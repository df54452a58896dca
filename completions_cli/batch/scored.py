"""Rows with continuations: their requests, one after another, and the scores that come of their answers."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from completions_cli.batch.rows import Row
from completions_cli.errors import CompletionsError
from completions_cli.models import CompletionRequest, Json
from completions_cli.scoring.methods import ECHO
from completions_cli.scoring.scores import Scores
from completions_cli.scoring.steps import Part, Scorer, Steps

_Told = TypeVar("_Told")


class Dialogue:
    """Goes through the steps of the scores of rows, whoever of a pool is asked next.

    What one member's answers complete stays done; of what is not, each member has steps of its own, because members
    may score in different ways. After a failure those of its member begin again if the rows are asked again.
    """

    __slots__ = ("_base", "_done", "_member", "_pairs", "_rows", "_scorer_of", "_under_way", "scores")

    def __init__(
        self,
        scorer_of: Callable[[int], Scorer],
        base: CompletionRequest,
        rows: Sequence[Row],
    ) -> None:
        self._scorer_of = scorer_of
        self._base = base
        self._rows = rows
        self._pairs = [(str(row.prompt), text) for row in rows for text in row.continuations]
        self._done: list[Part] = []
        self._under_way: dict[int, tuple[Steps[list[Part]], CompletionRequest]] = {}
        self._member = 0
        self.scores: list[Scores] | None = None  # of each row

    def planned(self) -> list[CompletionRequest]:
        """Build the requests that it takes where the most usual method is known to work."""
        texts = [prompt + text for prompt, text in self._pairs]
        asked = [texts] if len(self._rows) > 1 else [[text] for text in texts]
        return [ECHO.request(self._base, each) for each in asked]

    @property
    def request(self) -> CompletionRequest:
        """The request that is next if the same member is asked."""
        return self.request_by(self._member)

    def request_by(self, member: int) -> CompletionRequest:
        """Return the request that is next for a member, whose answer or refusal is then expected."""
        self._member = member
        found = self._under_way.get(member)
        if found is None:
            rest = self._pairs[len(self._done) :]
            steps = self._scorer_of(member).some(self._base, rest, together=len(self._rows) > 1)
            found = self._under_way[member] = steps, next(steps)
        return found[1]

    def answered(self, response: Mapping[str, Json]) -> CompletionsError | None:
        """Take the answer to the request; return what is wrong with it."""
        steps = self._under_way[self._member][0]
        return self._go(steps, steps.send, response)

    def refused(self, error: CompletionsError) -> CompletionsError | None:
        """Take a refusal of the request; return the error of the rows unless another request may do."""
        if self._member not in self._under_way:  # the answer was taken, and found wanting
            return error
        steps = self._under_way[self._member][0]
        return self._go(steps, steps.throw, error)

    def _go(
        self, steps: Steps[list[Part]], move: Callable[[_Told], CompletionRequest], told: _Told
    ) -> CompletionsError | None:
        try:
            self._under_way[self._member] = steps, move(told)
        except StopIteration as end:
            self._under_way.clear()
            self._done += end.value
            if len(self._done) == len(self._pairs):
                self.scores = self._shared_out()
        except CompletionsError as error:
            del self._under_way[self._member]
            return error
        return None

    def _shared_out(self) -> list[Scores]:
        parts = iter(self._done)
        rows = [list(itertools.islice(parts, len(row.continuations))) for row in self._rows]
        return [Scores(tuple([part.score for part in row]), row[-1].method, row[-1].model) for row in rows]
