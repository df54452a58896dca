"""The HTTP exchange on stderr, for -v: what went out and what came back, secrets masked."""

from collections.abc import Mapping

from completions_cli.api import headers
from completions_cli.api.headers import MASK
from completions_cli.models import HttpRequest
from completions_cli.render.request import masked
from completions_cli.streams import Messages


class TraceLines:
    """Shows requests and the heads of answers; bodies too when `bodies` is true.

    A secret that a server sends back to us is masked in its answer as well.
    """

    def __init__(self, stderr: Messages, *, bodies: bool) -> None:
        self._stderr = stderr
        self._bodies = bodies
        self._secrets: set[str] = set()

    def request(self, request: HttpRequest) -> None:
        """Show a request about to be sent."""
        shown = masked(request)
        self._secrets |= {
            value.removeprefix("Bearer ") for name, value in request.headers.items() if shown[name] != value
        }
        self._line(f"> POST {request.url}")
        for name, value in shown.items():
            self._line(f"> {name}: {value}")
        if self._bodies:
            self._line(f"> {request.body.decode()}")

    def response(self, version: str, status: int, reason: str, received: Mapping[str, str]) -> None:
        """Show the head of an answer."""
        self._line(f"< {version} {status} {reason}")
        for name, value in received.items():
            self._line(f"< {name}: {MASK if headers.is_sensitive(name) else value}")

    def body(self, received: bytes) -> None:
        """Show a part of an answer's body."""
        if self._bodies:
            for line in received.decode("utf-8", "replace").splitlines():
                self._line(f"< {line}")

    def _line(self, text: str) -> None:
        self._stderr.line(headers.mask(text, self._secrets))
