"""Servers that cost the client nothing: nginx for whole answers, and one that sends the same bytes to all who ask."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

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
_ANSWER = {
    "id": "cmpl-1234567890",
    "object": "text_completion",
    "created": 1234567890,
    "model": "llama2-7b",
    "choices": [{"index": 0, "finish_reason": "stop", "text": ", indeed it is a good one."}],
    "usage": {"prompt_tokens": 15, "completion_tokens": 8, "total_tokens": 23},
}
_NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 10000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{answer}'; }} }}
}}
"""


@contextlib.contextmanager
def nginx(answer: Mapping[str, object] = _ANSWER) -> Iterator[str]:
    """Run nginx, which gives every request the same completion; give the endpoint."""
    program = shutil.which("nginx") or sys.exit("nginx is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(_NGINX.format(folder=folder, port=port, answer=json.dumps(answer)), encoding="utf-8")
        with subprocess.Popen([program, "-c", str(config), "-e", "stderr"]) as process:
            try:
                _await(port)
                yield f"http://127.0.0.1:{port}/v1"
            finally:
                process.terminate()


def _await(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit("nginx does not start")


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
