"""The emulator as a process: where it listens, what it writes, how it ends."""

import asyncio
import base64
import json
import resource
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from starlette.types import Message

from completions_cli.emulator import channel, content_filter
from tests.command import Cli
from tests.emulator.exchange import EOF, RESET, ask, read, request
from tests.emulator_process import EmulatorProcess, Start
from tests.spellings import SPELLINGS

ESCAPES = (
    *("as it is", "upper case", "percent-encoded", "percent-encoded twice", "percent-encoded whole", "JSON"),
    *("JSON in JSON", "JSON escapes", "repr of bytes", "hexadecimal escapes", "decimal entities"),
    *("hexadecimal entities", "hexadecimal", "base64 for URLs"),
)


@pytest.mark.parametrize(("stopper", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_within_two_seconds_open_exchanges_included(
    emulator: Start, stopper: signal.Signals, code: int
) -> None:
    server = emulator("--tokens-per-second", "0.01")
    unread = {"prompt": "word " * 60_000, "echo": True, "n": 60, "max_tokens": 0}
    passing = {"extra-parameters": "pass-through", "Connection": "keep-alive"}
    bodies = [
        request({"stream": True}),
        request(headers={"x-emulator-fault": "hang"}),
        request(),
        request()[:-1],
        request(unread, headers=passing),
    ]
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in bodies]
    for client, body in zip(clients, bodies, strict=True):
        client.sendall(body)
    assert clients[0].recv(1000)
    assert clients[-1].recv(1000)
    server.process.send_signal(stopper)
    assert server.process.wait(timeout=2) == code
    assert [read(client).end for client in clients[:-1]] == [RESET] * 4
    for client in clients:
        client.close()
    assert server.stop() == ""


def test_a_signal_ends_it_within_two_seconds_however_busy_it_is(emulator: Start) -> None:
    server = emulator()
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(40)]
    for client in clients:
        client.sendall(request({"prompt": ["word"] * 2000, "max_tokens": 4000}))
    server.process.terminate()
    assert server.process.wait(timeout=2) == 143
    for client in clients:
        client.close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_a_signal_ends_it_where_no_thread_can_be_started(emulator: Start) -> None:
    server = emulator()
    used = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (used + 4_000_000, resource.RLIM_INFINITY))
    server.process.terminate()
    assert server.process.wait(timeout=30) == 143


def test_a_port_in_use_is_an_error_naming_it(emulator: Start, cli: Cli) -> None:
    port = str(emulator().port)
    done = cli.run("emulator", "--port", port)
    assert done.code == 10
    assert done.stdout == b""
    assert f"port {port} on 127.0.0.1 is in use" in done.stderr


def test_an_address_that_is_not_this_machines_is_an_error_about_it(cli: Cli) -> None:
    done = cli.run("emulator", "--host", "203.0.113.7")
    error, hint = done.stderr.splitlines()
    assert (done.code, error.startswith("error: cannot listen on 203.0.113.7 port 0: ")) == (10, True)
    assert ("--host" in hint, "endpoint" in hint) == (True, False)


def test_nothing_is_said_of_a_start_that_fails(emulator: Start, cli: Cli) -> None:
    for words in (("--port", str(emulator().port)), ("--host", "203.0.113.7"), ("--fault", "nope")):
        shown = cli.terminal("emulator", *words).text
        assert "error" in shown
        assert not {"emulating", "warning", "http"} & set(shown.replace(":", " ").split())


def test_an_address_that_is_not_ours_is_an_error(cli: Cli) -> None:
    done = cli.run("emulator", "--host", "203.0.113.7")
    assert done.code == 10
    assert "cannot listen on 203.0.113.7" in done.stderr


def test_it_listens_where_it_is_told_and_says_so(emulator: Start) -> None:
    assert emulator("--host", "::1").url.startswith("http://[::1]:")
    assert emulator("--host", "localhost").url.startswith("http://")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert emulator("--port", str(port)).url == f"http://127.0.0.1:{port}"


def test_it_says_so_when_other_machines_can_reach_it(emulator: Start) -> None:
    server = emulator("--host", "0.0.0.0")  # noqa: S104 - what is tested
    assert server.url == f"http://127.0.0.1:{server.port}"
    warning = server.stop()
    assert warning.startswith("warning: listening on 0.0.0.0")
    assert emulator().stop() == ""


