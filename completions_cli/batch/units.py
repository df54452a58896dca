"""What is sent at a time: a row, or a pack of rows in one request, and which row each choice belongs to."""

import asyncio
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from completions_cli.api import sampling
from completions_cli.batch.exchange import Reply
from completions_cli.batch.rows import Defaults, Row
from completions_cli.batch.scored import Dialogue
from completions_cli.errors import RowError, UsageError
from completions_cli.models import CompletionRequest
from completions_cli.scoring.steps import Scorer

_REFUSED_PACKS = 3  # after so many, and none taken, the server does not know arrays
_MISFIT_PACKS = 3  # after so many answers that fit no request, no more packs are made


@dataclass(slots=True)
class Race:
    """Two requests for the same rows, of different members: the tasks under way, and whether one of them has won."""

    tasks: "set[asyncio.Task[None]]"
    is_decided: bool = False


@dataclass(slots=True)
class Unit:
    """Rows asked together, by one request or, with samples and a seed, by several in turn.

    `tries` counts what used up retries, `sent` every request; `is_repeat` marks one that was sent before.
    In a `race` another member is asked the same. Where rows are scored, their `dialogue` makes the requests, and
    `requests` is only what they are made of.
    """

    rows: list[Row]
    requests: list[CompletionRequest]
    samples: int = 1
    replies: list[Reply] = field(default_factory=list)
    tries: int = 0
    sent: int = 0
    is_repeat: bool = False
    latency: float = 0.0
    race: Race | None = None
    dialogue: Dialogue | None = None

    @property
    def request(self) -> CompletionRequest:
        """The request that is next."""
        return self.requests[len(self.replies)] if self.dialogue is None else self.dialogue.request

    def request_by(self, member: int) -> CompletionRequest:
        """Return the request that is next, for a member of a pool."""
        return self.request if self.dialogue is None else self.dialogue.request_by(member)

    @property
    def is_answered(self) -> bool:
        """True once every request has its reply."""
        if self.dialogue is not None:
            return self.dialogue.scores is not None
        return len(self.replies) == len(self.requests)


class Packer:
    """Makes units of rows: up to `size` consecutive ones whose parameters are equal.

    `streams_arrays` is for llama.cpp, which counts only the first prompt of an array unless it streams. `local_members`
    are the members of the pool that are known to be its servers.
    """

    def __init__(
        self,
        defaults: Defaults,
        samples: int = 1,
        size: int = 1,
        *,
        streams_arrays: bool = False,
        local_members: Collection[int] = (),
    ) -> None:
        self._streams_arrays = streams_arrays
        self._local_members = local_members
        self._scorers: dict[int, Scorer] = {}
        self._defaults = defaults
        self._samples = samples
        self.size = size
        self._packs_taken = 0
        self._packs_refused = 0
        self._misfits = 0

    def units(self, rows: Iterable[Row]) -> Iterator[Unit]:
        """Yield the units of rows that can be asked, and each bad row as a unit without requests."""
        pack: list[tuple[Row, CompletionRequest]] = []
        for row in rows:
            if row.error is not None:
                yield Unit([row], [])
                continue
            try:
                request = self._defaults.request(row)
            except UsageError as error:
                row.error = RowError(error.message)
                yield Unit([row], [])
                continue
            if self.size == 1 and not pack:
                yield self._single(row, request)
                continue
            if not _is_packable(request):
                yield self._single(row, request)
            else:
                if pack and (len(pack) >= self.size or not _are_alike(pack[0], (row, request))):
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
        return self.singles(unit)

    def misfit(self, unit: Unit) -> list[Unit]:
        """Return what to ask instead of a pack that was not answered as asked; after three such packs none is made."""
        self._misfits += 1
        if self._misfits >= _MISFIT_PACKS:
            self.size = 1
        return self.singles(unit)

    def singles(self, unit: Unit) -> list[Unit]:
        """Split a unit into its rows."""
        return [self.again([row], unit) for row in unit.rows]

    def split(self, unit: Unit, last_try: int = 0) -> list[Unit]:
        """Cut a unit in halves, the first rows first. `last_try` is how many of their retries are used up."""
        middle = -(-len(unit.rows) // 2)
        halves = [self.again(unit.rows[:middle], unit), self.again(unit.rows[middle:], unit)]
        for half in halves:
            half.tries = last_try
        return halves

    def again(self, rows: list[Row], unit: Unit) -> Unit:
        """Make a unit from some rows of another."""
        made = self._pack([(row, self._defaults.request(row)) for row in rows])
        made.sent, made.is_repeat = unit.sent, True
        return made

    def _single(self, row: Row, request: CompletionRequest) -> Unit:
        if row.continuations:
            return self._scored([row], request)
        return Unit([row], self._requests(request), self._samples)

    def _pack(self, pack: list[tuple[Row, CompletionRequest]]) -> Unit:
        if len(pack) == 1:
            return self._single(*pack[0])
        first = pack[0][1]
        if pack[0][0].continuations:
            return self._scored([row for row, _ in pack], first)
        together = replace(first, prompt=[request.prompt for _, request in pack])  # type: ignore[arg-type] # all alike
        return Unit([row for row, _ in pack], self._requests(together), self._samples)

    def _scored(self, rows: list[Row], base: CompletionRequest) -> Unit:
        return Unit(rows, [base], dialogue=Dialogue(self._scorer_of, base, rows))

    def _scorer_of(self, member: int) -> Scorer:
        """Return what is known about how a member of a pool scores."""
        scorer = self._scorers.get(member)
        if scorer is None:
            scorer = self._scorers[member] = Scorer(is_llama_cpp=member in self._local_members)
        return scorer

    def _requests(self, request: CompletionRequest) -> list[CompletionRequest]:
        if self._samples == 1 and not self._streams_arrays:
            return [request]
        return sampling.expand(request, self._samples, streams_arrays=self._streams_arrays)


def _is_packable(request: CompletionRequest) -> bool:
    prompt = request.prompt
    return isinstance(prompt, str) or (isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], int))


def _are_alike(first: tuple[Row, CompletionRequest], second: tuple[Row, CompletionRequest]) -> bool:
    (row, one), (other_row, other) = first, second
    return (
        bool(row.continuations) == bool(other_row.continuations)
        and type(one.prompt) is type(other.prompt)
        and one.model == other.model
        and one.parameters == other.parameters
        and one.extra == other.extra
    )
