"""A connection kept from before that turns out closed costs no attempt: the request goes at once over a new one."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from completions_cli.errors import NetworkError
from completions_cli.models import HttpRequest
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from completions_cli.transport.patience import Patience
from completions_cli.transport.sync import SyncTransport
from tests.answers import document
from tests.command import Cli
from tests.scripted_server import HangUp, Pause, ScriptedServer, read_request, response

ANSWER = document("ok")
Send = Callable[[str, int], list[int]]


class FickleServer:
    """Answers the first request of each connection and closes it at the second, having read it.

    With `answers` false it closes at the first one already, from the second connection on.
    """

    def __init__(self, *, answers: bool = True) -> None:
        self.requests: list[bytes] = []
        self.answered = 0
        self._answers = answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        """Stop."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            if not self._read(connection) or (not self._answers and self.answered):
                return
            self.answered += 1
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
            connection.sendall(head + ANSWER)
            self._read(connection)

    def _read(self, connection: socket.socket) -> bool:
        request = read_request(connection)
        if request:
            self.requests.append(request)
        return bool(request)


@contextlib.contextmanager
def _fickle(*, answers: bool = True) -> Iterator[FickleServer]:
    server = FickleServer(answers=answers)
    yield server
    server.close()


def _request(url: str) -> HttpRequest:
    return HttpRequest(url, {"content-type": "application/json"}, b'{"prompt":"P"}')


def _send_sync(url: str, count: int) -> list[int]:
    seen = []
    with SyncTransport(Connection()) as transport:
        for _ in range(count):
            with transport.send(_request(url), Patience(10, None)) as answer:
                b"".join(answer.body())
                seen.append(answer.status)
    return seen


def _send_async(url: str, count: int) -> list[int]:
    async def exchanges() -> list[int]:
        async with AsyncTransport(Connection()) as transport:
            return [(await transport.send(_request(url))).status for _ in range(count)]

    return asyncio.run(exchanges())


def _open_async(url: str, count: int) -> list[int]:
    async def exchanges() -> list[int]:
        seen = []
        async with AsyncTransport(Connection()) as transport:
            for _ in range(count):
                async with transport.open(_request(url), Patience(10, None)) as answer:
                    b"".join([part async for part in answer.body()])
                    seen.append(answer.status)
        return seen

    return asyncio.run(exchanges())


@pytest.fixture(params=[_send_sync, _send_async, _open_async], ids=["sync", "async", "opened"])
def send(request: pytest.FixtureRequest) -> Send:
    """Send over each of the transports in turn."""
    sender: Send = request.param
    return sender


def test_a_connection_closed_at_its_second_request_is_no_failure(send: Send) -> None:
    with _fickle() as server:
        assert send(server.url, 5) == [200] * 5
        assert server.answered == 5


def test_a_server_that_closes_new_connections_too_is_one(send: Send) -> None:
    with _fickle(answers=False) as server:
        with pytest.raises(NetworkError, match="was closed before an answer came"):
            send(server.url, 2)
        assert len(server.requests) == 3  # the answered one, then one over the kept connection and one over a new one


def test_a_connection_may_be_anothers_whose_answer_is_not_seen_yet(scripted_server: ScriptedServer) -> None:
    """The library takes an answer, and its connection for another request, before anybody hears of it."""
    pause = Pause()
    scripted_server.play([pause, response(ANSWER)], [HangUp()], [response(ANSWER)])

    async def exchanges() -> list[int]:
        async with AsyncTransport(Connection()) as transport:
            first = asyncio.create_task(transport.send(_request(scripted_server.url)))
            await asyncio.to_thread(scripted_server.wait_for_requests, 1)
            second = await transport.send(_request(scripted_server.url))
            pause.go.set()
            return [(await first).status, second.status]

    assert asyncio.run(exchanges()) == [200, 200]


def test_a_batch_loses_no_row_to_kept_connections(cli: Cli, tmp_path: Path) -> None:
    rows = tmp_path / "rows.txt"
    rows.write_text("".join(f"row {number}\n" for number in range(40)), encoding="utf-8")
    with _fickle() as server:
        result = cli.service(server.url).run("batch", str(rows), "-o", str(tmp_path / "out.jsonl"), "--retries", "0")
    assert result.code == 0, result.stderr
    assert len((tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 40
