"""A server on a real socket that answers each request by a function of its body."""

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answered:
    """What goes back: a status, a JSON document (or the body's bytes), and headers."""

    document: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """The bytes to send."""
        return self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()


_NO_LIMIT = 1 << 20
Answer = Callable[[dict[str, Any]], Answered]


class AnsweringServer:
    """Keeps the bodies of the `requests` it was sent, in the order in which they came, and their `heads`.

    Beyond `most_connections` it closes each new one at once; `turned_away` counts them.
    """

    def __init__(self, answer: Answer, most_connections: int | None = None) -> None:
        self.answer = answer
        self.turned_away = 0
        open_ = threading.BoundedSemaphore(most_connections or _NO_LIMIT)
        self.requests: list[dict[str, Any]] = []
        self.heads: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one write: two cost 40 ms

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.heads.append(str(self.headers))
                answered = outer.take(body)
                self.send_response(answered.status)
                headers = {"content-type": "application/json", **answered.headers}
                for name, value in {**headers, "content-length": str(len(answered.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answered.body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def verify_request(self, *_: object) -> bool:
                has_room = open_.acquire(blocking=False)
                outer.turned_away += not has_room
                return has_room

            def process_request_thread(self, *request: Any) -> None:
                super().process_request_thread(*request)
                open_.release()

            def handle_error(self, *_: object) -> None:
                """Let clients leave whenever they like."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def take(self, body: dict[str, Any]) -> Answered:
        """Answer a request."""
        self.requests.append(body)
        return self.answer(body)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        """Begin to accept."""
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)


@contextlib.contextmanager
def answering(answer: Answer, most_connections: int | None = None) -> Iterator[AnsweringServer]:
    """Run a server for a while."""
    server = AnsweringServer(answer, most_connections)
    server.start()
    try:
        yield server
    finally:
        server.close()
