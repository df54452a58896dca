"""How an answer may end, and what each end means. Values in, values out.

    what came                                      how it ended                  outcome
    ---------------------------------------------  ----------------------------  --------------------
    a finish reason for every choice asked for     in any way                    whole
    [DONE], every choice, no finish reasons        (nothing is read after it)    whole
    [DONE], every choice, some finish reasons      (nothing is read after it)    cut short
    [DONE], a finished choice a prompt, `n` > 1    (nothing is read after it)    whole: the server ignored `n`
    a JSON document that can be read               in any way                    whole
    fewer or more choices than were asked for      in any way                    no answer to that request
    a finish reason such as "abort" or "error"     in any way                    broken off by the server
    a finish reason that more text follows         (it was none)                 as if it had not come
    anything else                                  in order                      cut short
    anything else                                  broken off, silence           what the connection says

Once a row says "whole", nothing that is still to come can change it: the rest is waited for LINGER_SECONDS at most.
"""

from collections.abc import Mapping

from completions_cli.api.finish_reasons import is_broken_off, reason_of
from completions_cli.errors import CompletionsError, MalformedResponseError, MisfitError
from completions_cli.models import Json

LINGER_SECONDS = 2.0


class AnswerEnd:
    """What is known of the end of an answer to a request for `expected` choices, of so many prompts."""

    def __init__(self, expected: int, prompts: int | None = None) -> None:
        self.reasons: dict[int, str | None] = {}
        self.is_done = False  # [DONE] came
        self.is_document = False  # the whole of a JSON document came
        self.is_guessed = False  # some choice came without a number
        self._expected = expected
        self._prompts = expected if prompts is None else prompts
        self._finished = 0
        self._no_reasons: set[str] = set()  # what the server calls reasons, though more text follows

    def piece(self, index: int, reason: str | None) -> None:
        """Record a piece of a choice, and why it finished if it did."""
        if reason is None or reason in self._no_reasons:
            self.reasons.setdefault(index, None)
            return
        self._finished += self.reasons.get(index) is None
        self.reasons[index] = reason

    def goes_on(self, index: int) -> None:
        """Record that text came for a choice: a reason that it has so far was none."""
        reason = self.reasons.get(index)
        if reason is not None:
            self._no_reasons.add(reason)
            self._finished -= 1
            self.reasons[index] = None

    @property
    def is_complete(self) -> bool:
        """True once every choice that was asked for has finished."""
        return self._finished >= self._expected and self._finished == len(self.reasons)

    def failure(self, broken: CompletionsError | None) -> CompletionsError | None:
        """Return the error that an answer which ended here is; None when it is whole.

        `broken` is what the connection broke off with, None when it ended in order.
        """
        given_up = next((reason for reason in self.reasons.values() if is_broken_off(reason)), None)
        if given_up is not None:
            return MalformedResponseError(
                f"the server ended the answer early: its finish reason is {given_up!r}",
                hint="The server may be overloaded or shutting down. Try again.",
            )
        if self.is_document or self.is_complete or (self.is_done and self.reasons and not self._finished):
            return None
        if self.is_done and self._finished and self._finished == len(self.reasons):
            return self.misfit()  # all that came has finished: the server never meant to send the rest
        if broken is not None and not self.is_done:
            return broken
        return cut_short(
            "the stream ended before it was finished" if self.reasons else "the stream ended before any text"
        )

    def misfit(self) -> MisfitError | None:
        """Return the error that an answer with other choices than were asked for is."""
        came = len(self.reasons)
        if self._is_one_a_prompt and not (self.is_guessed and self._prompts > 1):
            return None
        if came < self._expected:
            return MisfitError(
                f"only {came} of {self._expected} choices arrived",
                hint="The server may not support arrays of prompts or n. Send one prompt at a time.",
            )
        # What one prompt is answered with is its answer, however much it is and whatever it is numbered.
        if self._prompts > 1 and (self.is_guessed or self.reasons.keys() != set(range(self._expected))):
            return MisfitError(
                f"the response contains {came} choices that are not numbered from 0 to {self._expected - 1}",
                hint="It is not clear which prompt each of them answers. Send one prompt at a time.",
            )
        return None

    @property
    def _is_one_a_prompt(self) -> bool:
        """True where the server ignored `n` and did all else: one choice a prompt, numbered as they are."""
        return self._prompts < self._expected and self.reasons.keys() == set(range(self._prompts))


def cut_short(message: str) -> MalformedResponseError:
    """Make the error for an answer that broke off."""
    return MalformedResponseError(message, hint="The connection was lost, or the server stopped. Try again.")


def has_finished(document: Mapping[str, Json]) -> bool:
    """Return whether every choice of a document has its finish reason."""
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices:
        return False
    return all(isinstance(choice, dict) and reason_of(choice.get("finish_reason")) for choice in choices)
