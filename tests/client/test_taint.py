"""A server that gives the key back, in every spelling, cut anywhere, in every place: nobody gets to see it."""

import asyncio
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from completions_cli import AsyncClient, Client, CompletionsError
from tests.answers import document
from tests.command import Cli
from tests.scripted_server import Script, ScriptedServer, response, stream_head
from tests.spellings import SPELLINGS

KEY = 'sk-proj_aB3/xY9+zQ\\w"e5Rt7&Uu1%41Ii=Oo.pP0~kLmN8vCxZa6sD2fGhJ4'
GATEWAY = "gw-9fK2mQ7xW4cT1vB8nR5yH3jL6pD0sA"
WAIT = "retry-after-ms: 1"


class Spelled(NamedTuple):
    """A key as a server gives it back, and how much of it may stand in a text."""

    text: str
    allowed: int


def spelled(key: str) -> list[Spelled]:
    """Return a key in every spelling."""
    texts = [spell(key) for spell in SPELLINGS.values()]
    return [Spelled(text, 8 * len(text) // len(key) + 10) for text in texts]


def refuse_key(shown: str, *keys: str) -> None:
    """Fail where a text holds eight characters of a key in a row, as they are, escaped or encoded."""
    lowered = shown.lower()
    for key in keys:
        assert not runs_in(key.lower(), 8, lowered)
        for text, allowed in spelled(key):
            body = text.removeprefix("https://x.example/?api-key=").lower()
            assert not runs_in(body, allowed, lowered), text


def runs_in(body: str, length: int, text: str) -> list[str]:
    """Return the runs of such a length of a body that stand in a text."""
    half = length // 2  # every run holds one of the pieces that begin at its multiples: most texts hold none
    if not any(body[at : at + half] in text for at in range(0, len(body) - half + 1, half)):
        return []
    runs = {body[at : at + length] for at in range(len(body) - length + 1)}
    return [run for run in runs if run in text]


def header(text: str) -> str:
    """Return what of a text can stand in a header."""
    return re.sub(r"[^\x21-\x7e]", "", text)[:900]


def refusals(text: str, *headers: str, status: str = "400 X") -> Iterator[Script]:
    """Yield answers that hold a text, one place after another."""
    error = {"error": {"message": f"no such key: {text}", "code": text, "param": text}}
    yield [response(json.dumps(error).encode(), status, [f"x-request-id: {header(text)}", *headers])]
    yield [response(f"no such key: {text}".encode(), status, [f"x-ms-error-code: {header(text)}", *headers])]
    yield [
        response(
            f"<html><h1>no key {text}</h1></html>".encode(), f"{status.split(maxsplit=1)[0]} {header(text)}", headers
        )
    ]
    located = {"detail": [{"loc": ["header", text], "msg": f"wrong: {text}", "input": text}]}
    yield [response(json.dumps(located).encode(), status, headers)]
    yield [response(json.dumps({"error": json.dumps(error)}).encode(), status, headers)]
    yield [response(f"{text}{json.dumps(error)}{text}".encode(), status, headers)]


def malformed(text: str) -> Iterator[Script]:
    """Yield successful answers that are none, and hold a text."""
    quoted = json.dumps(f"key: {text}").encode()
    yield [response(f"welcome, {text}".encode())]
    yield [response(b'{"answer": %s}' % quoted)]
    yield [response(b"[%s]" % quoted)]
    yield [response(b'{"choices":[{"message":{"content":%s}}]}' % quoted)]
    yield [response(b'{"content":%s}' % quoted)]
    yield [response(b'{"error":{"message":%s}}' % quoted)]
    yield [stream_head(), f"data: {text}\n\n".encode()]
    yield [stream_head(), b"event: error\ndata: %s\n\n" % quoted]
    yield [stream_head(), b'data: {"error":{"code":%s,"message":%s}}\n\n' % (quoted, quoted)]
    yield [response(b"", "307 X", [f"location: https://x.example/?k={header(text)}"])]
    yield [response(b"", "302 X", [f"location: /{header(text)}"])]


def everywhere(keys: Sequence[str]) -> list[Script]:
    """Return an answer for each spelling of each key in each place."""
    texts = [text for key in keys for text, _ in spelled(key)]
    return [script for text in texts for script in (*refusals(text), *malformed(text))]


def told(error: CompletionsError) -> str:
    """Return all that a program may show of an error."""
    return "\n".join(map(str, [error, repr(error), vars(error), error.args, *getattr(error, "__notes__", ())]))


@pytest.mark.parametrize("kind", ["client", "awaited", "streamed"])
def test_a_program_never_sees_it(kind: str, scripted_server: ScriptedServer) -> None:
    scripts = everywhere([KEY, GATEWAY])
    # Cut by the server at every length, and pushed over the ends that messages have here.
    for place in range(0, 700, 7):
        text = "x" * place + KEY[: 8 + place % len(KEY)]
        scripts += [next(refusals(text)), next(malformed(text))]
    scripted_server.play(*scripts)
    shown = (
        asyncio.run(_awaited(scripted_server.url, len(scripts)))
        if kind == "awaited"
        else _called(scripted_server.url, len(scripts), stream=kind == "streamed")
    )
    assert len(shown) == len(scripts)
    refuse_key("\n".join(shown), KEY, GATEWAY)


def _called(url: str, count: int, *, stream: bool) -> list[str]:
    shown = []
    with Client(url, api_key=KEY, headers={"X-Gateway-Token": GATEWAY}, retries=0) as client:
        for _ in range(count):
            with pytest.raises(CompletionsError) as caught:
                for _ in client.stream("P") if stream else [client.complete("P")]:
                    pass
            shown.append(told(caught.value))
    return shown


async def _awaited(url: str, count: int) -> list[str]:
    shown = []
    async with AsyncClient(url, api_key=KEY, headers={"X-Gateway-Token": GATEWAY}, retries=0) as client:
        for _ in range(count):
            with pytest.raises(CompletionsError) as caught:
                await client.complete("P")
            shown.append(told(caught.value))
    return shown


@pytest.fixture
def tainted(cli: Cli, scripted_server: ScriptedServer) -> Cli:
    """Give the command with two keys that the server gets to see."""
    cli.service(scripted_server.url, KEY)
    return cli


@pytest.mark.parametrize("command", ["complete", "stream"])
@pytest.mark.parametrize("shape", [(), ("-F", "json")])
def test_a_command_never_shows_it(
    command: str, shape: tuple[str, ...], tainted: Cli, scripted_server: ScriptedServer
) -> None:
    texts = [text for key in (KEY, GATEWAY) for text, _ in spelled(key)]
    scripts = [script for text in texts for script in refusals(text, WAIT, status="503 X")]
    scripted_server.play(*scripts, *malformed(KEY))
    options = ("-H", f"X-Gateway-Token: {GATEWAY}", "--retries", str(len(scripts)), "-vv", *shape)
    done = tainted.run(command, "P", *options)
    assert done.stderr.count("trying again") == len(scripts)
    refuse_key(done.text + done.stderr, KEY, GATEWAY)


@pytest.mark.parametrize("place", range(11))
def test_an_answer_that_is_none_never_shows_it(place: int, tainted: Cli, scripted_server: ScriptedServer) -> None:
    texts = "  ".join(text for text, _ in spelled(KEY))
    scripted_server.play(list(malformed(texts))[place])
    for options in (("-vv",), ("-F", "json")):
        done = tainted.run("complete", "P", *options, "--retries", "0")
        assert done.code != 0
        refuse_key(done.text + done.stderr, KEY)


def test_a_batch_never_shows_it(tainted: Cli, scripted_server: ScriptedServer) -> None:
    scripts = everywhere([KEY, GATEWAY])
    good = [response(document("ok"), headers=[f"x-request-id: {KEY}"])]
    scripted_server.play(good, *scripts, good)
    rows, out, summary = (tainted.home / name for name in ("in.txt", "out.jsonl", "summary.json"))
    rows.write_text("P\n" * (len(scripts) + 1), encoding="utf-8")
    options = ("-H", f"X-Gateway-Token: {GATEWAY}", "--max-errors", "100%", "--retries", "0", "-j", "1", "-v")
    done = tainted.run("batch", str(rows), "-o", str(out), "--summary", str(summary), *options)
    files = [path.read_text(encoding="utf-8") for path in tainted.home.iterdir() if path.is_file()]
    assert sum(file.count("\n") for file in files) > len(scripts)
    refuse_key("\n".join([done.text, done.stderr, *files]), KEY, GATEWAY)


@pytest.mark.parametrize("place", range(6))
def test_the_doctor_never_shows_it(place: int, tainted: Cli, scripted_server: ScriptedServer) -> None:
    texts = "  ".join(text for text, _ in spelled(KEY))
    scripted_server.play(list(refusals(texts, status="401 X"))[place])
    for options in (("-vv",), ("--json",)):
        done = tainted.run("config", "doctor", "--probe", *options)
        assert done.code != 0
        refuse_key(done.text + done.stderr, KEY)


def test_a_request_that_is_only_shown_shows_no_key(tainted: Cli) -> None:
    names = ("X-Api-Key", "Ocp-Apim-Subscription-Key", "Authorization", "Cookie", "X-Amz-Security-Token", "X-Pwd")
    typed = [word for name in names for word in ("-H", f"{name}: {GATEWAY}")]
    tainted.profile(f'[profiles.p]\nendpoint = "http://127.0.0.1:1"\n[profiles.p.headers]\nx-own = "{GATEWAY}"\n')
    for options in (("--dry-run",), ("--dry-run", "-F", "json"), ("--curl",)):
        for chosen in (typed, ["-p", "p"]):
            done = tainted.run("complete", "P", *chosen, *options)
            assert done.code == 0
            refuse_key(done.text + done.stderr, KEY, GATEWAY)


def test_a_key_in_the_query_of_the_endpoint_is_hidden_like_one_in_a_header(
    cli: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(f"no such key: {GATEWAY}".encode(), "403 X")])
    cli.service(f"{scripted_server.url}/v1?subscription-key={GATEWAY}&x=1", KEY)
    for options in (("-vv",), ("-F", "json"), ("--dry-run",), ("--dry-run", "-F", "json"), ("--curl",)):
        done = cli.run("complete", "P", *options, "--retries", "0")
        assert "no such key: ****" in done.stderr or "subscription-key=" in done.text
        refuse_key(done.text + done.stderr, KEY, GATEWAY)
    assert f"subscription-key={GATEWAY}&x=1".encode() in scripted_server.requests[0]
    assert """/v1/completions?subscription-key='"$SUBSCRIPTION_KEY"'&x=1'""" in done.text


def test_a_password_of_a_proxy_is_not_shown(cli: Cli, scripted_server: ScriptedServer) -> None:
    texts = "  ".join(text for text, _ in spelled(GATEWAY))
    scripted_server.play([response(f"no user me:{GATEWAY}, {texts}".encode(), "407 X")])
    proxy = f"http://me:{GATEWAY}@127.0.0.1:{scripted_server.port}"
    cli.service("https://contoso.example", KEY)
    for command in ("complete", "stream"):
        for options in (("-vv",), ("-F", "json"), ("--dry-run",), ("--curl",)):
            done = cli.run(command, "P", "--proxy", proxy, "--retries", "0", *options)
            refuse_key(done.text + done.stderr, KEY, GATEWAY)
    with Client("https://contoso.example", api_key=KEY, proxy=proxy, retries=0) as client:
        with pytest.raises(CompletionsError) as caught:
            client.complete("P")
        refuse_key(told(caught.value) + repr(client) + str(vars(client)), KEY, GATEWAY)


def answers(key: str) -> Iterator[Script]:
    """Yield whole answers that hold a key in every field but the text, and in the names of fields."""
    for text, _ in spelled(key):
        choice = {"index": 0, "text": "hello", "finish_reason": text, "content_filter_results": {text: [text]}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, text: 1, "details": {"x": text}}
        answer = {"id": text, "object": text, "model": f"m {text}", "system_fingerprint": text, "choices": [choice]}
        whole = {**answer, "usage": usage, text: text, "created": 1, "warnings": [[{"message": text}]]}
        yield [
            response(json.dumps(whole).encode(), headers=[f"x-request-id: {header(text)}", f"x-note: {header(text)}"])
        ]


@pytest.mark.parametrize(
    ("turn", "command", "shape"),
    [
        (turn, command, shape)
        for turn, (command, shape) in enumerate(itertools.product(("complete", "stream"), ("text", "json", "jsonl")))
    ],
)
def test_the_fields_of_a_whole_answer_never_show_it(
    turn: int, command: str, shape: str, tainted: Cli, scripted_server: ScriptedServer
) -> None:
    scripts = list(answers(KEY))[turn::6]  # every spelling, each in one of the ways: a batch below takes them all
    scripted_server.play(*scripts)
    for _ in scripts:
        done = tainted.run(command, "P", "-u", "-F", shape, "-v")
        assert done.code == 0
        assert "hello" in done.text
        refuse_key(done.text + done.stderr, KEY)


@pytest.mark.parametrize("shape", ["native", "openai"])
def test_a_batch_writes_no_field_that_holds_it(shape: str, tainted: Cli, scripted_server: ScriptedServer) -> None:
    scripts = list(answers(KEY))
    scripted_server.play(*scripts)
    rows, out, summary = (tainted.home / name for name in ("in.txt", "out.jsonl", "summary.json"))
    rows.write_text("P\n" * len(scripts), encoding="utf-8")
    options = ("-o", str(out), "--output-format", shape, "--summary", str(summary), "-j", "1", "-v", "--mixed-models")
    done = tainted.run("batch", str(rows), *options)
    assert done.code == 0
    files = [path.read_text(encoding="utf-8") for path in (out, summary, out.with_name("out.jsonl.run"))]
    assert files[0].count('"hello"') == len(scripts)
    refuse_key("\n".join([done.text, done.stderr, *files]), KEY)


@pytest.mark.parametrize("shape", ["text", "json", "jsonl"])
def test_a_list_of_models_never_shows_it(shape: str, tainted: Cli, scripted_server: ScriptedServer) -> None:
    models = [{"id": f"m-{text}", "owned_by": text, text: 1} for text, _ in spelled(KEY)]
    scripted_server.play([response(json.dumps({"data": models}).encode())])
    done = tainted.run("models", "-F", shape, "-vv")
    assert done.code == 0
    refuse_key(done.text + done.stderr, KEY)


def test_a_program_never_sees_it_in_a_whole_answer(scripted_server: ScriptedServer) -> None:
    scripts = list(answers(KEY))
    scripted_server.play(*scripts)
    with Client(scripted_server.url, api_key=KEY) as client:
        for _ in scripts:
            found = client.complete("P")
            assert found.text == "hello"
            refuse_key(f"{found!r} {found.raw} {found.finish_reason}", KEY)


def test_what_the_model_wrote_is_passed_on_unchanged(tainted: Cli, scripted_server: ScriptedServer) -> None:
    logprobs = {"tokens": [KEY], "token_logprobs": [-1.0]}
    answer = {"choices": [{"index": 0, "text": KEY, "finish_reason": "stop", "logprobs": logprobs}]}
    scripted_server.play([response(json.dumps(answer).encode())])
    assert tainted.run("complete", "P", "-N").text == KEY
    assert tainted.run("complete", "P", "-F", "json").json()["choices"][0]["logprobs"] == logprobs


def test_a_key_that_is_a_plain_word_blacks_out_no_model(cli: Cli, scripted_server: ScriptedServer) -> None:
    cli.service(scripted_server.url, "lm-studio")
    scripted_server.play([response(b'{"data":[{"id":"lm-studio/llama"}]}')])
    assert cli.run("models").text == "lm-studio/llama\n"
