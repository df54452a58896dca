"""The engine answers, keeps quiet, and ends at once whatever is going on."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from completions_cli.errors import ConfigError
from completions_cli.installation import install
from completions_cli.local import engine
from completions_cli.local.engine import Engine

# Runs the engine as a command would: says where it is, then waits for the end of stdin.
_HOLD = """
import sys
from pathlib import Path
from completions_cli.local import engine
with engine.running(Path(sys.argv[1])) as running:
    print(running.endpoint, running.key, flush=True)
    sys.stdin.read()
"""


# Keeps on working after Ctrl-C, as a batch that drains.
_DRAIN = """
import signal, sys, urllib.request
from pathlib import Path
from completions_cli.local import engine
with engine.running(Path(sys.argv[1])) as running:
    signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
    print("ready", flush=True)
    sys.stdin.readline()
    body = b'{"prompt": "Once", "max_tokens": 48, "ignore_eos": true}'
    request = urllib.request.Request(
        running.endpoint + "/completions", body, {"Authorization": "Bearer " + running.key}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        print(response.status, flush=True)
"""


def post(running: Engine, body: dict[str, Any], key: str | None = None) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{running.endpoint}/completions",
        json.dumps(body).encode(),
        {"Authorization": f"Bearer {key or running.key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310 - loopback
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def begin_stream(endpoint: str, key: str) -> socket.socket:
    """Open a connection and read the start of a generation that would go on for minutes."""
    host, port = endpoint.removeprefix("http://").removesuffix("/v1").split(":")
    body = json.dumps({"prompt": "Once", "max_tokens": 8000, "ignore_eos": True, "stream": True}).encode()
    connection = socket.create_connection((host, int(port)))
    connection.sendall(
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s" % (key.encode(), len(body), body)
    )
    received = b""
    while received.count(b"data:") < 3:
        received += connection.recv(4096)
    return connection


def stops_listening(endpoint: str) -> bool:
    """Wait for a process that is nobody's child any more to be gone; a dying one frees its sockets one by one."""
    host, port = endpoint.removeprefix("http://").removesuffix("/v1").split(":")
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) != 0:
                return True
    return False


@pytest.fixture(scope="module")
def running(model_path: Path) -> Any:
    with engine.running(model_path) as started:
        yield started


def test_it_completes_text(running: Engine) -> None:
    status, answer = post(running, {"prompt": "The capital of France is", "max_tokens": 2, "temperature": 0})
    assert status == 200
    assert answer["choices"][0]["text"].startswith(" Paris")


@pytest.mark.parametrize(
    ("prompt", "choices"), [("a b", 1), (["a b", "c d"], 2), ([10, 20, 30], 1), ([[10, 20], [30]], 2)]
)
def test_all_four_prompt_forms_are_answered(running: Engine, prompt: object, choices: int) -> None:
    status, answer = post(running, {"prompt": prompt, "max_tokens": 1})
    assert (status, len(answer["choices"])) == (200, choices)


def test_the_response_names_the_model_and_not_its_path(running: Engine, model_path: Path) -> None:
    _, answer = post(running, {"prompt": "a", "max_tokens": 1})
    assert answer["model"] == running.model == model_path.stem


def test_another_key_is_refused(running: Engine) -> None:
    try:
        status, _ = post(running, {"prompt": "a", "max_tokens": 1}, key="wrong")
    except (urllib.error.URLError, ConnectionError):  # llama.cpp closes without reading the body
        return
    assert status == 401


def test_the_key_is_not_in_the_repr(running: Engine) -> None:
    assert running.key not in repr(running)


def test_equal_requests_with_a_seed_give_equal_text(running: Engine) -> None:
    # Long enough, and open enough at its end, for another way of computing it to show.
    prompt = (Path(__file__).parents[2] / "LICENSE").read_text(encoding="utf-8")[:800] + " Finally, I think that"
    request = {"prompt": prompt, "max_tokens": 32, "seed": 7, "temperature": 1.0}
    texts = {post(running, request)[1]["choices"][0]["text"] for _ in range(2)}
    array = post(running, {**request, "prompt": [f"1 {prompt}", prompt, f"2 {prompt}"]})[1]
    assert texts == {array["choices"][1]["text"]}