def test_a_log_that_cannot_be_written_is_an_error(cli: Cli, tmp_path: Path) -> None:
    done = cli.run("emulator", "--log", str(tmp_path / "none" / "log.jsonl"))
    assert done.code == 16
    assert "cannot write the log" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk")
def test_a_full_disk_under_the_log_ends_it_with_an_error(cli: Cli) -> None:
    process = cli.start("emulator", "--log", "/dev/full")
    assert process.stdout
    url = process.stdout.readline().decode().strip()
    with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=10) as client:
        client.sendall(request())
        assert read(client).status == 200
    _, stderr = process.communicate(timeout=10)
    assert process.returncode == 16
    assert stderr.startswith(b"error: cannot write the log /dev/full: No space left on device")
    assert b"Traceback" not in stderr


def test_without_the_extra_it_names_it(cli: Cli) -> None:
    program = (
        "import sys; sys.modules['uvicorn'] = None; sys.argv = ['completions', 'emulator'];"
        "from completions_cli.__main__ import run; run()"
    )
    done = subprocess.run([sys.executable, "-c", program], env=cli.env, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "[emulator]" in done.stderr


def test_the_help_names_the_words_that_the_content_filter_knows(cli: Cli) -> None:
    shown = " ".join(cli.run("emulator", "--help").text.split())
    assert content_filter.PROMPT_TRIGGER in shown
    assert content_filter.OUTPUT_TRIGGER in shown


def test_each_request_is_a_line_of_the_log_with_keys_masked(emulator: Start) -> None:
    server = emulator()
    secret = "hunter2-0123456789"
    ask(server, {"prompt": "x", "max_tokens": 1}, headers={"Authorization": f"Bearer {secret}", "api-key": secret})
    ask(server, b'{"prompt": "\xff"', headers={"X-Access-Token": secret, "Cookie": secret, "X-Pwd": secret})
    path = f"/elsewhere?a=b&API-Key={secret}&c&sig={secret}"
    ask(server, path=path, method="GET", headers={"Authorization": secret, "X-Signature": secret, "X-Auth": secret})
    first, second, third = server.log()
    assert [first["status"], second["status"], third["status"]] == [200, 400, 404]
    assert first["headers"]["authorization"] == "Bearer ****"
    assert first["headers"]["api-key"] == "****"
    assert first["body"] == '{"prompt": "x", "max_tokens": 1}'
    assert first["usage"] == {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    assert second["body"] == '{"prompt": "\\xff"'
    assert (third["method"], third["path"], third["query"]) == ("GET", "/elsewhere", "a=b&API-Key=****&c&sig=****")
    assert secret not in json.dumps([first, second, third])


def test_no_word_of_a_secret_is_taken_for_its_scheme(emulator: Start) -> None:
    server = emulator()
    secret = "hunter2-0123456789"
    headers = {"Cookie": f"session={secret}; theme=dark", "api-key": f"{secret} x", "Authorization": f"{secret} x"}
    ask(server, path=f"/elsewhere?a=b;code={secret}&api%2Dkey={secret};{secret}", method="GET", headers=headers)
    (seen,) = server.log()
    assert [seen["headers"][name.lower()] for name in headers] == ["****"] * 3
    assert seen["query"] == "a=b;code=****&api%2Dkey=****"


def test_the_emulators_key_is_masked_wherever_it_stands_in_the_log(emulator: Start) -> None:
    key = 'K/9 "z"+0123456789'
    server = emulator("--key", key)
    escaped = quote(key, safe="")
    ask(server, {"prompt": f"say {key}", key: 1}, headers={"X-Note": f"it is {key}"})
    ask(server, path=f"/{escaped}/x?a={escaped}&b={quote_plus(key)}", method="GET")
    first, second = server.log()
    assert json.loads(first["body"]) == {"prompt": "say ****", "****": 1}
    assert first["headers"]["x-note"] == "it is ****"
    assert (second["path"], second["query"]) == ("/****/x", "a=****&b=****")


@pytest.mark.parametrize("before", ["", "u:", "me:", "abc:"])
def test_the_emulators_key_is_masked_however_it_is_escaped(before: str, emulator: Start) -> None:
    key = 'K/9 "z"\\+0123456789'
    server = emulator("--key", key)
    told = [SPELLINGS[name](key) for name in ESCAPES]
    told.append(base64.b64encode(f"{before}{key}".encode()).decode())
    ask(server, {str(at): text for at, text in enumerate(told)})
    shown = json.loads(server.log()[0]["body"])
    assert [text for text in shown.values() if "****" not in text] == []
    assert all(len(text) < len(key) + 20 for text in shown.values()), shown


def test_a_request_is_in_the_log_before_its_answer(emulator: Start) -> None:
    server = emulator()
    for count, fault in enumerate(("reset", "close", "stream-stall"), start=1):
        ask(server, {"stream": True}, fault=fault, until=b"data: ")
        assert [record["faults"] for record in server.log()[count - 1 :]] == [[fault]]


def test_a_request_that_gets_no_answer_is_in_the_log(emulator: Start) -> None:
    server = emulator()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request(headers={"x-emulator-fault": "hang"}))
        assert server.wait_for_log(1)[0]["faults"] == ["hang"]


def test_verbose_shows_a_line_for_each_request_with_its_faults(emulator: Start) -> None:
    server = emulator("-v")
    ask(server)
    ask(server, path="/nowhere%1b%0aPOST?key=canary")
    ask(server, fault="429")
    server.stop()
    assert server.stderr == [
        "POST /completions 200\n",
        "POST /nowhere%1B%0APOST 404\n",
        "POST /completions 429 429\n",
    ]


def test_quiet_wins_over_verbose(emulator: Start) -> None:
    server = emulator("-v", "-q")
    ask(server)
    server.stop()
    assert server.stderr == []


@pytest.mark.skipif(sys.platform == "win32", reason="files have no modes there")
def test_nobody_else_can_read_a_new_log(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with EmulatorProcess(log=log):
        assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_body_that_never_comes_does_not_keep_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_BODY_SECONDS", 0)

    class Transport:
        """Tells when it is ended."""

        def __init__(self) -> None:
            self.is_ended = asyncio.Event()

        def abort(self) -> None:
            """End the connection."""
            self.is_ended.set()

    async def receive_for_ever() -> bytes | None:
        transport = Transport()

        async def receive() -> Message:
            await transport.is_ended.wait()
            return {"type": "http.disconnect"}

        async def send(_: Message) -> None:
            raise AssertionError

        return await channel.Channel({channel.TRANSPORT: transport}, receive, send).body()

    assert asyncio.run(receive_for_ever()) is None


def test_the_log_is_added_to(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    for _ in range(2):
        with EmulatorProcess(log=log) as server:
            ask(server)
    assert len(server.log()) == 2


def test_a_client_that_leaves_ends_its_stream(emulator: Start) -> None:
    server = emulator("--tpm", "1000000")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request({"stream": True}, headers={"x-emulator-fault": "stream-stall"}))
        assert client.recv(1000)
    assert ask(server).status == 200
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(timeout=2)


def test_a_client_that_ends_its_side_of_the_connection_has_left(emulator: Start) -> None:
    server = emulator()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(request({"stream": True}, headers={"x-emulator-fault": "stream-stall"}))
        assert client.recv(1000)
        client.shutdown(socket.SHUT_WR)
        assert read(client).end == EOF


def test_a_connection_serves_request_after_request(emulator: Start) -> None:
    server = emulator()
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        asked = (({"prompt": "x"}, b"}}"), ({"stream": True}, b"\r\n0\r\n\r\n"), ({"max_tokens": "wrong"}, b"}")) * 3
        for body, end in asked:
            client.sendall(request(body, headers={"Connection": "keep-alive"}))
            answer = b""
            while not answer.endswith(end):
                answer += client.recv(65536)
    assert len(server.log()) == 9


def test_many_requests_at_once_are_all_answered(emulator: Start) -> None:
    server = emulator("--latency", "0.2")
    clients = [socket.create_connection(("127.0.0.1", server.port), timeout=30) for _ in range(500)]
    for client in clients:
        client.sendall(request({"prompt": "x", "stream": True, "max_tokens": 20}))
    answers = [read(client) for client in clients]
    for client in clients:
        client.close()
    assert all(answer.events[-1] == "[DONE]" for answer in answers)
