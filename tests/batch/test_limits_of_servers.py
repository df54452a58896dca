"""A run at servers whose refusals mean something else than "one minute's budget is used up"."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.answering_server import Answered, answering
from tests.batch.conftest import Rows
from tests.command import Cli

OK = {"choices": [{"index": 0, "text": "ok", "finish_reason": "stop"}], "usage": {"total_tokens": 3}}


class Refusing:
    """A server that notes when each request came, and whether it was taken."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, bool]] = []
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Answered:
        with self._lock:
            now = time.monotonic()
            refusal = self.refusal(now, body)
            self.seen.append((now, refusal is None))
        return refusal or Answered(OK)

    def refusal(self, now: float, body: dict[str, Any]) -> Answered | None:
        """Return what a request is refused with, None to take it."""
        raise NotImplementedError

    @property
    def taken(self) -> list[float]:
        """When requests were taken."""
        return [at for at, is_taken in self.seen if is_taken]


class SmallBucket(Refusing):
    """Fills at 20 a second and holds 4; asks for a whole second where 50 ms would do."""

    rate, burst = 20.0, 4.0

    def __init__(self) -> None:
        super().__init__()
        self._level, self._at = self.burst, time.monotonic()

    def refusal(self, now: float, body: dict[str, Any]) -> Answered | None:
        """Refuse while there is no whole unit."""
        self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        if self._level < 1:
            return Answered({"error": "slow down"}, 429, {"retry-after": "1"})
        self._level -= 1
        return None


class FirstRequests(Refusing):
    """Refuses the first request of each row, whatever the pace, and asks for 150 ms."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[str] = set()

    def refusal(self, now: float, body: dict[str, Any]) -> Answered | None:
        """Refuse a prompt that was not seen yet."""
        if body["prompt"] in self._known:
            return None
        self._known.add(body["prompt"])
        return Answered({"error": "slow down"}, 429, {"retry-after-ms": "150"})


def test_a_small_bucket_that_asks_for_a_whole_second_is_used(cli: Cli, rows: Rows, output: Path) -> None:
    server = SmallBucket()
    with answering(server) as running:
        cli.service(running.url)
        assert cli.run("batch", str(rows(240)), "-o", str(output), "-q").code == 0
    late = server.taken[120:]
    assert (len(late) - 1) / (late[-1] - late[0]) > 0.55 * server.rate
    assert sum(not taken for _, taken in server.seen[140:]) < 15


def test_refused_rows_go_before_new_ones(cli: Cli, rows: Rows, output: Path) -> None:
    server = FirstRequests()
    with answering(server) as running:
        cli.service(running.url)
        assert cli.run("batch", str(rows(160)), "-o", str(output), "-q").code == 0
    assert len(server.taken) == 160
    assert len(server.seen) == 320
    assert server.taken[-1] - server.taken[0] < 20


class OneRefusal(Refusing):
    """Refuses one request when it has taken many, asks for some seconds, and says so when others have come since."""

    def __init__(self, status: int, seconds: int) -> None:
        super().__init__()
        self._status, self._seconds = status, seconds
        self._others_came = threading.Event()
        self.refused: str | None = None
        self.taken_meanwhile = 0  # until the refused prompt was back

    def __call__(self, body: dict[str, Any]) -> Answered:
        answer = super().__call__(body)
        if answer.status == self._status:
            self._others_came.wait(20)
        return answer

    def refusal(self, now: float, body: dict[str, Any]) -> Answered | None:
        """Refuse the fortieth."""
        if len(self.seen) == 40:
            self.refused = body["prompt"]
            return Answered({"error": "busy"}, self._status, {"retry-after": str(self._seconds)})
        if self.refused == body["prompt"]:
            self.refused = None
        self.taken_meanwhile += self.refused is not None
        if self.taken_meanwhile > 16:  # of those in flight some may have left before it
            self._others_came.set()
        return None


@pytest.mark.parametrize("status", [429, 500, 503])
def test_one_refusal_holds_the_refused_row_alone(status: int, cli: Cli, rows: Rows, output: Path) -> None:
    server = OneRefusal(status, 4)
    with answering(server) as running:
        cli.service(running.url)
        assert cli.run("batch", str(rows(200)), "-o", str(output), "-q", "-j", "16").code == 0
    assert len(server.taken) == 200
    assert server.taken_meanwhile > 100


def test_connections_that_are_closed_at_once_are_refusals(cli: Cli, rows: Rows, output: Path) -> None:
    """A server that takes ten connections and no more is asked over ten, not over and over with more."""

    def answer(_: dict[str, Any]) -> Answered:
        time.sleep(0.05)
        return Answered(OK)

    with answering(answer, most_connections=10) as server:
        cli.service(server.url)
        result = cli.run("batch", str(rows(600)), "-o", str(output), "-q")
    assert (result.code, len(server.requests)) == (0, 600), result.stderr
    assert server.turned_away < 300


def test_what_failed_together_does_not_come_back_together(cli: Cli, rows: Rows, output: Path) -> None:
    """Not even where the first request that goes and looks finds the server well."""
    together = threading.Barrier(48, timeout=20)
    lock = threading.Lock()
    seen = in_flight = most_after = answered = 0

    def answer(_: dict[str, Any]) -> Answered:
        nonlocal seen, in_flight, most_after, answered
        with lock:
            seen += 1
            number = seen
            in_flight += number > 48
            if answered < 12:
                most_after = max(most_after, in_flight)
        if number <= 48:
            together.wait()
            return Answered({"error": "overloaded"}, 503)
        time.sleep(0.05)  # the work of an answer
        with lock:
            in_flight -= 1
            answered += 1
        return Answered(OK)

    with answering(answer) as running:
        cli.service(running.url)
        assert cli.run("batch", str(rows(48)), "-o", str(output), "-q", "-j", "48").code == 0
    assert (seen, answered) == (96, 48)
    assert most_after <= 12


def test_a_resumed_run_starts_slowly(cli: Cli, rows: Rows, output: Path) -> None:
    """No answer goes out before those in flight at the start are there, and no more than these come before one."""
    lock, enough = threading.Lock(), threading.Event()
    is_resumed, seen, before_an_answer = False, 0, 0

    def answer(_: dict[str, Any]) -> Answered:
        nonlocal seen, before_an_answer
        if not is_resumed:
            return Answered(OK)
        with lock:
            seen += 1
            before_an_answer += not enough.is_set()
            if seen == 16:
                enough.set()
        assert enough.wait(20)
        return Answered(OK)

    with answering(answer) as running:
        cli.service(running.url)
        file = str(rows(300))
        assert cli.run("batch", file, "-o", str(output), "-q", "--limit", "200").code == 0
        is_resumed = True
        assert cli.run("batch", file, "-o", str(output), "-q").code == 0
    assert (seen, before_an_answer) == (100, 16)
