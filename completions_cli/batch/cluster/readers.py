"""Readers of inputs that can only be read from their start: they read blocks ahead, for workers to take."""

from collections.abc import Callable
from dataclasses import dataclass

from completions_cli.batch.cluster.backlog import Backlog, Item
from completions_cli.batch.cluster.machines import LostError, Machines, Opaque
from completions_cli.batch.cluster.splits import Split
from completions_cli.errors import CompletionsError

_MOST = 4
_CALLS_AT_ONCE = 2  # of a reader


@dataclass(eq=False, slots=True)
class _Reader:
    """A reader, and the parts whose rows it has not delivered yet."""

    actor: Opaque
    split: Split
    parts: set[int]
    calls: int = 0


class Readers:
    """All readers of a run. Adds what to do with the result of each call to `calls`; `stop` ends the run."""

    def __init__(
        self,
        machines: Machines,
        backlog: Backlog,
        calls: dict[Opaque, Callable[[Opaque], None]],
        stop: Callable[[CompletionsError], None],
    ) -> None:
        self._machines, self._backlog, self._calls, self._stop = machines, backlog, calls, stop
        self._readers: set[_Reader] = set()

    @property
    def are_reading(self) -> bool:
        """True while any reader has not reached its end."""
        return bool(self._readers)

    def read(self, ahead: int) -> None:
        """Have blocks read until `ahead` of them wait for a worker."""
        while len(self._readers) < _MOST and (split := self._backlog.split()) is not None:
            self._readers.add(_Reader(self._machines.start_reader(split), split, set(split.parts)))
        for reader in self._readers:
            if reader.calls < _CALLS_AT_ONCE and self._backlog.has_room(ahead):
                reader.calls += 1
                part, block = self._machines.read(reader.actor)
                self._calls[part] = self._was_read(reader, block)

    def shut_down(self) -> None:
        """End all readers."""
        for reader in self._readers:
            self._machines.kill(reader.actor)

    def _was_read(self, reader: _Reader, block: Opaque) -> Callable[[Opaque], None]:
        def was_read(call: Opaque) -> None:
            if reader not in self._readers:
                return
            reader.calls -= 1
            try:
                part = self._machines.result(call)
            except LostError:
                self._close(reader)
                self._backlog.reread(reader.split, reader.parts)
                return
            except CompletionsError as error:
                self._close(reader)
                self._stop(error)
                return
            if part is None:
                self._close(reader)  # rows that it did not find are missed at the end
            else:
                reader.parts.discard(part)
                self._backlog.ready(Item(part, reader.split, block))

        return was_read

    def _close(self, reader: _Reader) -> None:
        self._readers.discard(reader)
        self._machines.kill(reader.actor)
