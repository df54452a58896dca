"""`AsyncClient(pace=True)`: a program starts all its calls at once, and the service's limits hold all the same."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from completions_cli import AsyncClient, Client, RateLimitError, RequestTimeoutError, UsageError
from tests.answering_server import Answered, answering
from tests.answers import ANSWER
from tests.emulator_process import Start
from tests.scripted_server import Script, ScriptedServer, Silence, response

KEY = "canary-0123456789"
FULL = response(b'{"error":"full"}', "429 X", [])


def call_many(url: str, count: int, **options: Any) -> Counter[str]:
    """Start calls all at once; return how many were answered, and how the others failed."""

    async def main() -> list[Any]:
        async with AsyncClient(url, api_key=KEY, **options) as client:
            calls = [client.complete(f"{number} is", max_tokens=4) for number in range(count)]
            return await asyncio.gather(*calls, return_exceptions=True)

    return Counter(type(outcome).__name__ for outcome in asyncio.run(main()))


@pytest.mark.parametrize("limit", [("--limit", "in-flight=3"), ("--rpm", "3000", "--limit", "burstless")])
def test_no_call_fails_for_a_limit_and_few_are_refused(limit: tuple[str, ...], emulator: Start) -> None:
    server = emulator(*limit, "--latency", "0.05", "--limit-headers", "none")
    assert call_many(server.url, 80, pace=True, retries=0) == {"Completion": 80}
    refused = sum(request["status"] == 429 for request in server.log())
    assert refused < 40


def test_without_a_pace_they_do(emulator: Start) -> None:
    server = emulator("--limit", "in-flight=3", "--latency", "0.05")
    assert call_many(server.url, 120, retries=0)["RateLimitError"] > 60


def test_a_limit_that_headers_tell_is_kept(emulator: Start) -> None:
    server = emulator("--rpm", "60", "--latency", "0.01")
    assert call_many(server.url, 62, pace=True) == {"Completion": 62}
    # The server may take requests in another order than they were sent in.
    assert [request["status"] for request in server.log()].count(429) <= 6


def test_one_refusal_holds_the_refused_call_alone() -> None:
    seen: list[str] = []

    def answer(body: dict[str, Any]) -> Answered:
        seen.append(body["prompt"])
        if len(seen) == 40:
            return Answered({"error": "busy"}, 503, {"retry-after": "60"})
        return Answered({"choices": [{"index": 0, "text": "ok", "finish_reason": "stop"}]})

    async def main(url: str) -> int:
        async with AsyncClient(url, api_key=KEY, pace=True) as client:
            calls = {asyncio.create_task(client.complete(f"{number} is")) for number in range(200)}
            done = 0
            while done < 199:
                ended, calls = await asyncio.wait(calls, timeout=30, return_when=asyncio.FIRST_COMPLETED)
                if not ended:
                    break
                done += len(ended)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            return done

    with answering(answer) as server:
        assert asyncio.run(main(server.url)) == 199


def test_refusals_without_end_are_given_up(scripted_server: ScriptedServer) -> None:
    scripted_server.play([FULL])
    with pytest.raises(RateLimitError):
        asyncio.run(one(scripted_server, retries=2, max_wait=0.2))


def test_the_deadline_counts_the_wait_for_a_turn(scripted_server: ScriptedServer) -> None:
    refusal = response(b'{"error":"full"}', "429 X", ["retry-after: 30"])
    scripted_server.play([refusal])

    async def main() -> None:
        async with AsyncClient(scripted_server.url, api_key=KEY, pace=True, deadline=1) as client:
            with pytest.raises(RateLimitError):
                await client.complete("P")
            with pytest.raises(RequestTimeoutError):
                await client.complete("Q")

    asyncio.run(main())
    assert len(scripted_server.requests) == 1


async def one(server: ScriptedServer, **options: Any) -> str:
    """Make one paced call."""
    async with AsyncClient(server.url, api_key=KEY, pace=True, **options) as client:
        return (await client.complete("P")).text


@pytest.mark.parametrize("how", ["cancelled", "left"])
def test_calls_that_are_given_up_leave_their_room_to_others(how: str, scripted_server: ScriptedServer) -> None:
    """More calls than may be in flight at first are given up, then one is made: its turn comes."""
    begun = b"data: " + b'{"choices":[{"index":0,"text":"a","finish_reason":null}]}\n\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    streams: list[Script] = [[head, begun, Silence()]] * 40
    scripted_server.play(*streams, [ANSWER])

    async def give_up(client: AsyncClient) -> None:
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def read() -> None:
            async with client.stream("P") as stream:
                async for _ in stream:
                    first.set_result(None)
                    if how == "left":
                        return
                    await asyncio.Event().wait()

        task = asyncio.create_task(read())
        await first
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def main() -> str:
        async with AsyncClient(scripted_server.url, api_key=KEY, pace=True) as client:
            for _ in range(40):
                await give_up(client)
            return (await client.complete("Q")).text

    assert asyncio.run(asyncio.wait_for(main(), 20)) == "ok"


def test_a_client_that_makes_one_call_at_a_time_has_no_pace() -> None:
    with pytest.raises(UsageError, match="pace"):
        Client("http://localhost:1", auth="none", pace=True)
