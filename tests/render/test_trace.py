"""The HTTP exchange as -v shows it: complete, and without a secret, wherever it stands."""

import json
import tempfile
from collections.abc import Callable

import pytest

from completions_cli.models import HttpRequest
from completions_cli.render.trace import TraceLines
from completions_cli.streams import Messages
from tests.answers import answer
from tests.command import Cli
from tests.scripted_server import ScriptedServer

SECRET = "canary-0123456789"
REQUEST = HttpRequest(
    f"https://example.com/completions?code={SECRET}",
    {"authorization": f"Bearer {SECRET}", "api-key": SECRET, "x-team": "blue", "x-private": "hush-hush-hush"},
    b'{"prompt":"a\xc3\xa9"}',
    frozenset({"x-private"}),
)


def bytewise(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def traced(act: Callable[[TraceLines], object], *, bodies: bool = True) -> str:
    with tempfile.TemporaryFile() as file:
        trace = TraceLines(Messages(file.fileno()), bodies=bodies)
        trace.request(REQUEST)
        start = file.tell()
        act(trace)
        trace.body(b"")
        file.seek(start)
        return file.read().decode()


def whole_trace(*, bodies: bool) -> str:
    with tempfile.TemporaryFile() as file:
        trace = TraceLines(Messages(file.fileno()), bodies=bodies)
        trace.request(REQUEST)
        trace.response("HTTP/1.1", 200, "OK", {"x-request-id": "r-1", "set-cookie": "s=1", "x-echo": SECRET})
        trace.body(b'{"a":1}\n')
        trace.body(b"")
        file.seek(0)
        return file.read().decode()


def test_the_exchange_is_shown_line_by_line() -> None:
    assert whole_trace(bodies=True) == (
        "> POST https://example.com/completions?code=****\n"
        "> authorization: Bearer ****\n> api-key: ****\n> x-team: blue\n> x-private: ****\n"
        '> {"prompt":"aé"}\n'
        "< HTTP/1.1 200 OK\n< x-request-id: r-1\n< set-cookie: ****\n< x-echo: ****\n"
        '< {"a":1}\n'
    )


def test_bodies_are_shown_only_where_wanted() -> None:
    shown = whole_trace(bodies=False)
    assert "prompt" not in shown
    assert '"a"' not in shown
    assert "< HTTP/1.1 200 OK" in shown


def test_what_is_left_of_a_rate_limit_is_shown() -> None:
    headers = {"x-ratelimit-remaining-tokens": "-5", "retry-after": "2"}
    assert "x-ratelimit-remaining-tokens: -5" in traced(lambda trace: trace.response("HTTP/1.1", 429, "", headers))


@pytest.mark.parametrize("secret", [SECRET, "hush-hush-hush"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 100])
def test_a_secret_that_a_server_sends_back_is_masked_however_it_is_cut(secret: str, size: int) -> None:
    body = f"before {secret} between {secret}{secret} after é\n".encode()

    def act(trace: TraceLines) -> None:
        for at in range(0, len(body), size):
            trace.body(body[at : at + size])

    shown = traced(act).replace("\n< ", "").removeprefix("< ")
    assert shown == "before **** between ******** after é\n"


def test_what_only_begins_like_a_secret_is_shown_in_the_end() -> None:
    def act(trace: TraceLines) -> None:
        trace.body(b"is it canary-")
        trace.body(b"99?\n")
        trace.body(b"the end: canary-\xc3")

    shown = traced(act).replace("\n< ", "")
    assert "canary-99?" in shown
    assert shown.endswith("the end: canary-\ufffd\n")


def test_a_character_cut_over_two_parts_is_shown_whole() -> None:
    def act(trace: TraceLines) -> None:
        for part in bytewise("é😀\n".encode()):
            trace.body(part)

    assert traced(act).replace("\n< ", "") == "< é😀\n"


def test_what_a_server_says_cannot_drive_the_terminal() -> None:
    def act(trace: TraceLines) -> None:
        trace.response("HTTP/1.1", 200, "\x1b[2J", {"x": "\x1b]0;t\x07"})
        trace.body("\x1b[31m\x9b\n".encode())

    shown = traced(act)
    assert shown == "< HTTP/1.1 200 \\x1b[2J\n< x: \\x1b]0;t\\x07\n< \\x1b[31m\\x9b\n"


def test_an_answer_of_json_is_still_json() -> None:
    body = json.dumps({"choices": [{"text": "a"}]}).encode()
    assert json.loads(traced(lambda trace: trace.body(body)).removeprefix("< ")) == json.loads(body)


@pytest.mark.parametrize("scheme", ["Bearer", "Basic", "Custom"])
def test_the_key_after_the_scheme_is_a_secret_of_its_own(scheme: str) -> None:
    request = HttpRequest("https://example.com", {"authorization": f"{scheme} {SECRET}"}, b"{}")
    with tempfile.TemporaryFile() as file:
        trace = TraceLines(Messages(file.fileno()), bodies=True)
        trace.request(request)
        trace.body(f"no such key: {SECRET}\n".encode())
        file.seek(0)
        assert SECRET not in file.read().decode()


def test_the_lines_of_an_exchange_keep_clear_of_the_text(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([answer("some text")])
    lines = cli.service(scripted_server.url).terminal("complete", "P", "-vv").text.split("\r\n")
    assert "some text" in lines
    assert [line for line in lines if "choices" in line and not line.startswith("< ")] == []
    assert "waiting" not in "".join(lines)
