"""What travels between the layers: a request on its way out, chunks and an end on their way back.

Plain values without behaviour beyond reading them. Field names are the API reference's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from completions_cli import limits

# JSON of any shape; a recursive alias buys nothing where every reader checks types by hand.
Json: TypeAlias = Any

SUCCESS = range(200, 300)  # the statuses of answers to be read

Prompt: TypeAlias = str | list[str] | list[int] | list[list[int]]


# Values that a batch makes for each row, and a stream for each piece, are not frozen: that would take three to five
# times as long. Nobody changes them. Their fields are given by position there, which takes half as long as by name.


@dataclass(slots=True)
class CompletionRequest:
    """One request for completions.

    `prompt` is one of the reference's four forms; None leaves it to the service, which starts a
    new document. `parameters` holds the documented parameters that were set, `extra` all
    other body fields; what is in neither is absent on the wire. `route` is a path of the server's own API
    that takes the request in place of the completions route, and answers with another document.
    """

    prompt: Prompt | None
    parameters: Mapping[str, Json] = field(default_factory=dict)
    extra: Mapping[str, Json] = field(default_factory=dict)
    model: str | None = None
    stream: bool = False
    route: str | None = None

    @property
    def prompt_count(self) -> int:
        """How many prompts the request carries."""
        prompt = self.prompt  # the many requests of a batch come by here, and almost all with a text
        if type(prompt) is str or not isinstance(prompt, list) or not prompt or isinstance(prompt[0], int):
            return 1
        return len(prompt)

    @property
    def choices_each(self) -> int:
        """How many choices are asked for each prompt: the extra parameter `n`."""
        return _amount(self.extra["n"]) if "n" in self.extra else 1

    @property
    def choice_count(self) -> int:
        """How many choices the answer should hold: choice i * n + j is the j-th of prompt i."""
        return self.prompt_count * self.choices_each if self.extra else self.prompt_count

    @property
    def generation_count(self) -> int:
        """How many texts the model is to write: of `best_of` for each prompt, `n` come back."""
        if not self.extra:
            return self.prompt_count
        return self.prompt_count * max(self.choices_each, _amount(self.extra.get("best_of", 1)))


def _amount(value: Json) -> int:
    """Read a number of choices as servers do, some of which take "2" and 2.0 for 2. What is none counts as one."""
    try:
        return max(1, min(int(value), limits.CHOICES))
    except (TypeError, ValueError, OverflowError):
        return 1


class Delta(NamedTuple):
    """A piece of one choice: `text` is valid Unicode, `finish_reason` None until the choice ends."""

    index: int  # type: ignore[assignment] # hides tuple.index, which nobody needs here
    text: str
    finish_reason: str | None


class Usage(NamedTuple):
    """Tokens as counted by the service; None if it did not say."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None

    @classmethod
    def total(cls, parts: Iterable["Usage"]) -> "Usage | None":
        """Add up usages; None if there are none. A count that one of them lacks is None in the sum."""
        columns = list(zip(*parts, strict=True))
        if not columns:
            return None
        return cls(*(sum(column) if None not in column else None for column in columns))


@dataclass(slots=True)
class Chunk:
    """A response object: the whole of one, or the next part of a streamed one (same shape).

    `raw` is the JSON as received, unknown fields included; the choices in it that can be read have
    a delta each, in the same order.
    """

    raw: dict[str, Json]
    deltas: tuple[Delta, ...]

    @property
    def choices(self) -> list[dict[str, Json]]:
        """The choices as received, one for each delta."""
        received = self.raw.get("choices")
        return [choice for choice in received if isinstance(choice, dict)] if isinstance(received, list) else []


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a response. `finish_reasons` by choice index; times in seconds; `notes` are for the user.

    `ignored` names the parameters that the server ignored, as far as the answer shows it.
    """

    finish_reasons: Mapping[int, str | None]
    usage: Usage | None
    request_id: str | None = None
    latency: float = 0.0
    first_token: float | None = None
    attempts: int = 1
    notes: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(slots=True)
class HttpRequest:
    """One request as it goes out. Header names are lower case; the values of `secret_headers` are never shown.

    Requests to one service have the same `shared` headers, the very object, and few of their `own`.
    """

    url: str = field(repr=False)  # some gateways take a key in its query
    shared: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)  # a form with a client secret, when it signs in
    secret_headers: frozenset[str] = frozenset()
    method: str = "POST"
    own: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers."""
        return {**self.shared, **self.own}
