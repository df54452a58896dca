"""The HTTP exchange on stderr, for -v: what went out and what came back, secrets masked."""

import codecs
from collections.abc import Mapping

from completions_cli.api import headers
from completions_cli.api.headers import MASK
from completions_cli.models import HttpRequest
from completions_cli.render.request import masked
from completions_cli.streams import Messages


class TraceLines:
    """Shows requests and the heads of answers; bodies too when `bodies` is true.

    A secret that a server sends back to us is masked in its answer as well, though it be cut in two.
    """

    def __init__(self, stderr: Messages, *, bodies: bool) -> None:
        self._stderr = stderr
        self._bodies = bodies
        self._secrets: set[str] = set()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""  # the end of a part of a body, which may be the beginning of a secret

    def request(self, request: HttpRequest) -> None:
        """Show a request about to be sent."""
        shown = masked(request)
        for name, value in request.headers.items():
            if shown[name] != value:
                self._secrets |= {value, value.partition(" ")[2]}
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
        """Show a part of an answer's body; an empty part ends it."""
        if not self._bodies:
            return
        if not received:
            self._body_lines(self._held + self._decoder.decode(b"", final=True))
            self._held = ""
            return
        text = headers.mask(self._held + self._decoder.decode(received), self._secrets)
        held = max((_beginning_of(secret, text) for secret in self._secrets), default=0)
        self._held = text[len(text) - held :]
        self._body_lines(text[: len(text) - held])

    def _body_lines(self, text: str) -> None:
        for line in text.splitlines():
            self._line(f"< {line}")

    def _line(self, text: str) -> None:
        self._stderr.line(headers.mask(text, self._secrets))


def _beginning_of(secret: str, text: str) -> int:
    """Count the last characters of a text that are the first of a secret."""
    lengths = range(min(len(secret) - 1, len(text)), 0, -1)
    return next((length for length in lengths if text.endswith(secret[:length])), 0)
