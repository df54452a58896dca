"""Answers of a server to `POST /completions`, as bytes."""

import json
from typing import Any

from tests.scripted_server import response

DONE = b"data: [DONE]\n\n"


def document(*texts: str, reason: str | None = "stop", **fields: Any) -> bytes:
    """Return a response object with a choice for each text."""
    choices = [{"index": index, "text": text, "finish_reason": reason} for index, text in enumerate(texts)]
    return json.dumps({"choices": choices, **fields}, separators=(",", ":")).encode()


def answer(*texts: str, reason: str | None = "stop", **fields: Any) -> bytes:
    """Return a whole HTTP response with a choice for each text."""
    return response(document(*texts, reason=reason, **fields))


def event(text: str, reason: str | None = None, *, index: int = 0) -> bytes:
    """Return an event of a stream with a piece of one choice."""
    choice = {"index": index, "text": text, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


ANSWER = answer("ok")
