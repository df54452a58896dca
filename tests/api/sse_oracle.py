"""What the WHATWG standard §9.2.6 makes of a stream of events, written as the standard words it."""

import re

from completions_cli.api.sse import Event


def oracle(stream: bytes) -> tuple[list[tuple[str, str]], tuple[str, str] | None]:
    """Interpret a whole stream as the standard words it: on characters, fields in a buffer each."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    fields = {"data": "", "event": ""}
    events: list[tuple[str, str]] = []
    *whole, rest = re.split(r"\r\n|\n|\r", text)
    for line in [*whole, rest] if rest else whole:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if fields["data"]:
                events.append((fields["event"], fields["data"].removesuffix("\n")))
            fields = {"data": "", "event": ""}
        elif name == "data":
            fields["data"] += value + "\n"
        elif name == "event":
            fields["event"] = value
    return events, (fields["event"], fields["data"].removesuffix("\n")) if fields["data"] else None


def as_text(decoded: tuple[list[Event], Event | None]) -> tuple[list[tuple[str, str]], tuple[str, str] | None]:
    def pair(event: Event) -> tuple[str, str]:
        kind, data = event
        return kind.decode("utf-8", "replace"), data.decode("utf-8", "replace")

    events, last = decoded
    return [pair(event) for event in events], pair(last) if last else None
