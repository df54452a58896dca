"""The answer to a call, put together from its events."""

from dataclasses import dataclass, field

from completions_cli.api.assemble import Assembler
from completions_cli.models import Chunk, Delta, Finished, Json, Usage


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the requested texts; `raw` is the choice as the service sent it."""

    index: int
    text: str
    finish_reason: str | None
    raw: dict[str, Json] = field(repr=False)

    @property
    def logprobs(self) -> dict[str, Json] | None:
        """Log-probabilities, if they were requested."""
        return self.raw.get("logprobs")


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer to a call. `raw` is the response object, including fields that are not in the API reference.

    `latency` and `first_token` are seconds from sending the request that was answered; `first_token` is None
    for an answer that was not streamed. `attempts` counts the requests that it took.
    """

    choices: tuple[Choice, ...]
    usage: Usage | None
    request_id: str | None
    latency: float
    first_token: float | None
    attempts: int
    raw: dict[str, Json] = field(repr=False)

    @property
    def text(self) -> str:
        """The text of the first choice."""
        return self.choices[0].text if self.choices else ""

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended: stop, length or content_filter; None if it did not end."""
        return self.choices[0].finish_reason if self.choices else None

    @property
    def model(self) -> str | None:
        """The model, as the service names it."""
        return self.raw.get("model")


class Gathering:
    """Takes the events of a call, one after another, and makes a completion of them."""

    def __init__(self) -> None:
        self._assembler = Assembler()
        self._end = Finished({}, None)

    def take(self, event: Chunk | Finished) -> tuple[Delta, ...]:
        """Add the next event and return the pieces of text, and the ends of choices, that it holds."""
        if isinstance(event, Finished):
            self._end = event
            return ()
        self._assembler.add(event)
        return tuple(delta for delta in event.deltas if delta.text or delta.finish_reason)

    def completion(self) -> Completion:
        """Make a completion of the events so far."""
        end = self._end
        raw = self._assembler.response(end.usage)
        choices = [
            Choice(choice["index"], choice["text"], choice.get("finish_reason"), choice) for choice in raw["choices"]
        ]
        return Completion(
            choices=tuple(choices),
            usage=end.usage,
            request_id=end.request_id,
            latency=end.latency,
            first_token=end.first_token,
            attempts=end.attempts,
            raw=raw,
        )
