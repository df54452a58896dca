"""Requests and tokens a minute: buckets by a clock of our own, then the real thing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.emulator.config import LimitHeader
from completions_cli.emulator.limits import Limits
from tests.clock import Clock
from tests.emulator.exchange import ask
from tests.emulator_process import Start

EVERY = frozenset(LimitHeader)
RETRIES = {"retry-after", "retry-after-ms", "x-ms-retry-after-ms"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_without_limits_everything_passes_without_a_word(clock: Clock) -> None:
    verdict = Limits(None, None, EVERY, clock).admit(10**9)
    assert (verdict.wait, verdict.headers) == (0, {})


def test_a_minutes_requests_pass_and_the_next_one_waits(clock: Clock) -> None:
    limits = Limits(6, None, EVERY, clock)
    assert [limits.admit(1).wait for _ in range(7)] == [0] * 6 + [10]
    clock.now = 9.9
    assert limits.admit(1).wait == pytest.approx(0.1)
    clock.now = 10
    assert limits.admit(1).wait == 0
    assert limits.admit(1).wait == 10


def test_a_refused_request_uses_nothing_up(clock: Clock) -> None:
    limits = Limits(1, 100, EVERY, clock)
    limits.admit(10)
    before = limits.admit(10).headers
    assert limits.admit(10).headers == before


def test_tokens_are_charged_by_estimate_and_settled_by_count(clock: Clock) -> None:
    limits = Limits(None, 100, EVERY, clock)
    assert limits.admit(80).headers["x-ratelimit-remaining-tokens"] == "20"
    limits.settle(80, 30)
    assert limits.admit(0).headers["x-ratelimit-remaining-tokens"] == "70"


def test_a_request_larger_than_the_budget_passes_and_overdraws_it(clock: Clock) -> None:
    limits = Limits(None, 60, EVERY, clock)
    verdict = limits.admit(180)
    assert verdict.wait == 0
    assert verdict.headers["x-ratelimit-remaining-tokens"] == "-120"
    assert limits.admit(1).wait == 121
    clock.now = 121
    assert limits.admit(1).wait == 0


def test_headers_tell_limits_remains_and_waits(clock: Clock) -> None:
    limits = Limits(2, 600, EVERY, clock)
    assert limits.admit(100).headers == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-limit-tokens": "600",
        "x-ratelimit-remaining-tokens": "500",
    }
    limits.admit(100)
    clock.now = 0.5
    headers = limits.admit(100).headers
    assert {name: headers[name] for name in RETRIES} == {
        "retry-after": "30",
        "retry-after-ms": "29500",
        "x-ms-retry-after-ms": "29500",
    }


@pytest.mark.parametrize("header", LimitHeader)
def test_each_header_can_be_had_alone(clock: Clock, header: LimitHeader) -> None:
    limits = Limits(1, None, {header}, clock)
    limits.admit(1)
    names = limits.admit(1).headers.keys()
    if header is LimitHeader.RATELIMIT:
        assert names == {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"}
    else:
        assert names == {str(header)}


@given(st.integers(1, 1000), st.lists(st.tuples(st.floats(0, 30), st.integers(0, 50)), max_size=60))
def test_never_more_than_a_full_bucket_and_what_flowed_in(rpm: int, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    limits = Limits(rpm, None, EVERY, clock)
    passed = 0
    for pause, requests in steps:
        clock.now += pause
        passed += sum(limits.admit(1).wait == 0 for _ in range(requests))
    assert passed <= rpm + clock.now * rpm / 60 + 1e-6


def test_over_the_limit_it_is_429_in_the_behaviours_words(emulator: Start) -> None:
    server = emulator("--rpm", "1")
    first, second = ask(server), ask(server)
    assert (first.status, second.status) == (200, 429)
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert second.json().keys() == {"error", "message", "status"}
    assert second.headers["x-ms-error-code"] == "too_many_requests"
    assert second.headers.keys() >= RETRIES
    assert 0 < int(second.headers["retry-after"]) <= 60


@pytest.mark.parametrize(("behaviour", "headers"), [("managed", {"retry-after"}), ("foundry", set())])
def test_the_other_back_ends_have_headers_of_their_own(emulator: Start, behaviour: str, headers: set[str]) -> None:
    server = emulator("--tpm", "1", "--behaviour", behaviour)
    body = {"prompt": "x", "model": "m"}
    _, refused = (ask(server, body, headers={"api-key": "k"}) for _ in range(2))
    assert refused.status == 429
    assert refused.headers.keys() & RETRIES == headers
    assert "x-ratelimit-limit-tokens" in refused.headers
    assert "Try again in" in refused.json()["error"]["message"]


def test_headers_by_choice(emulator: Start) -> None:
    server = emulator("--rpm", "1", "--limit-headers", "retry-after-ms")
    _, refused = ask(server), ask(server)
    assert refused.headers.keys() & (RETRIES | {"x-ratelimit-limit-requests"}) == {"retry-after-ms"}


def test_tokens_of_a_stream_are_settled_too(emulator: Start) -> None:
    server = emulator("--tpm", "1000000")
    *_, last, _ = ask(server, {"prompt": "x", "max_tokens": 1000, "stream": True}).events
    left = int(ask(server, {"prompt": "x", "max_tokens": 0}).headers["x-ratelimit-remaining-tokens"])
    assert left >= 1_000_000 - last["usage"]["total_tokens"] - 1


def test_latency_and_pace(emulator: Start) -> None:
    late = emulator("--latency", "3600")
    assert ask(late, patience=0.3).raw == ask(late, {"stream": True}, patience=0.3).raw == b""
    slow = emulator("--tokens-per-second", "0.001")
    assert ask(slow, patience=0.3).raw == b""
    (first,) = ask(slow, {"prompt": ["a"], "stream": True}, patience=0.3).events
    assert first["choices"][0]["text"]
    assert ask(slow, {"max_tokens": 0}).status == 200
