"""Clients in programs that fork, thread, cancel, pickle and leave things half done."""

import asyncio
import copy
import gc
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from completions_cli import AsyncClient, Client, CompletionsError, RateLimitError, UsageError, Wait
from tests.answers import ANSWER
from tests.scripted_server import Pause, ScriptedServer, Silence, response, stream_head

KEY = "canary-0123456789"
forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


class Echo(BaseHTTPRequestHandler):
    """Answers with the prompt, over connections that are kept; streams it word by word."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece, or the second waits for the first to be acknowledged

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        words = asked["prompt"].split(" ") if asked.get("stream") else [asked["prompt"]]
        parts = [
            {"choices": [{"index": 0, "text": word, "finish_reason": "stop" if at == len(words) else None}]}
            for at, word in enumerate(words, 1)
        ]
        self.send_response(200)
        if asked.get("stream"):
            body = b"".join(b"data: %s\n\n" % json.dumps(part).encode() for part in parts) + b"data: [DONE]\n\n"
            self.send_header("content-type", "text/event-stream")
        else:
            body = json.dumps(parts[0]).encode()
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def echo() -> Iterator[str]:
    """Give the URL of a server that answers with the prompt."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


PROGRAM = """
import asyncio, multiprocessing, os, sys, threading
from completions_cli import AsyncClient, Client, CompletionsError

URL = sys.argv[1]
client = Client(URL, api_key="k-0123456789")
awaited = AsyncClient(URL, api_key="k-0123456789")

def ask(number):
    return [client.complete(f"{number}.{turn}").text for turn in range(20)]

def ask_awaited(number):
    async def all_of_them():
        async with AsyncClient(URL, api_key="k-0123456789") as own:
            return [(await own.complete(f"{number}.{turn}")).text for turn in range(20)]
    return asyncio.run(all_of_them())

def wanted(number):
    return [f"{number}.{turn}" for turn in range(20)]

def in_a_child(act):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if act() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""
CASES = {
    "a pool that inherits a used client": """
assert client.complete("first").text == "first"
with multiprocessing.get_context("fork").Pool(4) as pool:
    assert pool.map(ask, range(8)) == [wanted(number) for number in range(8)]
assert ask("parent") == wanted("parent")
""",
    "a fork while threads are in calls": """
stop = threading.Event()
def keep_asking():
    while not stop.is_set():
        assert client.complete("thread").text == "thread"
threads = [threading.Thread(target=keep_asking) for _ in range(4)]
for thread in threads: thread.start()
try:
    assert all(in_a_child(lambda: ask(number) == wanted(number)) for number in range(10))
finally:
    stop.set()
for thread in threads: thread.join()
""",
    "a child that closes, and ends": """
assert client.complete("first").text == "first"
def close():
    client.close()
    return True
assert in_a_child(close)
assert client.complete("after").text == "after"
def use_and_close():
    with client:
        return client.complete("child").text == "child"
assert in_a_child(use_and_close)
assert ask("parent") == wanted("parent")
""",
    "a stream over a fork": """
stream = client.stream("one two three")
deltas = iter(stream)
assert next(deltas).text == "one"
def read_on():
    text = ""
    try:
        for delta in deltas:
            text += delta.text
    except CompletionsError as error:
        return "before a fork" in error.message and ask("child") == wanted("child")
    return False
# What came with the first word may still be read; nothing more of the connection.
pid_text = in_a_child(read_on)
assert "".join(delta.text for delta in deltas) == "twothree"
assert ask("parent") == wanted("parent")
""",
    "an awaited client that nobody has used": """
assert in_a_child(lambda: ask_awaited("child") == wanted("child"))
assert ask_awaited("parent") == wanted("parent")
""",
    "an awaited client that was used": """
assert asyncio.run(awaited.complete("first")).text == "first"
def refused():
    for call in (lambda: asyncio.run(awaited.complete("P")), lambda: ask_awaited("child")):
        try:
            call()
        except CompletionsError as error:
            assert "forked" in error.message and "Client" in error.hint and error.kind == "usage", error
        else:
            return False
    return ask("child") == wanted("child")
