"""Server-sent events as the service writes them: `data:` lines, ended by `[DONE]`."""

from completions_cli.emulator.reply import encode_json

DONE = b"data: [DONE]\n\n"


def event(value: object) -> bytes:
    """Frame one JSON value."""
    return b"data: " + encode_json(value) + b"\n\n"
