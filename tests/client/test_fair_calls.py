"""`AsyncClient(pace=True)`: who goes next, and what becomes of those who wait."""

import asyncio
import threading
import time
from collections import Counter
from typing import Any

import pytest

from completions_cli import AsyncClient, RateLimitError, RequestTimeoutError, UsageError
from tests.answering_server import Answered, answering

KEY = "canary-0123456789"
TAKEN = Answered({"choices": [{"index": 0, "text": "ok", "finish_reason": "stop"}]})
AT_FIRST = 16  # calls in flight, before any was answered


@pytest.mark.parametrize("status", [429, 503])
def test_a_refused_call_goes_before_those_that_have_not_gone_yet(status: int) -> None:
    """Behind the others it would never go: these are answered once it is back."""
    lock, seen, is_back = threading.Lock(), list[str](), threading.Event()

    def answer(body: dict[str, Any]) -> Answered:
        with lock:
            seen.append(body["prompt"])
            is_refused = body["prompt"] == "5 is" and seen.count("5 is") == 1
            if seen.count("5 is") > 1:
                is_back.set()
            is_early = len(seen) <= AT_FIRST
        if is_refused:
            return Answered({"error": "busy"}, status, {"retry-after-ms": "1"})
        assert is_early or is_back.wait(20)
        return TAKEN

    async def main(url: str) -> None:
        async with AsyncClient(url, api_key=KEY, pace=True) as client:
            await asyncio.gather(*(client.complete(f"{number} is") for number in range(300)))

    with answering(answer) as server:
        asyncio.run(main(server.url))
    assert len(seen) == 301


def test_calls_that_failed_together_do_not_come_back_together() -> None:
    together, lock = threading.Barrier(AT_FIRST, timeout=20), threading.Lock()
    seen = in_flight = most_after = 0

    def answer(_: dict[str, Any]) -> Answered:
        nonlocal seen, in_flight, most_after
        with lock:
            seen += 1
            is_early = seen <= AT_FIRST
            in_flight += not is_early
            most_after = max(most_after, in_flight)
        if is_early:
            together.wait()
            return Answered({"error": "overloaded"}, 503)
        time.sleep(0.02)  # the work of an answer
        with lock:
            in_flight -= 1
        return TAKEN

    async def main(url: str) -> None:
        async with AsyncClient(url, api_key=KEY, pace=True) as client:
            await asyncio.gather(*(client.complete(f"{number} is") for number in range(AT_FIRST)))

    with answering(answer) as server:
        asyncio.run(main(server.url))
    assert seen == 2 * AT_FIRST
    assert most_after <= AT_FIRST // 2


def test_silence_lowers_the_pace() -> None:
    """The first calls are not answered in time. Of those that follow, fewer are in flight."""
    lock, are_over = threading.Lock(), threading.Event()
    in_flight = most = 0

    def answer(_: dict[str, Any]) -> Answered:
        nonlocal in_flight, most
        if not are_over.is_set():
            are_over.wait(20)
            return TAKEN
        with lock:
            in_flight += 1
            most = max(most, in_flight)
        time.sleep(0.02)  # the work of an answer
        with lock:
            in_flight -= 1
        return TAKEN

    async def main(url: str) -> Counter[str]:
        async with AsyncClient(url, api_key=KEY, pace=True, timeout=2) as client:

            def all_at_once() -> list[asyncio.Task[Any]]:
                return [asyncio.create_task(client.complete(f"{number} is")) for number in range(AT_FIRST)]

            silent = await outcomes(all_at_once())
            are_over.set()
            await outcomes(all_at_once())
            return silent

    with answering(answer) as server:
        assert asyncio.run(main(server.url)) == {"RequestTimeoutError": AT_FIRST}
    assert 0 < most <= AT_FIRST // 2


class Held:
    """A server that answers nothing before it is told to."""

    def __init__(self) -> None:
        self.are_there = threading.Event()  # as many as may be in flight at first
        self.go_on = threading.Event()
        self.seen: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Answered:
        with self._lock:
            self.seen.append(body["prompt"])
            if len(self.seen) == AT_FIRST:
                self.are_there.set()
        assert self.go_on.wait(20)
        return TAKEN

    async def full(self) -> None:
        """Wait until so many requests are there."""
        assert await asyncio.to_thread(self.are_there.wait, 20)


