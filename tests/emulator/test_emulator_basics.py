"""The emulator as its users meet it: a process, a URL, plain HTTP."""

import http.client
import json
import signal
import socket
from collections.abc import Callable

import pytest

from tests.emulator_process import EmulatorProcess

VERSION = "?api-version=2024-04-01-preview"
Start = Callable[..., EmulatorProcess]


def post(
    emulator: EmulatorProcess, body: object, path: str = "/completions" + VERSION, **headers: str
) -> tuple[int, dict[str, str], str]:
    """Send one request and read its answer: status, headers, text."""
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=20)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Authorization": "Bearer k", "Content-Type": "application/json"} | headers
    connection.request("POST", path, data, {name.replace("_", "-"): value for name, value in sent.items() if value})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, dict(response.getheaders()), text


def test_plain_answer(emulator: Start) -> None:
    status, headers, text = post(emulator(), {"prompt": "This is a very good text"})
    answer = json.loads(text)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["index"] == 0
    assert answer["choices"][0]["text"]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_stream_says_the_same_as_the_plain_answer(emulator: Start) -> None:
    server = emulator()
    request = {"prompt": ["one", "two"], "seed": 3}
    plain = json.loads(post(server, request)[2])
    _, headers, text = post(server, request | {"stream": True})
    events = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
    assert headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    for choice in plain["choices"]:
        own = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == choice["index"]]
        assert "".join(part["text"] for part in own) == choice["text"]
        assert own[-1]["finish_reason"] == choice["finish_reason"]
    assert chunks[-1]["usage"] == plain["usage"]
    indexes = [chunk["choices"][0]["index"] for chunk in chunks[:4]]
    assert indexes == [0, 1, 0, 1]


@pytest.mark.parametrize("stopper", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_two_seconds_open_streams_included(emulator: Start, stopper: signal.Signals) -> None:
    server = emulator("--tokens-per-second", "0.1")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        body = b'{"prompt":"x","stream":true}'
        head = f"POST /completions{VERSION} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k\r\n"
        client.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert client.recv(1000)
        server.process.send_signal(stopper)
        server.process.wait(timeout=2)


def test_log_has_each_request_with_keys_masked(emulator: Start) -> None:
    server = emulator()
    post(server, {"prompt": "x"}, Authorization="Bearer hunter2", api_key="hunter2")
    (record,) = server.log()
    assert record["status"] == 200
    assert record["body"] == '{"prompt": "x"}'
    assert record["headers"]["authorization"] == "Bearer ****"
    assert record["headers"]["api-key"] == "****"
    assert "hunter2" not in json.dumps(record)
