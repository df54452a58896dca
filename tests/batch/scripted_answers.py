"""Answers for scripted servers of a batch."""

import json

from tests.scripted_server import response


def answer(model: str | None = "a", reason: str = "stop") -> bytes:
    """Put an answer of a model together."""
    choice = {"index": 0, "text": "ok", "finish_reason": reason}
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    return response(json.dumps({"choices": [choice], "model": model, "usage": usage}).encode())


REFUSED = response(b'{"error":{"message":"this row is bad","code":"x"}}', "422 Unprocessable Entity")
BUSY = response(b'{"error":{"message":"try later"}}', "500 Internal Server Error")
