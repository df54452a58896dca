"""Rows with continuations: their requests, one after another, and the scores that come of their answers."""

from collections.abc import Callable, Mapping

from completions_cli.errors import CompletionsError
from completions_cli.models import CompletionRequest, Json
from completions_cli.scoring.scores import Scores
from completions_cli.scoring.steps import Steps


class Dialogue:
    """Goes through the steps of the scores of rows. After a failure they begin again if the rows are asked again."""

    __slots__ = ("_begin", "_request", "_steps", "scores")

    def __init__(self, begin: Callable[[], Steps[list[Scores]]]) -> None:
        self._begin = begin
        self._steps: Steps[list[Scores]] | None = None
        self._request: CompletionRequest | None = None
        self.scores: list[Scores] | None = None  # of each row

    @property
    def request(self) -> CompletionRequest:
        """The request that is next."""
        if self._steps is None or self._request is None:
            self._steps = self._begin()
            self._request = next(self._steps)
        return self._request

    def answered(self, response: Mapping[str, Json]) -> CompletionsError | None:
        """Take the answer to the request; return what is wrong with it."""
        return self._go(lambda steps: steps.send(response))

    def refused(self, error: CompletionsError) -> CompletionsError | None:
        """Take a refusal of the request; return the error of the rows unless another request may do."""
        return self._go(lambda steps: steps.throw(error)) if self._steps is not None else error

    def _go(self, move: Callable[[Steps[list[Scores]]], CompletionRequest]) -> CompletionsError | None:
        if self._steps is None:
            raise AssertionError("nothing was asked")
        try:
            self._request = move(self._steps)
        except StopIteration as end:
            self.scores = end.value
        except CompletionsError as error:
            self._steps = None
            return error
        return None
