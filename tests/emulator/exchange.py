"""A client that hides nothing: the answer's raw bytes, and how the connection ended."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.emulator_process import EmulatorProcess

REFERENCE = "/completions?api-version=2024-04-01-preview"
EOF = "closed in order"
RESET = "reset"
SILENCE = "silent"


@dataclass(frozen=True)
class Answer:
    """All that came back."""

    raw: bytes
    end: str

    @property
    def head(self) -> str:
        return self.raw.partition(b"\r\n\r\n")[0].decode("latin-1")

    @property
    def status(self) -> int:
        return int(self.head.split(" ")[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = [line.partition(":") for line in self.head.split("\r\n")[1:]]
        return {name.lower(): value.strip() for name, _, value in lines}

    @property
    def writes(self) -> list[bytes]:
        """The body as the chunks it came in; one if it was not chunked."""
        rest = self.raw.partition(b"\r\n\r\n")[2]
        if self.headers.get("transfer-encoding") != "chunked":
            return [rest]
        chunks = []
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            chunks.append(rest[: int(size, 16)])
            rest = rest[int(size, 16) + 2 :]
        return [chunk for chunk in chunks if chunk]

    @property
    def body(self) -> bytes:
        return b"".join(self.writes)

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The data of a stream's events; [DONE] as text."""
        data = [event.removeprefix("data: ") for event in self.text.split("\n\n") if event]
        return [text if text == "[DONE]" else json.loads(text) for text in data]


def request(
    body: object = None,
    path: str = REFERENCE,
    *,
    method: str = "POST",
    headers: Mapping[str, str | None] | None = None,
) -> bytes:
    """Write a request; a header that is None is left out."""
    data = body if isinstance(body, bytes) else json.dumps({"prompt": "hello"} if body is None else body).encode()
    sent: dict[str, str | None] = {
        "Host": "localhost",
        "Authorization": "Bearer k",
        "Content-Type": "application/json",
        "Connection": "close",
        "Content-Length": str(len(data)),
    }
    lines = [f"{name}: {value}" for name, value in (sent | dict(headers or {})).items() if value is not None]
    return "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode() + data


def read(connection: socket.socket, until: bytes | None = None) -> Answer:
    """Read until the connection ends, falls silent or has said `until`."""
    raw = b""
    while until is None or until not in raw:
        try:
            part = connection.recv(1 << 20)
        except ConnectionResetError:
            return Answer(raw, RESET)
        except TimeoutError:
            return Answer(raw, SILENCE)
        if not part:
            return Answer(raw, EOF)
        raw += part
    return Answer(raw, SILENCE)


def ask(
    server: EmulatorProcess,
    body: object = None,
    path: str = REFERENCE,
    *,
    method: str = "POST",
    headers: Mapping[str, str | None] | None = None,
    fault: str | None = None,
    patience: float = 20,
    until: bytes | None = None,
) -> Answer:
    """Send one request on a connection of its own and read all that comes; `fault` is asked for by header."""
    asked = {"x-emulator-fault": fault} if fault else {}
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience) as connection:
        connection.sendall(request(body, path, method=method, headers={**asked, **(headers or {})}))
        return read(connection, until)
