"""An OAuth2 authority of the tests' own, over TLS with a certificate of the tests' own authority."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import trustme

WRONG_SECRET = {
    "error": "invalid_client",
    "error_description": "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request "
    "is the client secret value, not the client secret ID.\r\nTrace ID: t-1\r\nCorrelation ID: c-1",
    "error_codes": [7000215],
    "trace_id": "t-1",
}


class Authority:
    """Issues token-1, token-2, ... to everyone; `answers` come first while there are any."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        self.ca_file = folder / "authority-ca.pem"
        ca.cert_pem.write_to_path(str(self.ca_file))
        self.answers: list[tuple[int, object]] = []
        self.lifetime: object = 3599
        self.forms: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.heads: list[dict[str, str]] = []
        self.silence: threading.Event | None = None
        self._issued = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that leaves is no error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"https://localhost:{self._server.server_port}"

    def answer(self, form: dict[str, str]) -> tuple[int, object]:
        """Decide on the next answer."""
        self.forms.append(form)
        if self.silence is not None:
            self.silence.wait(30)
        if self.answers:
            return self.answers.pop(0)
        self._issued += 1
        token = f"token-{self._issued}-" + "x" * 1500
        return 200, {"token_type": "Bearer", "expires_in": self.lifetime, "access_token": token}

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """End, whoever is still waiting."""
        if self.silence is not None:
            self.silence.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def _handler(authority: "Authority") -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Describe the tenant, as azure-identity asks."""
                authority.heads.append(dict(self.headers.items()))
                tenant = self.path.split("/")[1]
                self._send(
                    200,
                    {
                        "issuer": f"{authority.url}/{tenant}/v2.0",
                        "authorization_endpoint": f"{authority.url}/{tenant}/oauth2/v2.0/authorize",
                        "token_endpoint": f"{authority.url}/{tenant}/oauth2/v2.0/token",
                    },
                )

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                authority.paths.append(self.path)
                authority.heads.append(dict(self.headers.items()))
                self._send(*authority.answer(dict(parse_qsl(body))))

            def _send(self, status: int, answer: object) -> None:
                data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                if isinstance(answer, dict) and "location" in answer:
                    self.send_header("location", str(answer["location"]))
                self.send_header("content-type", "text/html" if isinstance(answer, bytes) else "application/json")
                self.send_header("set-cookie", "session=canary-cookie; Path=/")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
                """Stay silent."""

        return Handler


@contextmanager
def running(folder: Path) -> Iterator[Authority]:
    """Run an authority for a while."""
    authority = Authority(folder)
    authority.start()
    try:
        yield authority
    finally:
        authority.stop()
