"""Every way to enforce a limit lets its budget through and no more, and refuses in the behaviour's own words."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.emulator.budgets import REQUESTS
from completions_cli.emulator.config import LimitHeader, LimitKind
from completions_cli.emulator.limits import Limits
from tests.clock import Clock
from tests.command import Cli
from tests.emulator.exchange import ask
from tests.emulator_process import Start

EVERY = frozenset(LimitHeader)
KINDS = sorted(REQUESTS)


@pytest.mark.parametrize("kind", KINDS)
@given(rpm=st.integers(1, 600), gaps=st.lists(st.floats(0, 40), min_size=1, max_size=80))
def test_no_kind_gives_more_than_its_budgets_of_the_minutes_that_passed(kind: str, rpm: int, gaps: list[float]) -> None:
    clock = Clock()
    limits = Limits(rpm, None, EVERY, clock, kind=LimitKind(budget=kind))
    taken = 0
    for gap in gaps:
        clock.now += gap
        while not limits.admit(1).wait:
            taken += 1
    assert 1 <= taken <= rpm * (clock.now / 60 + 2)


@pytest.mark.parametrize("kind", KINDS)
@given(rpm=st.integers(1, 600), start=st.floats(0, 100))
def test_whoever_waits_as_long_as_asked_is_let_in(kind: str, rpm: int, start: float) -> None:
    clock = Clock()
    clock.now = start
    limits = Limits(rpm, None, EVERY, clock, kind=LimitKind(budget=kind))
    while not (wait := limits.admit(1).wait):
        pass
    # Others may take some of a shared budget meanwhile: half, at most.
    clock.now += (2 if kind == "shared" else 1) * wait + 1e-6
    assert limits.admit(1).wait == 0


@pytest.mark.parametrize(
    ("kind", "admitted"),
    [("bucket", [60, 30]), ("fixed-window", [60, 0]), ("sliding-window", [60, 0]), ("burstless", [1, 1])],
)
def test_what_comes_at_once_and_what_half_a_minute_later(kind: str, admitted: list[int]) -> None:
    clock = Clock()
    limits = Limits(60, None, EVERY, clock, kind=LimitKind(budget=kind))
    found = []
    for moment in (0.0, 30.0):
        clock.now = moment
        found.append(sum(not limits.admit(1).wait for _ in range(100)))
    assert found == admitted


def test_a_bucket_holds_as_much_as_it_is_told_to() -> None:
    clock = Clock()
    limits = Limits(60, None, EVERY, clock, kind=LimitKind(burst=5))
    for moment, admitted in ((0.0, 5), (3.0, 3), (100.0, 5)):
        clock.now = moment
        assert sum(not limits.admit(1).wait for _ in range(100)) == admitted


def test_first_attempts_are_refused_once(emulator: Start) -> None:
    server = emulator("--limit", "first-attempts")
    assert [ask(server, {"prompt": prompt}).status for prompt in "aabbab"] == [429, 200, 429, 200, 200, 200]


def test_of_first_attempts_not_more_are_remembered_than_there_is_room_for() -> None:
    limits = Limits(None, None, EVERY, Clock(), kind=LimitKind(first_attempts=True))
    for number in range(100_001):
        assert limits.admit(1, b"%d" % number).wait
    assert limits.admit(1, b"100000").wait == 0
    assert limits.admit(1, b"0").wait


def test_tokens_have_the_same_kinds() -> None:
    limits = Limits(None, 6000, EVERY, Clock(), kind=LimitKind(budget="burstless"))
    assert sum(not limits.admit(10).wait for _ in range(100)) == 10


def test_one_more_in_flight_than_allowed_is_refused_and_room_is_made_when_one_ends(emulator: Start) -> None:
    server = emulator("--limit", "in-flight=1", "--latency", "1")
    with ThreadPoolExecutor(4) as pool:
        statuses = [answer.status for answer in pool.map(ask, [server] * 4)]
    assert {200, 429} == set(statuses)
    assert ask(server).status == 200


def test_chance_is_the_same_for_a_seed(emulator: Start) -> None:
    runs = []
    for _ in range(2):
        server = emulator("--limit", "chance=0.5", "--seed", "7")
        runs.append([ask(server).status for _ in range(12)])
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 429}


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("leaky", "--limit: there is no 'leaky'"),
        ("in-flight=0", "--limit in-flight must be a whole number from 1"),
        ("chance=2", "--limit chance must be"),
        ("fixed-window", "--limit fixed-window limits nothing"),
        ("bucket=9", "--limit bucket limits nothing"),
        ("bucket=0", "--limit bucket must be a whole number from 1"),
        ("first-attempts=2", "--limit: there is no 'first-attempts=2'"),
    ],
)
def test_what_is_no_limit_is_explained(cli: Cli, limit: str, words: str) -> None:
    result = cli.run("emulator", "--limit", limit)
    assert (result.code, words in result.stderr) == (2, True)
