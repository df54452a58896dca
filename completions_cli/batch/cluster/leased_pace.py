"""What a worker knows of the pace, and what it reports to the coordinator, which has the real one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from completions_cli.batch.cluster.messages import Event
from completions_cli.pacing.pace import FULL, RATE_HEADERS, HeaderOf, Ticket

_FIRST_LIMIT = 16


@dataclass(slots=True)
class LeasedLimit:
    """The number of requests that the whole cluster may have in flight."""

    limit: int = _FIRST_LIMIT


class LeasedHold:
    """What holds back the requests to one member, as far as this worker knows."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._paused_until = float("-inf")
        self._new_pause = float("-inf")
        self._narrowed = FULL

    def pause(self, until: float) -> None:
        """Release nothing before `until`: here at once, elsewhere once it is reported."""
        self._paused_until = max(self._paused_until, until)
        self._new_pause = max(self._new_pause, until)

    def narrow(self, most: int | None) -> None:
        """Limit the requests in flight to `most` from here."""
        self._narrowed = FULL if most is None else most

    def room(self, now: float) -> float:
        """Return how many more requests this worker may ask for."""
        return 0 if now < self._paused_until else max(0.0, self._narrowed - self.in_flight)

    def news(self, now: float) -> float:
        """Return the seconds of a pause that was not reported yet."""
        pause, self._new_pause = max(0.0, self._new_pause - now), float("-inf")
        return pause


class LeasedPace:
    """Takes the place of a `Pace`: records what it is told, for the coordinator."""

    def __init__(self, clock: Callable[[], float], members: int = 1) -> None:
        self._clock = clock
        self.counts_tokens = True  # until the coordinator says that nobody counts them
        self.concurrency = LeasedLimit()
        self.holds = [LeasedHold() for _ in range(members)]
        self._events: list[Event] = []
        self._headers: dict[int, Mapping[str, str]] = {}

    @property
    def in_flight(self) -> int:
        """Requests in flight."""
        return sum(hold.in_flight for hold in self.holds)

    def answered(self, now: float, ticket: Ticket, used: float | None) -> None:
        """Record an answer."""
        self._over(_event("answered", ticket, now)._replace(used=used))

    def refused(self, now: float, ticket: Ticket, retry_after: float | None) -> None:
        """Record a 429."""
        self._over(_event("refused", ticket, now)._replace(asked=retry_after))

    def failed(self, now: float, ticket: Ticket, *, overloaded: bool, retry_after: float | None = None) -> None:
        """Record any other failure."""
        self._over(_event("failed", ticket, now)._replace(asked=retry_after, overloaded=overloaded))

    def pause(self, until: float) -> None:
        """Send nothing to anybody before `until`."""
        for hold in self.holds:
            hold.pause(until)

    def narrow(self, most: int | None) -> None:
        """Limit the requests in flight to `most` for each member."""
        for hold in self.holds:
            hold.narrow(most)

    def read(self, now: float, ticket: Ticket, header: HeaderOf) -> None:
        """Record the rate headers of an answer."""
        found = {name: value for name in RATE_HEADERS if (value := header(name)) is not None}
        if found:
            self._headers[ticket.number] = found

    def room(self, now: float) -> float:
        """Return how many more requests this worker may ask for."""
        return sum(hold.room(now) for hold in self.holds)

    def has_news(self) -> bool:
        """Return whether there is something to report."""
        return bool(self._events)

    def news(self, now: float) -> tuple[Event, ...]:
        """Return what was recorded, with times as seconds ago."""
        events, self._events = self._events, []
        headers, self._headers = self._headers, {}
        return tuple(
            event._replace(
                sent_ago=now - event.sent_ago, ago=max(0.0, now - event.ago), headers=headers.get(event.ticket)
            )
            for event in events
        )

    def _over(self, event: Event) -> None:
        self.holds[event.member].in_flight -= 1
        self._events.append(event)


def _event(kind: Literal["answered", "refused", "failed"], ticket: Ticket, now: float) -> Event:
    return Event(kind, ticket.number, ticket.sent_at, now, member=ticket.member, is_repeat=ticket.is_repeat)
