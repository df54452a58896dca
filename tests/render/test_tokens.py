"""The tokens of an answer with their log-probabilities: in colours, or a line each."""

from typing import Any, Literal

import pytest

from completions_cli.models import Chunk, Delta, Finished, Json
from completions_cli.render import formats
from completions_cli.render.answer import AnswerOptions
from tests.answers import answer
from tests.command import Cli
from tests.scripted_server import ScriptedServer, response


class Sink:
    """Takes what is written."""

    def __init__(self, *, is_terminal: bool) -> None:
        self.is_terminal = self.can_draw = is_terminal
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def piece(text: str, logprobs: Json, index: int = 0, reason: str | None = None) -> Chunk:
    choice = {"index": index, "text": text, "finish_reason": reason, "logprobs": logprobs}
    return Chunk({"choices": [choice]}, (Delta(index, text, reason),))


def legacy(**figures: float | None) -> Json:
    return {"tokens": [*figures], "token_logprobs": [*figures.values()]}


def show(tokens: Literal["colored", "lines"], *chunks: Chunk, **options: Any) -> str:
    sink = Sink(is_terminal=tokens == "colored")
    renderer = formats.renderer(AnswerOptions(tokens=tokens, **options), sink)
    for chunk in chunks:
        renderer.chunk(chunk)
    renderer.finish(Finished({0: "stop"}, None))
    return sink.written.decode()


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        (piece("ab", legacy(a=-0.5, b=-1.25)), "-0.5000\ta\n-1.2500\tb\n"),
        (piece("a", legacy(a=None)), "\ta\n"),
        (piece("a b", None), "\ta b\n"),
        (piece("", None), "\n"),
        (piece("\t\n\\", {"content": [{"token": "\t\n\\", "logprob": -1}]}), "-1.0000\t\\t\\n\\\\\n"),
        (
            piece(
                "é",
                {
                    "content": [
                        {"token": "\ufffd", "logprob": -1, "bytes": [195]},
                        {"token": "\ufffd", "logprob": 0, "bytes": [169]},
                    ]
                },
            ),
            "-1.0000\t\\xc3\n0.0000\t\\xa9\n",
        ),
    ],
)
def test_in_a_pipe_each_token_is_a_line(chunk: Chunk, expected: str) -> None:
    assert show("lines", chunk) == expected


@pytest.mark.parametrize(
    ("logprob", "color"),
    [(0.0, 32), (-0.69, 32), (-0.7, 36), (-2.3, 36), (-2.4, 35), (-4.6, 35), (-4.7, 31), (-99.0, 31)],
)
def test_on_a_terminal_the_probability_is_a_colour(logprob: float, color: int) -> None:
    assert show("colored", piece("a", legacy(a=logprob))) == f"\x1b[{color}ma\x1b[0m\n"


def test_tokens_that_are_not_the_text_leave_it_whole() -> None:
    halves = {"content": [{"token": "\ufffd", "logprob": -0.1}, {"token": "\ufffd", "logprob": -3}]}
    assert show("colored", piece("é", halves)) == "\x1b[35mé\x1b[0m\n"


def test_text_ends_with_one_newline_as_ever() -> None:
    line = {"content": [{"token": "a\n", "logprob": 0}]}
    assert show("colored", piece("a\n", line)) == "\x1b[32ma\x1b[0m\n"
    assert show("colored", piece("a", legacy(a=0)), final_newline=False) == "\x1b[32ma\x1b[0m"


def test_a_token_drives_no_terminal() -> None:
    hostile = {"content": [{"token": "a\x1b[2J", "logprob": 0}]}
    assert show("colored", piece("a\x1b[2J", hostile)) == "\x1b[32ma\\x1b[2J\x1b[0m\n"
    assert show("colored", piece("\x1b[2J", None)) == "\\x1b[2J\n"


def test_choices_are_apart() -> None:
    chunks = [piece("a", legacy(a=-1), 0, "stop"), piece("b", legacy(b=-2), 1, "stop")]
    assert show("lines", *chunks, choices=2, separator="--\n") == "-1.0000\ta\n--\n-2.0000\tb\n"


def test_the_command_asks_for_figures_and_shows_them(cli: Cli, scripted_server: ScriptedServer) -> None:
    body = (
        b'{"choices":[{"index":0,"text":"ab","finish_reason":"stop",'
        b'"logprobs":{"tokens":["a","b"],"token_logprobs":[-0.1,-5]}}]}'
    )
    scripted_server.play([response(body)])
    cli.service(scripted_server.url)
    assert cli.run("complete", "P", "--show-logprobs").text == "-0.1000\ta\n-5.0000\tb\n"
    assert b'"logprobs":1' in scripted_server.requests[0]
    assert cli.run("complete", "P\t", "--show-logprobs", "--echo").text == "\tP\\t\n-0.1000\ta\n-5.0000\tb\n"
    screen = cli.terminal("complete", "P", "--show-logprobs").stdout
    assert b"\x1b[32ma\x1b[0m\x1b[31mb\x1b[0m\r\n" in screen
    assert b"probability of each token: \x1b[32m50 % or more\x1b[0m, " in screen
    assert b"probability" not in cli.terminal("complete", "P", "--show-logprobs", "-q").stdout
    assert b"-0.1000\ta\r\n" in cli.terminal("complete", "P", "--show-logprobs", "--color", "never").stdout
    assert cli.run("complete", "P", "--show-logprobs", "-F", "json").json()["choices"][0]["text"] == "ab"
    cli.run("complete", "P", "--show-logprobs", "-x", "logprobs:=5")
    assert b'"logprobs":5' in scripted_server.requests[-1]


def test_without_figures_the_text_is_there_and_the_server_is_named(cli: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([answer("ab")])
    result = cli.service(scripted_server.url).run("complete", "P", "--show-logprobs")
    assert (result.code, result.text) == (0, "\tab\n")
    assert "the server ignored: logprobs" in result.stderr
