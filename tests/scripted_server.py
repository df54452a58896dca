"""A raw socket server for tests: it answers with exactly the bytes it is given.

Each connection takes the next script; the last one is repeated. A script is a sequence of steps:
bytes are sent as one write, `Pause` waits for the test to release it, `Reset` ends with RST,
`HangUp` ends in order (as the script's end does), `Silence` keeps the connection open until the client leaves,
`Endless` sends the same until then.
"""

import contextlib
import re
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


class Reset:
    """Close with RST."""


class HangUp:
    """Close with FIN."""


class Silence:
    """Say nothing more, until the client closes or the test ends."""


@dataclass
class Pause:
    """Wait until `go` is set."""

    go: threading.Event = field(default_factory=threading.Event)


@dataclass
class Endless:
    """Send `data` again and again, until the client closes or the test ends, `seconds` between."""

    data: bytes
    seconds: float = 0.0


Step = bytes | Pause | Reset | HangUp | Silence | Endless
Script = Sequence[Step]


def response(
    body: bytes, status: str = "200 OK", headers: Sequence[str] = ("content-type: application/json",)
) -> bytes:
    """Put a whole HTTP response together, with its right Content-Length."""
    lines = [f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "connection: close"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def stream_head(headers: Sequence[str] = ("content-type: text/event-stream",)) -> bytes:
    """Begin a response whose body ends when the connection does."""
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "connection: close"]).encode() + b"\r\n\r\n"


class ScriptedServer:
    """Answers connections by script and keeps the raw bytes of each request."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        if "/" in host:  # the path of a Unix socket
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(host)
            self._listener.listen()
        else:
            self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self._host = f"[{host}]" if ":" in host else host
        self._scripts: list[Script] = []
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._closing = threading.Event()
        self.requests: list[bytes] = []
        self.arrived = threading.Condition()

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self._host}:{self.port}"

    def play(self, *scripts: Script) -> None:
        """Say how the next connections are answered; the last script stays for all that follow."""
        self._scripts = list(scripts)

    def wait_for_requests(self, count: int, timeout: float = 10) -> None:
        """Wait until so many requests have been read."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, timeout)

    def start(self) -> None:
        """Begin to accept."""
        self._spawn(self._accept)

    def close(self) -> None:
        """End all connections and threads."""
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)
        for connection in self._connections:
            connection.close()

    def _spawn(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type] # a bound method
        thread.start()
        self._threads.append(thread)  # whoever finds it there may join it

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if connection.family != socket.AF_UNIX:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections.append(connection)
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
            self._spawn(self._serve, connection, script)

    def _serve(self, connection: socket.socket, script: Script) -> None:
        try:
            request = read_request(connection)
            if not request:
                return
            with self.arrived:
                self.requests.append(request)
                self.arrived.notify_all()
            self._perform(connection, script)
        except OSError:
            pass  # the client left, or the test is over
        finally:
            connection.close()

    def _perform(self, connection: socket.socket, script: Script) -> None:
        for step in script:
            if isinstance(step, bytes):
                connection.sendall(step)
            elif isinstance(step, Pause):
                step.go.wait(timeout=30)
            elif isinstance(step, Reset):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            elif isinstance(step, Silence):
                while connection.recv(65536):
                    pass
            elif isinstance(step, Endless):
                while not self._closing.wait(step.seconds):
                    connection.sendall(step.data)
            else:
                return


def read_request(connection: socket.socket) -> bytes:
    """Read one request, its body by Content-Length. A connection closed unused gives b""."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        more = connection.recv(65536)
        if not more:
            break
        body += more
    return head + b"\r\n\r\n" + body


@contextlib.contextmanager
def scripted(host: str = "127.0.0.1") -> Iterator[ScriptedServer]:
    """Run a server for a while."""
    server = ScriptedServer(host)
    server.start()
    try:
        yield server
    finally:
        server.close()
