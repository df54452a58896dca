"""A server that costs the client nothing: the same bytes for every request, made before the first comes."""

import contextlib
import json
import socket
import threading
from collections.abc import Iterator

_CHUNK = {
    "id": "cmpl-4086caead23641a4a0dc270ef92451c0",
    "object": "text_completion",
    "created": 1700000000,
    "model": "model",
    "choices": [{"index": 0, "finish_reason": None, "text": " word"}],
}
_LAST = {
    "id": _CHUNK["id"],
    "object": "text_completion",
    "choices": [{"index": 0, "finish_reason": "stop", "text": ""}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}


def document() -> bytes:
    """Make a whole response, not streamed."""
    choices = [{"index": 0, "text": " word", "finish_reason": "stop"}]
    body = json.dumps({**_LAST, "choices": choices}).encode()
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def stream(chunks: int) -> bytes:
    """Make a whole streamed response of so many chunks."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    event = b"data: " + json.dumps(_CHUNK).encode() + b"\n\n"
    return head + event * chunks + b"data: " + json.dumps(_LAST).encode() + b"\n\ndata: [DONE]\n\n"


@contextlib.contextmanager
def serving(answer: bytes) -> Iterator[str]:
    """Answer every POST with these bytes; give the URL. Listens on loopback alone."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _serve(connection: socket.socket, answer: bytes) -> None:
    with connection, contextlib.suppress(OSError):
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        while len(body) < length:
            body += connection.recv(65536)
        connection.sendall(answer)
