"""Faults that put an error, or a redirect, in the answer's place; the errors stand in `answers.toml`."""

import email.utils
import math
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import cast
from urllib.parse import quote

from completions_cli.emulator.behaviours import Head
from completions_cli.emulator.behaviours.foundry import HELP
from completions_cli.emulator.faults.kinds import Fault, Target
from completions_cli.emulator.reply import JSON, Reply
from completions_cli.wall_clock import unix_time

_ELSEWHERE = "http://redirected.invalid/completions"
_FOLLOWED = "redirected=1"


def answers() -> Iterator[Fault]:
    """Return every fault of this file's kind."""
    table = tomllib.loads(files(__package__).joinpath("answers.toml").read_text(encoding="utf-8"))
    for kind, entry in table.items():
        yield _from_table(kind, entry)
    for kind, summary, answer in (
        ("redirect", "307 to another host", _redirect),
        ("redirect-once", "307 to the same host, which then answers", _redirect_once),
        ("redirect-loop", "308 to itself, endlessly", _redirect_again),
    ):
        yield Fault(kind=kind, summary=summary, target=Target.REQUEST, answer=answer)


def _from_table(kind: str, entry: Mapping[str, object]) -> Fault:
    headers = {"content-type": cast("str", entry.get("content_type", JSON))}
    headers |= cast("dict[str, str]", entry.get("headers", {}))
    body = cast("str", entry["body"])

    def answer(_: Head, wait: float) -> Reply:
        filled = {name: _filled(value, wait) for name, value in headers.items()}
        return Reply(int(kind[:3]), _filled(body, wait).encode(), filled)

    seconds = cast("float | None", entry.get("seconds"))
    return Fault(
        kind=kind,
        summary=cast("str", entry["summary"]),
        target=Target.REQUEST,
        value=seconds or 0.0,
        value_name="SECONDS" if seconds else None,
        answer=answer,
    )


def _filled(text: str, wait: float) -> str:
    if "$" not in text:
        return text
    date = email.utils.formatdate(math.ceil(unix_time() + wait), usegmt=True)
    for name, value in (
        ("$SECONDS", str(math.ceil(wait))),
        ("$MILLISECONDS", str(math.ceil(wait * 1000))),
        ("$DATE", date),
        ("$HELP", HELP),
    ):
        text = text.replace(name, value)
    return text


def _redirect(_: Head, __: float) -> Reply:
    return Reply(307, b"", {"location": _ELSEWHERE})


def _redirect_once(head: Head, _: float) -> Reply | None:
    if _FOLLOWED in head.query_string:
        return None
    return Reply(307, b"", {"location": f"{quote(head.path)}?{head.query_string}&{_FOLLOWED}"})


def _redirect_again(head: Head, _: float) -> Reply:
    return Reply(308, b"", {"location": f"{quote(head.path)}?{head.query_string}"})