async def outcomes(calls: list[asyncio.Task[Any]]) -> Counter[str]:
    """Count how calls ended."""
    return Counter(type(each).__name__ for each in await asyncio.gather(*calls, return_exceptions=True))


@pytest.mark.parametrize("paced", [True, False])
def test_closing_the_client_ends_its_calls_and_sends_none_again(paced: bool) -> None:
    held = Held()

    async def main(url: str) -> Counter[str]:
        client = AsyncClient(url, api_key=KEY, pace=paced)
        calls = [asyncio.create_task(client.complete(f"{number} is")) for number in range(100 if paced else AT_FIRST)]
        await held.full()
        await client.close()
        with pytest.raises(UsageError, match="closed before this call had ended"):
            await calls[-1]
        ended = await outcomes(calls)
        held.go_on.set()
        return ended

    with answering(held) as server:
        assert set(asyncio.run(asyncio.wait_for(main(server.url), 20))) == {"UsageError"}
    assert len(held.seen) == AT_FIRST


def test_a_call_that_waits_for_its_next_attempt_ends_with_the_client() -> None:
    async def main(url: str) -> None:
        refused = asyncio.Event()
        client = AsyncClient(url, api_key=KEY, pace=True, on_wait=lambda _: refused.set())
        call = asyncio.create_task(client.complete("A"))
        await refused.wait()
        await client.close()
        with pytest.raises(UsageError, match="closed before this call had ended"):
            await call

    with answering(lambda _: Answered({"error": "busy"}, 503, {"retry-after-ms": "100"})) as server:
        asyncio.run(main(server.url))
    assert len(server.requests) == 1


def test_a_client_that_was_closed_begins_anew() -> None:
    async def main(url: str) -> str:
        client = AsyncClient(url, api_key=KEY, pace=True)
        await client.complete("A")
        await client.close()
        async with client:
            return (await client.complete("B")).text

    with answering(lambda _: TAKEN) as server:
        assert asyncio.run(main(server.url)) == "ok"


@pytest.mark.parametrize("paced", [True, False])
def test_loops_that_follow_one_another_share_connections(paced: bool) -> None:
    async def main(client: AsyncClient) -> Counter[str]:
        return await outcomes([asyncio.create_task(client.complete(f"{number} is")) for number in range(40)])

    with answering(lambda _: TAKEN) as server:
        client = AsyncClient(server.url, api_key=KEY, pace=paced)
        for _ in range(3):
            assert asyncio.run(main(client)) == {"Completion": 40}


@pytest.mark.parametrize("paced", [True, False])
def test_loops_in_threads_do_not_wait_for_each_other(paced: bool) -> None:
    found: list[Counter[str]] = []

    async def main(client: AsyncClient) -> None:
        found.append(await outcomes([asyncio.create_task(client.complete(f"{number} is")) for number in range(40)]))

    with answering(lambda _: TAKEN) as server:
        client = AsyncClient(server.url, api_key=KEY, pace=paced)
        threads = [threading.Thread(target=lambda: asyncio.run(main(client)), daemon=True) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert found == [{"Completion": 40}] * 4
        asyncio.run(client.close())


def test_what_one_loop_has_learned_holds_for_the_next() -> None:
    """The first asks to wait for longer than a call may take."""

    async def main(client: AsyncClient, error: type[Exception]) -> None:
        with pytest.raises(error):
            await client.complete("A")

    with answering(lambda _: Answered({"error": "busy"}, 429, {"retry-after": "30"})) as server:
        client = AsyncClient(server.url, api_key=KEY, pace=True, deadline=1)
        asyncio.run(main(client, RateLimitError))
        asyncio.run(main(client, RequestTimeoutError))
    assert len(server.requests) == 1


def test_ten_thousand_calls_that_wait_are_cancelled_and_the_last_one_goes() -> None:
    held = Held()

    async def main(url: str) -> str:
        async with AsyncClient(url, api_key=KEY, pace=True) as client:
            calls = [asyncio.create_task(client.complete(f"{number} is")) for number in range(10_000)]
            await held.full()
            for call in calls[:-1]:
                call.cancel()
            held.go_on.set()
            return (await calls[-1]).text

    with answering(held) as server:
        assert asyncio.run(main(server.url)) == "ok"
    assert held.seen[AT_FIRST:] == ["9999 is"]
