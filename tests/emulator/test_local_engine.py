"""The engine `local`: the embedded model behind the emulator, and a model server that misbehaves."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from completions_cli.emulator.call import Call, Delta
from completions_cli.emulator.engines import ModelError
from completions_cli.emulator.engines.served import ServedEngine
from completions_cli.emulator.engines.upstream import Upstream
from tests.emulator.exchange import ask, read, request
from tests.emulator_process import EmulatorProcess
from tests.local_weights import DATA_HOME, weights_path
from tests.scripted_server import HangUp, Reset, ScriptedServer, Silence, response, stream_head

CALL = Call(prompts=("a",), model="m", max_tokens=5, seed=7, stop=("x",))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    weights_path()
    log: Path = tmp_path_factory.mktemp("local") / "log.jsonl"
    with EmulatorProcess("--engine", "local", log=log, env={"XDG_DATA_HOME": str(DATA_HOME)}) as process:
        yield process
    assert process.stderr == []


def test_a_real_model_answers_several_prompts_by_index_with_usage_that_adds_up(server: EmulatorProcess) -> None:
    answer = ask(
        server, {"prompt": ["The capital of France is", "One, two, three,"], "max_tokens": 6, "temperature": 0}
    )
    document = answer.json()
    assert [choice["index"] for choice in document["choices"]] == [0, 1]
    assert "Paris" in document["choices"][0]["text"]
    assert "four" in document["choices"][1]["text"]
    assert document["usage"] == {"prompt_tokens": 5 + 6, "completion_tokens": 12, "total_tokens": 23}
    assert document["model"].startswith("SmolLM2")


def test_tokens_are_prompts_too(server: EmulatorProcess) -> None:
    answer = ask(server, {"prompt": [[19556, 905], [19556]], "max_tokens": 2})
    assert answer.json()["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def test_it_streams_choices_side_by_side(server: EmulatorProcess) -> None:
    request = {"prompt": ["Once upon a time", "Hello"], "max_tokens": 8, "temperature": 0, "stop": ["\n"]}
    whole = ask(server, request).json()
    *chunks, done = ask(server, {**request, "stream": True}).events
    assert done == "[DONE]"
    assert (
        chunks[-1]["usage"]["total_tokens"] == sum(chunks[-1]["usage"].values()) - chunks[-1]["usage"]["total_tokens"]
    )
    for choice in whole["choices"]:
        own = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == choice["index"]]
        assert own[-1]["finish_reason"]
        assert "\n" not in "".join(part["text"] for part in own)


def test_what_the_model_refuses_has_a_status_streamed_or_not(server: EmulatorProcess) -> None:
    for stream in (False, True):
        answer = ask(server, {"prompt": "word " * 5000, "stream": stream})
        assert answer.status == 400
        assert "exceeds the available context size" in answer.json()["message"]


def test_no_tokens_are_no_request(server: EmulatorProcess) -> None:
    assert ask(server, {"prompt": "x", "max_tokens": 0}).json()["choices"][0]["text"] == ""
    assert ask(server, {"prompt": "x", "max_tokens": 0, "stream": True}).events[-1] == "[DONE]"


def test_passed_through_parameters_reach_the_model(server: EmulatorProcess) -> None:
    passing = {"extra-parameters": "pass-through"}
    body = {"prompt": "Hello", "max_tokens": 4, "seed": 1}
    greedy = ask(server, {**body, "top_k": 1}, headers=passing).json()
    assert greedy["choices"][0]["text"] == ask(server, {**body, "temperature": 0}).json()["choices"][0]["text"]
    assert len(ask(server, {**body, "n": 3}, headers=passing).json()["choices"]) == 3
    assert ask(server, {**body, "echo": True}, headers=passing).json()["choices"][0]["text"].startswith("Hello")


def engine(server: ScriptedServer) -> ServedEngine:
    return ServedEngine(Upstream(server.url, "secret"), "m")


async def collect(served: ServedEngine, call: Call) -> list[Delta]:
    async with aclosing(served.stream(call)) as deltas:
        return [delta async for delta in deltas]


def event(text: str, reason: str | None = None, tokens: int = 0) -> bytes:
    choice = {"index": 0, "text": text, "finish_reason": reason}
    usage = {"usage": {"completion_tokens": tokens}} if reason else {}
    return b"data: " + json.dumps({"choices": [choice], **usage}).encode() + b"\n\n"


def test_the_model_is_asked_with_its_key_and_every_parameter(scripted_server: ScriptedServer) -> None:
    answer = {"choices": [{"text": "b", "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}
    scripted_server.play([response(json.dumps(answer).encode())])
    asyncio.run(engine(scripted_server).complete(CALL))
    head, _, body = scripted_server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/completions HTTP/1.1\r\n")
    assert b"authorization: Bearer secret" in head
    sent = json.loads(body)
    assert (sent["prompt"], sent["max_tokens"], sent["seed"], sent["stop"]) == ("a", 5, 7, ["x"])


def test_null_between_prompts_and_tokens_without_text_do_no_harm(scripted_server: ScriptedServer) -> None:
    stream = (
        stream_head() + event("one") + b"data: null\n\n" + event(" two") + event("", "stop", 4) + b"data: [DONE]\n\n"
    )
    scripted_server.play([stream])
    deltas = asyncio.run(collect(engine(scripted_server), CALL))
    assert [(delta.text, delta.tokens) for delta in deltas] == [("one", 1), (" two", 1), ("", 2)]


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ([response(b'{"error":{"message":"too hot"}}', "400 Bad Request")], 400, "too hot"),
        ([response(b"<html>", "503 Service Unavailable")], 503, "<html>"),
        ([HangUp()], 502, "the model server"),
        ([Reset()], 502, "the model server"),
        ([response(b'{"choices": []}')[:-5], HangUp()], 502, "the model server broke off"),
        ([stream_head() + event("one") + b'data: {"error":{"message":"lost"}}\n\n'], 500, "lost"),
    ],
)
def test_a_model_server_that_fails(
    scripted_server: ScriptedServer, script: list[bytes | HangUp | Reset], status: int, message: str
) -> None:
    scripted_server.play(script)
    with pytest.raises(ModelError) as failed:
        asyncio.run(collect(engine(scripted_server), CALL))
    assert failed.value.status == status
    assert message in failed.value.message


def test_a_model_server_that_is_gone(scripted_server: ScriptedServer) -> None:
    served = engine(scripted_server)
    scripted_server.close()
    with pytest.raises(ModelError, match="gone"):
        asyncio.run(served.prompt_tokens(CALL))


def test_a_client_that_leaves_ends_the_generation(scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head() + event("one"), Silence()])
    called = Call(prompts=("a", "b"), model="m", max_tokens=5)

    async def leave() -> None:
        async with aclosing(engine(scripted_server).stream(called)) as deltas:
            await anext(deltas)

    asyncio.run(leave())
    for thread in scripted_server._threads[1:]:
        thread.join(timeout=5)
        assert not thread.is_alive()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the model's process in /proc")
def test_a_model_that_dies_is_told_in_the_stream_and_then_by_status(tmp_path: Path) -> None:
    weights_path()
    env = {"XDG_DATA_HOME": str(DATA_HOME)}
    log = tmp_path / "log.jsonl"
    with EmulatorProcess("--engine", "local", "--tokens-per-second", "20", log=log, env=env) as server:
        pid = server.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(request({"prompt": "Once upon a time", "max_tokens": 4000, "stream": True}))
            assert b"data: {" in read(client, until=b"\n\n").raw
            for child in children:
                os.kill(int(child), signal.SIGKILL)
            assert b'data: {"error":{"code":"500","message":"The model failed."}}\n\n' in read(client).raw
        after = ask(server)
        assert after.status == 502
        assert after.json()["message"].startswith("the model server")
    assert server.stderr == []
