"""Who works: one worker a machine, hired as machines come, replaced when they go, sent home when the run ends.

Knows nothing of Ray. What runs elsewhere is reached by `Machines`, whose calls are opaque values.
"""

import functools
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from completions_cli.batch.cluster.backlog import Backlog, Item
from completions_cli.batch.cluster.bounds import Bounds
from completions_cli.batch.cluster.driver import Driver
from completions_cli.batch.cluster.machines import LostError, Machines, Opaque
from completions_cli.batch.cluster.messages import Done
from completions_cli.batch.cluster.stretches import Stretch
from completions_cli.batch.triage import Ending
from completions_cli.errors import BatchStoppedError, CompletionsError, OutputError

_BLOCKS_AT_ONCE = 2  # of a worker: the next begins while the last rows of one are waited for
_READERS = 4
_LOOK_SECONDS = 3.0  # between two looks at which machines there are
_SILENT_SECONDS = 60.0  # of a worker, while the others are heard: it is given up
_UNLED_SECONDS = 90.0  # without the coordinator: Ray begins a new one within seconds
_LONGEST_TICK = 10.0  # of which a longer pause tells nothing: this process itself was frozen
_PATIENT_SECONDS = 20.0  # without a worker: no machine seems to have room for one
_MUSTER_SECONDS = 10.0  # that the first worker waits for the others to say whether they can write
_END_SECONDS = 25.0  # from an ending to the moment when everybody is sent home
_LOSSES = 20  # of workers, with nothing done in between
_AGAIN = "Run the same command again to complete them."


@dataclass(eq=False, slots=True)
class _Hand:
    """A worker, leaving once its machine is to go. `silence` is how long it was not heard of while others were."""

    name: str
    actor: Opaque
    node: str | None
    is_ready: bool = False
    is_leaving: bool = False
    items: dict[Opaque, Item] = field(default_factory=dict)  # by the calls that work on them
    silence: float = 0.0


@dataclass(eq=False, slots=True)
class _Reading:
    """A reader and the parts that it has not given yet."""

    actor: Opaque
    stretch: Stretch
    parts: set[int]
    calls: int = 0