def test_a_prompt_longer_than_the_context_is_an_error_that_says_so(running: Engine) -> None:
    status, answer = post(running, {"prompt": "word " * 9000, "max_tokens": 1})
    assert status == 400
    assert "context size" in answer["error"]["message"]
    assert answer["error"]["n_ctx"] == 8192  # all of it for one sequence


def test_an_open_generation_does_not_hold_up_the_end(model_path: Path) -> None:
    with engine.running(model_path) as started:
        connection = begin_stream(started.endpoint, started.key)
    with connection:
        connection.settimeout(10)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert stops_listening(started.endpoint)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_engine_ends_with_the_command_and_prints_nothing(model_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, model_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        endpoint, key = process.stdout.readline().decode().split()
        with begin_stream(endpoint, key) as connection:
            # To the group, as a terminal does it.
            os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
            connection.settimeout(10)
            try:
                while connection.recv(65536):
                    pass
            except ConnectionResetError:
                pass
        out, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == -number
    assert out == b""
    assert err == b"" or (number == signal.SIGINT and err.rstrip().endswith(b"KeyboardInterrupt"))
    assert stops_listening(endpoint)


def test_ctrl_c_leaves_the_engine_to_a_command_that_drains(model_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _DRAIN, model_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.stdout.readline() == b"interrupted\n"
        out, _ = process.communicate(b"\n")
    assert (process.returncode, out) == (0, b"200\n")


@pytest.mark.parametrize("content", [b"", b"GG", b"PK\x03\x04 a zip", b"\x00" * 64])
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is not a GGUF file"), engine.running(path):
        pass


def test_a_missing_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no model file .*nowhere\.gguf"), engine.running(tmp_path / "nowhere.gguf"):
        pass


def test_a_truncated_gguf_gives_the_reason_of_llama_cpp(
    model_path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "short.gguf"
    with model_path.open("rb") as whole:
        path.write_bytes(whole.read(5_000_000))
    with pytest.raises(ConfigError, match="not within the file bounds"), engine.running(path):
        pass
    assert capfd.readouterr() == ("", "")


def test_an_engine_that_cannot_even_start_is_an_error(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ConfigError, match="its process ended with code 1"), engine.running(model_path):
        pass


def test_without_the_extra_the_error_names_it(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigError) as raised, engine.running(model_path):
        pass
    assert raised.value.hint == install("local")


@pytest.mark.parametrize(
    ("logged", "otherwise", "reason"),
    [
        ("0.00.1 E llama_model_load: error loading model: mmap failed: Cannot allocate memory\n", "x", "mmap failed: "),
        (
            "0.00.3 E alloc: insufficient memory (attempted to allocate 180.00 MB)\n0.00.3 E init: failed\n",
            "x",
            "insufficient memory (attempted to allocate 180.00 MB)",
        ),
        ("terminate called\n  what():  std::bad_alloc\n", "its process ended with signal 6", "std::bad_alloc"),
        ("  what():  Resource temporarily unavailable\n", "its process ended with signal 6", "Resource temporarily"),
        ("0.00.1 I load: 200 MiB\n", "its process ended with signal 9", "its process ended with signal 9"),
    ],
)
def test_a_lack_of_memory_is_not_blamed_on_the_file(logged: str, otherwise: str, reason: str) -> None:
    error = engine.load_error(Path("m.gguf"), logged, otherwise)
    assert error.message.startswith(f"llama.cpp cannot load the model m.gguf: {reason}")
    assert "too little free memory" in str(error.hint)


def test_a_broken_file_is_blamed_whatever_memory_the_log_mentions() -> None:
    logged = "0.00.1 I llama: 200 MiB of memory\n0.00.2 E gguf_init: failed to read header\n"
    error = engine.load_error(Path("m.gguf"), logged, "x")
    assert (error.message, "complete GGUF" in str(error.hint)) == (
        "llama.cpp cannot load the model m.gguf: failed to read header",
        True,
    )
