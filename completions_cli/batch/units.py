"""What is asked at a time: a row, or a pack of rows in one request, and whose each choice then is."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from completions_cli.api import sampling
from completions_cli.batch.exchange import Reply
from completions_cli.batch.formats import Outcome
from completions_cli.batch.rows import Defaults, Row
from completions_cli.errors import MalformedResponseError
from completions_cli.models import CompletionRequest, Json

_REFUSED_PACKS = 3  # after so many, and none taken, the server does not know arrays


@dataclass(slots=True)
class Unit:
    """Rows asked together, by one request or, with samples and a seed, by several in turn.

    `tries` counts what used up retries, `sent` every request; `is_repeat` marks one that was sent before.
    """

    rows: list[Row]
    requests: list[CompletionRequest]
    samples: int = 1
    replies: list[Reply] = field(default_factory=list)
    tries: int = 0
    sent: int = 0
    is_repeat: bool = False
    latency: float = 0.0

    @property
    def request(self) -> CompletionRequest:
        """The request that is next."""
        return self.requests[len(self.replies)]

    @property
    def is_answered(self) -> bool:
        """True once every request has its reply."""
        return len(self.replies) == len(self.requests)


class Packer:
    """Makes units of rows: up to `size` consecutive ones whose parameters are equal.

    `streams_arrays` is for llama.cpp, which counts only the first prompt of an array unless it streams.
    """

    def __init__(self, defaults: Defaults, samples: int = 1, size: int = 1, *, streams_arrays: bool = False) -> None:
        self._streams_arrays = streams_arrays
        self._defaults = defaults
        self._samples = samples
        self.size = size
        self._packs_taken = 0
        self._packs_refused = 0

    def units(self, rows: Iterable[Row]) -> Iterator[Unit]:
        """Yield the units of rows that can be asked, and each bad row as a unit without requests."""
        pack: list[tuple[Row, CompletionRequest]] = []
        for row in rows:
            if row.error is not None:
                yield Unit([row], [])
                continue
            request = self._defaults.request(row)
            if self.size == 1 and not pack:
                yield self._single(row, request)
                continue
            if not _is_packable(request):
                yield self._single(row, request)
            else:
                if pack and (len(pack) >= self.size or not _are_alike(pack[0][1], request)):
                    yield self._pack(pack)
                    pack = []
                pack.append((row, request))
        if pack:
            yield self._pack(pack)

    def taken(self, unit: Unit) -> None:
        """Record that the server answered a unit."""
        self._packs_taken += len(unit.rows) > 1

    def refused(self, unit: Unit) -> list[Unit]:
        """Return what to ask instead of a pack that was rejected; a server that knows no arrays gets no more packs."""
        self._packs_refused += 1
        if self._packs_taken or self._packs_refused < _REFUSED_PACKS:
            return self.split(unit)
        self.size = 1
        return [self.again([row], unit) for row in unit.rows]

    def split(self, unit: Unit, last_try: int = 0) -> list[Unit]:
        """Cut a unit in halves, the first rows first. `last_try` is how many of their retries are used up."""
        middle = -(-len(unit.rows) // 2)
        halves = [self.again(unit.rows[:middle], unit), self.again(unit.rows[middle:], unit)]
        for half in halves:
            half.tries = last_try
        return halves

    def again(self, rows: list[Row], unit: Unit) -> Unit:
        """Make a unit of some rows of another."""
        made = self._pack([(row, self._defaults.request(row)) for row in rows])
        made.sent, made.is_repeat = unit.sent, True
        return made

    def _single(self, row: Row, request: CompletionRequest) -> Unit:
        return Unit([row], self._requests(request), self._samples)

    def _pack(self, pack: list[tuple[Row, CompletionRequest]]) -> Unit:
        if len(pack) == 1:
            return self._single(*pack[0])
        first = pack[0][1]
        together = replace(first, prompt=[request.prompt for _, request in pack])  # type: ignore[arg-type] # all alike
        return Unit([row for row, _ in pack], self._requests(together), self._samples)

    def _requests(self, request: CompletionRequest) -> list[CompletionRequest]:
        return sampling.expand(request, self._samples, streams_arrays=self._streams_arrays)


def outcomes(unit: Unit) -> tuple[list[Outcome], list[Row]]:
    """Share out the replies of an answered unit: the outcome of each row, and the rows that got none.

    Raises MalformedResponseError when a row that was asked alone lacks choices.
    """
    if len(unit.rows) == 1:
        return [_alone(unit)], []
    shared: dict[int, dict[int, Json]] = {}
    for turn, reply in enumerate(unit.replies):
        seen: set[int] = set()
        for index, choice in _choices(reply):
            # The same index twice: whose choices these are is anybody's guess.
            if index in seen:
                return [], list(unit.rows)
            seen.add(index)
            position, sample = (index, turn) if len(unit.replies) > 1 else divmod(index, unit.samples)
            shared.setdefault(position, {})[sample] = choice
    found, missing = [], []
    for position, row in enumerate(unit.rows):
        own = shared.get(position, {})
        if len(own) < unit.samples:
            missing.append(row)
        else:
            choices = [{**own[sample], "index": sample} for sample in sorted(own)]
            found.append(_outcome(unit, row, choices, usage=None))
    return found, missing


def _alone(unit: Unit) -> Outcome:
    turns = len(unit.replies)
    reply = unit.replies[-1]
    if turns == 1:
        choices = reply.response["choices"]
        usage = reply.response.get("usage")
    else:
        numbered = [
            {**choice, "index": index * turns + turn}
            for turn, answered in enumerate(unit.replies)
            for index, choice in _choices(answered)
        ]
        choices = sorted(numbered, key=lambda choice: int(choice["index"]))
        usage = _total([answered.response.get("usage") for answered in unit.replies])
    expected = unit.requests[0].prompt_count * turns
    if len(choices) < expected:
        raise MalformedResponseError(f"the response holds {len(choices)} of {expected} choices")
    return _outcome(unit, unit.rows[0], choices, usage)


def _outcome(unit: Unit, row: Row, choices: list[Json], usage: Json) -> Outcome:
    last = unit.replies[-1]
    return Outcome(
        row,
        response=last.response,
        choices=choices,
        usage=usage,
        request_id=last.request_id,
        attempts=unit.sent,
        latency=unit.latency,
    )


def _choices(reply: Reply) -> Iterator[tuple[int, dict[str, Json]]]:
    for position, choice in enumerate(reply.response["choices"]):
        if isinstance(choice, dict):
            index = choice.get("index", position)
            yield index if type(index) is int else position, choice


def _total(usages: list[Json]) -> Json:
    counted: list[Mapping[str, Json]] = [usage for usage in usages if isinstance(usage, dict)]
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: sum(usage.get(name) or 0 for usage in counted) for name in names} if counted else None


def _is_packable(request: CompletionRequest) -> bool:
    prompt = request.prompt
    return isinstance(prompt, str) or (isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], int))


def _are_alike(one: CompletionRequest, other: CompletionRequest) -> bool:
    return (
        type(one.prompt) is type(other.prompt)
        and one.model == other.model
        and one.parameters == other.parameters
        and one.extra == other.extra
    )