class Crew:
    """Everybody who works for a run."""

    def __init__(
        self,
        machines: Machines,
        driver: Driver,
        backlog: Backlog,
        bounds: Bounds,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tell: Callable[[str], None] = lambda _: None  # what the user should know
        self._machines, self._driver, self._backlog, self._bounds = machines, driver, backlog, bounds
        self._clock = clock
        self._hands: set[_Hand] = set()
        self._readings: set[_Reading] = set()
        self._calls: dict[Opaque, Callable[[Opaque], None]] = {}  # what to do with what a call gives
        self._looked_at = self._ticked_at = float("-inf")
        self._first_hired: float | None = None
        self._first_ready: float | None = None
        self._has_told = False  # that there is no room for workers
        self._ended_at: float | None = None
        self._losses = 0
        self._has_asked = False
        self._unled = 0.0  # how long the coordinator was not reached

    def is_over(self) -> bool:
        """Return whether all is done, or the run has ended and nobody is waited for any more."""
        is_working = any(hand.items for hand in self._hands)
        if self._driver.ending is None:
            return self._backlog.is_empty and not self._readings and not is_working
        self._ended_at = self._clock() if self._ended_at is None else self._ended_at
        return not is_working or self._clock() - self._ended_at > _END_SECONDS

    def look(self, heard: frozenset[str] | None, now: float) -> None:
        """Update which workers and machines there are."""
        before = max(self._ticked_at, now - _LONGEST_TICK)
        since, self._ticked_at = min(1.0, now - self._ticked_at), now
        self._unled = 0.0 if heard is not None else self._unled + now - before
        if self._unled > _UNLED_SECONDS:
            words = "the coordinator cannot be reached: has the cluster lost this machine?"
            self._driver.stop(Ending("lost", BatchStoppedError(words, hint=_AGAIN)))
        for hand in [hand for hand in self._hands if hand.is_ready]:
            if heard is not None:
                hand.silence = 0.0 if hand.name in heard else hand.silence + since
            if hand.silence > _SILENT_SECONDS:
                self._lose(hand)
        self._tell_of_waiting(now)
        if now - self._looked_at > _LOOK_SECONDS and self._driver.ending is None:
            self._looked_at = now
            found = self._machines.look()
            if found is None:
                words = "the head of the cluster has not answered for half a minute"
                self._driver.stop(Ending("lost", BatchStoppedError(words, hint=_AGAIN)))
                return
            nodes, leaving = found
            self._retire(leaving)
            self._start_workers(nodes, leaving)

    def _tell_of_waiting(self, now: float) -> None:
        """Tell the user once when other jobs have taken all machines."""
        if self._first_hired is None or self._first_ready is not None or self._driver.ending is not None:
            return
        if not self._has_told and now - self._first_hired > _PATIENT_SECONDS:
            self._has_told = True
            self.tell("still waiting for the cluster: a worker needs half a CPU of a machine, and none is free")

    def step(self, seconds: float) -> None:
        """Hand out work and collect what has ended, waiting for it so long."""
        if self._driver.ending is None:
            self._give()
        for call in self._machines.wait(list(self._calls), seconds):
            then = self._calls.pop(call, None)
            if then is not None:
                then(call)

    def leave(self) -> None:
        """Send everybody home: nothing of theirs is written any more."""
        for reading in self._readings:
            self._machines.kill(reading.actor)
        for hand in self._hands.copy():
            with suppress(OutputError):  # whoever comes next finds what it has left
                self._dismiss(hand)
        if self._has_asked:
            self._machines.ask_for(0)
        self._calls.clear()

    # Workers

    def _start_workers(self, nodes: set[str], leaving: set[str]) -> None:
        for hand in [hand for hand in self._hands if hand.node and hand.node not in nodes]:
            self._lose(hand)
        staying = nodes - leaving
        is_short = len(staying) < self._bounds.least
        if is_short != self._has_asked:
            self._machines.ask_for(self._bounds.least if is_short else 0)
            self._has_asked = is_short
        for node in sorted(staying - {hand.node for hand in self._hands}):
            if self._count() < self._bounds.most:
                self._begin(node)
        if not self._count():
            self._begin(None)

    def _count(self) -> int:
        return sum(not hand.is_leaving for hand in self._hands)

    def _retire(self, leaving: set[str]) -> None:
        """Have the workers of machines that are about to go hand back what they have, and send them home after that."""
        for hand in [hand for hand in self._hands if hand.node in leaving]:
            if not hand.is_leaving:
                hand.is_leaving = True
                self._calls[self._machines.retire(hand.actor)] = functools.partial(self._result, hand)
            elif not hand.items:
                self._dismiss(hand)

    def _begin(self, node: str | None) -> None:
        name = uuid.uuid4().hex
        self._driver.admit(name)
        hand = _Hand(name, self._machines.hire(name, node), node)
        self._first_hired = self._clock() if self._first_hired is None else self._first_hired
        self._hands.add(hand)
        self._calls[self._machines.begin(hand.actor)] = lambda call: self._has_begun(hand, call)

    def _has_begun(self, hand: _Hand, call: Opaque) -> None:
        found = self._result(hand, call)
        if found is not None:
            hand.node, ending = found
            hand.is_ready = True
            self._first_ready = self._clock() if self._first_ready is None else self._first_ready
            self._driver.stop(ending)

    def _lose(self, hand: _Hand) -> None:
        """Drop a worker and hand its work to others."""
        if hand not in self._hands:
            return
        self._dismiss(hand)  # before anybody else works on what it had
        for call, item in hand.items.items():
            self._calls.pop(call, None)
            self._give_back(item)
        hand.items.clear()
        self._losses += 1
        if self._losses > _LOSSES:
            words = "workers end as soon as they start: is there too little memory?"
            self._driver.stop(Ending("lost", BatchStoppedError(words, hint=_AGAIN)))

    def _dismiss(self, hand: _Hand) -> None:
        """Send a worker home: nothing of it is written any more."""
        self._hands.discard(hand)
        self._machines.kill(hand.actor)
        self._driver.dismiss(hand.name)

    def _result(self, hand: _Hand, call: Opaque) -> Opaque:
        """Return what a worker's call gave; None when the worker is lost, or the run must end of what it raised."""
        try:
            return self._machines.result(call)
        except LostError:
            self._lose(hand)
        except CompletionsError as error:
            self._driver.stop(Ending("input", error))
        return None

    # Work

    def _give(self) -> None:
        self._read()
        if not self._is_mustered():
            return
        while (hand := self._free()) is not None and (item := self._backlog.item()) is not None:
            call = self._machines.work(hand.actor, item.stretch if item.block is None else item.block)
            hand.items[call] = item
            self._calls[call] = self._ended(hand, item)

    def _ended(self, hand: _Hand, item: Item) -> Callable[[Opaque], None]:
        def ended(call: Opaque) -> None:
            done: Done | None = self._result(hand, call)
            if hand.items.pop(call, None) is None:
                return  # the worker is lost, and the item given back
            if done is None:
                self._give_back(item)
                return
            self._losses = 0
            self._driver.done(done)
            if done.is_handed_back:
                self._backlog.put_back(item)
            if done.is_fenced:
                self._give_back(item)
                self._lose(hand)

        return ended

    def _give_back(self, item: Item) -> None:
        if not self._backlog.give_back(item):
            words = f"workers ended again and again at the rows from {item.part} on"
            self._driver.stop(Ending("lost", BatchStoppedError(words, hint=_AGAIN)))

    def _is_mustered(self) -> bool:
        """Return whether all have begun, or those that have waited long enough for the others."""
        if self._first_ready is None:
            return False
        return all(hand.is_ready for hand in self._hands) or self._clock() - self._first_ready > _MUSTER_SECONDS

    def _free(self) -> _Hand | None:
        free = [
            hand for hand in self._hands if hand.is_ready and not hand.is_leaving and len(hand.items) < _BLOCKS_AT_ONCE
        ]
        return min(free, key=lambda hand: len(hand.items), default=None)

    # Files that are read from their start

    def _read(self) -> None:
        most = max(1, len(self._hands)) * _BLOCKS_AT_ONCE
        while len(self._readings) < _READERS and (stretch := self._backlog.stretch()) is not None:
            self._readings.add(_Reading(self._machines.open(stretch), stretch, set(stretch.parts)))
        for reading in self._readings:
            if reading.calls < _BLOCKS_AT_ONCE and self._backlog.has_room(most):
                reading.calls += 1
                part, block = self._machines.read(reading.actor)
                self._calls[part] = self._was_read(reading, block)

    def _was_read(self, reading: _Reading, block: Opaque) -> Callable[[Opaque], None]:
        def was_read(call: Opaque) -> None:
            if reading not in self._readings:
                return
            reading.calls -= 1
            try:
                part = self._machines.result(call)
            except LostError:
                self._close(reading)
                self._backlog.reread(reading.stretch, reading.parts)
                return
            except CompletionsError as error:
                self._close(reading)
                self._driver.stop(Ending("input", error))
                return
            if part is None:
                self._close(reading)  # what it did not find is missed at the end
            else:
                reading.parts.discard(part)
                self._backlog.ready(Item(part, reading.stretch, block))

        return was_read

    def _close(self, reading: _Reading) -> None:
        self._readings.discard(reading)
        self._machines.kill(reading.actor)
