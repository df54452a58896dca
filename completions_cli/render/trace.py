"""The HTTP exchange on stderr, for -v: what went out and what came back, secrets masked."""

import codecs
from collections.abc import Mapping

from completions_cli.api import headers
from completions_cli.api.headers import MASK
from completions_cli.api.masking import Mask
from completions_cli.models import HttpRequest
from completions_cli.render.request import masked
from completions_cli.streams import Messages, Output

# A body without line breaks is shown all the same, so many characters late.
_LONGEST_HELD = 8192


class TraceLines:
    """Shows requests and the heads of answers; bodies too when `bodies` is true.

    A secret that a server sends back to us is masked in its answer as well. Bodies are shown a line at a time.
    Text that `beside` shows on the same terminal is not run into.
    """

    def __init__(self, stderr: Messages, *, bodies: bool, beside: Output | None = None) -> None:
        self._stderr = stderr
        self._beside = beside if stderr.is_terminal else None
        self._bodies = bodies
        self._mask = Mask()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""  # a line of a body that is still to end: it may hold the beginning of a secret

    def request(self, request: HttpRequest) -> None:
        """Show a request about to be sent."""
        shown = masked(request)
        for name, value in request.headers.items():
            if shown[name] != value:
                self._mask.add_header(name, value)
        for secret in headers.query_secrets(request.url):
            self._mask.add(secret)
        self._line(f"> {request.method} {request.url}")
        for name, value in shown.items():
            self._line(f"> {name}: {value}")
        if self._bodies and request.body:
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
        text = self._held + self._decoder.decode(received)
        ended = max(text.rfind("\n"), text.rfind("\r")) + 1 or max(0, len(text) - _LONGEST_HELD)
        self._held = text[ended:]
        self._body_lines(text[:ended])

    def _body_lines(self, text: str) -> None:
        for line in self._mask.text(text).splitlines():
            self._line(f"< {line}")

    def _line(self, text: str) -> None:
        if self._beside is not None and self._beside.is_midline:
            self._stderr.raw("\n")
            self._beside.is_midline = False
        self._stderr.line(self._mask.text(text))