assert in_a_child(refused)
assert asyncio.run(awaited.complete("after")).text == "after"
""",
}


@forking
@pytest.mark.parametrize("case", CASES)
def test_a_fork_gets_its_own_answers(case: str, echo: str) -> None:
    program = PROGRAM + CASES[case] + "\nprint('all right')\n"
    done = subprocess.run(
        [sys.executable, "-c", program, echo], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "all right\n", done.stderr


def test_a_call_imports_nothing(echo: str) -> None:
    """A fork while another thread imports a module would leave the child waiting for that module for ever."""
    program = """
import sys
from completions_cli import Client, CompletionsError
client = Client(sys.argv[1], api_key="k-0123456789", retries=0)
lost = Client("https://localhost:1", api_key="k-0123456789", retries=0)
before = set(sys.modules)
client.complete("one")
list(client.stream("one two"))
for call in (client.models, lambda: lost.complete("one"), lambda: lost.complete(None)):
    try:
        call()
    except CompletionsError:
        pass
print(sorted(set(sys.modules) - before))
"""
    done = subprocess.run([sys.executable, "-c", program, echo], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"


def test_a_spawned_process_makes_its_own(echo: str) -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_ask_alone, (echo,)) == "P"


def _ask_alone(url: str) -> str:
    with Client(url, api_key=KEY) as client:
        return client.complete("P").text


def test_request_ids_of_a_fork_are_its_own(scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER])
    client = Client(scripted_server.url, api_key=KEY)
    client.complete("P")
    if hasattr(os, "fork"):
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                client.complete("P")
                os._exit(0)
            os.waitpid(pid, 0)
    lines = [line for request in scripted_server.requests for line in request.lower().split(b"\r\n")]
    found = [line for line in lines if line.startswith(b"x-ms-client-request-id")]
    assert len(set(found)) == len(found) == len(scripted_server.requests)


def test_threads_share_a_client(echo: str) -> None:
    with Client(echo, api_key=KEY) as client, ThreadPoolExecutor(16) as threads:
        prompts = [f"p {number}" for number in range(400)]
        assert list(threads.map(lambda prompt: client.complete(prompt).text, prompts)) == prompts
        streamed = threads.map(lambda prompt: [delta.text for delta in client.stream(prompt)], prompts)
        assert list(streamed) == [prompt.split(" ") for prompt in prompts]


@pytest.mark.parametrize("act", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_client_is_not_pickled(act: Callable[[Any], object]) -> None:
    for client in (Client("https://x.example", api_key=KEY), AsyncClient("https://x.example", api_key=KEY)):
        with pytest.raises(TypeError, match="cannot be pickled or copied: it holds connections and a key") as caught:
            act(client)
        assert KEY not in str(caught.value)


def unpickled(value: Any) -> Any:
    """Return what another process makes of a value."""
    return pickle.loads(pickle.dumps(value))  # noqa: S301 - of our own making


def test_answers_and_errors_are_pickled(scripted_server: ScriptedServer) -> None:
    scripted_server.play([ANSWER], [response(b'{"error":"busy"}', "429 X", ["x-request-id: r-1"])])
    waits: list[Wait] = []
    with Client(scripted_server.url, api_key=KEY, retries=1, max_wait=0, on_wait=waits.append) as client:
        completion = client.complete("P")
        assert unpickled(completion) == completion
        with pytest.raises(RateLimitError) as caught:
            client.complete("P")
    again = unpickled(caught.value)
    assert (str(again), again.status, again.request_id, again.__notes__) == (
        str(caught.value),
        429,
        "r-1",
        caught.value.__notes__,
    )


def test_a_traceback_ends_with_status_request_id_and_hint(scripted_server: ScriptedServer) -> None:
    body = b'{"error":{"code":"no_such_thing","message":"no such model: x"}}'
    scripted_server.play([response(body, "404 X", ["x-request-id: r-1"])])
    client = Client(scripted_server.url, api_key=KEY)
    calls: list[Callable[[], object]] = [
        lambda: client.complete("P"),
        lambda: list(client.stream("P")),
        lambda: asyncio.run(AsyncClient(scripted_server.url, api_key=KEY).complete("P")),
    ]
    for call in calls:
        with pytest.raises(CompletionsError) as caught:
            call()
        last = traceback.format_exception(caught.value)
        assert "no such model: x\nstatus 404, code no_such_thing, request id r-1\nhint: " in "".join(last)
        assert caught.value.hint
        assert caught.value.hint in last[-1]
    with pytest.raises(UsageError) as usage:
        client.complete("")
    assert traceback.format_exception(usage.value)[-1].startswith("hint: ")


def test_a_stream_that_is_left_half_way_leaves_the_client_as_it_was(scripted_server: ScriptedServer) -> None:
    first = b'data: {"choices":[{"index":0,"text":"a"}]}\n\n'
    scripted_server.play([stream_head(), first, Silence()], [stream_head(), first, Silence()], [ANSWER])
    with Client(scripted_server.url, api_key=KEY) as client:
        for delta in client.stream("P"):
            assert delta.text == "a"
            break
        stream = client.stream("P")
        assert next(iter(stream)).text == "a"
        stream.close()
        assert stream.completion.text == "a"
        assert stream.completion.finish_reason is None
        gc.collect()
        assert client.complete("P").text == "ok"


def test_an_awaited_stream_that_is_left_half_way_leaves_the_client_as_it_was(scripted_server: ScriptedServer) -> None:
    first = b'data: {"choices":[{"index":0,"text":"a"}]}\n\n'
    scripted_server.play([stream_head(), first, Silence()], [stream_head(), first, Silence()], [ANSWER])

    async def main() -> None:
        async with AsyncClient(scripted_server.url, api_key=KEY) as client:
            async for delta in client.stream("P"):
                assert delta.text == "a"
                break
            async with client.stream("P") as stream:
                async for _ in stream:
                    break
            assert (await client.complete("P")).text == "ok"

    asyncio.run(main())


def test_a_call_that_is_cancelled_in_the_middle_harms_no_other(scripted_server: ScriptedServer) -> None:
    pause = Pause()
    scripted_server.play([pause, ANSWER], [stream_head(), b": hello\n\n", pause], [ANSWER])

    async def main() -> list[str]:
        async with AsyncClient(scripted_server.url, api_key=KEY) as client:
            calls = [asyncio.create_task(client.complete("P")) for _ in range(2)]
            await asyncio.to_thread(scripted_server.wait_for_requests, 2)
            for call in calls:
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(outcome) for outcome in ended] == [asyncio.CancelledError] * 2
            return [answer.text for answer in await asyncio.gather(*[client.complete("P") for _ in range(5)])]

    assert asyncio.run(main()) == ["ok"] * 5
    pause.go.set()


def test_a_cancellation_is_not_lost_to_an_answer_that_comes_at_the_same_moment(
    scripted_server: ScriptedServer,
) -> None:
    scripted_server.play([stream_head(), b": hello\n\n", Silence()])

    async def cancelled(client: AsyncClient, count: int) -> bool:
        call = asyncio.create_task(client.complete("P"))
        await asyncio.to_thread(scripted_server.wait_for_requests, count)
        call.cancel()
        await asyncio.wait([call], timeout=10)
        return call.cancelled()

    async def main() -> list[bool]:
        async with AsyncClient(scripted_server.url, api_key=KEY) as client:
            return [await cancelled(client, count) for count in range(1, 61)]

    assert asyncio.run(main()) == [True] * 60


def test_one_client_serves_one_event_loop_after_another(echo: str) -> None:
    client = AsyncClient(echo, api_key=KEY)

    async def several() -> list[str]:
        return [answer.text for answer in await asyncio.gather(*[client.complete(f"{n}") for n in range(20)])]

    for _ in range(3):
        assert asyncio.run(several()) == [str(number) for number in range(20)]
