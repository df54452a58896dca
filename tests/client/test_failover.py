"""A call with a pool goes to the first member that answers, and a member's key to that member alone."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from completions_cli import Client, CompletionsError
from completions_cli.client.search import Order, Search
from completions_cli.errors import NetworkError, RejectedError
from tests.answers import ANSWER
from tests.client.pool_callers import Call, Told, every_caller
from tests.command import Cli
from tests.scripted_server import HangUp, Reset, Script, ScriptedServer, response, scripted, stream_head
from tests.two_members import EAST, WEST, pool

Serve = Callable[..., ScriptedServer]
DOWN = "http://127.0.0.1:1"  # nothing listens there


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers each connection by the next of some scripts."""
    with ExitStack() as stack:

        def start(*scripts: Script) -> ScriptedServer:
            server = stack.enter_context(scripted())
            server.play(*scripts)
            return server

        yield start


def error(status: str, body: str = "{}", *headers: str) -> bytes:
    return response(body.encode(), status, ["content-type: application/json", *headers])


def check_secrets(east: ScriptedServer | None, west: ScriptedServer, told: Told) -> None:
    assert WEST not in repr(east.requests if east else "")
    assert EAST not in repr(west.requests)
    assert EAST not in told.shown
    assert WEST not in told.shown


FAILURES = {
    "connection lost": (Reset(),),
    "closed": (HangUp(),),
    "500": (error("500 Oops"),),
    "503": (error("503 Busy"),),
    "429": (error("429 Slow", "{}", "retry-after: 9999"),),
    "401": (error("401 No", f'{{"error":{{"message":"{EAST} is wrong"}}}}'),),
    "403": (error("403 No"),),
    "404": (error("404 No"),),
    "410": (error("410 Gone"),),
    "unknown model": (error("400 Bad", '{"error":{"code":"unknown_model","message":"Unknown model: m"}}'),),
    "redirect": (error("302 Found", "{}", "location: https://elsewhere.example/"),),
}


@every_caller
@pytest.mark.parametrize("name", FAILURES)
def test_a_member_that_cannot_answer_is_passed_over(name: str, call: Call, cli: Cli, serve: Serve) -> None:
    east, west = serve(FAILURES[name]), serve([ANSWER])
    told = call(cli, pool(cli, east.url, west.url))
    assert told.text == "ok", told
    assert (len(east.requests), len(west.requests)) == (1, 1)
    assert EAST in repr(east.requests)
    assert WEST in repr(west.requests)
    check_secrets(east, west, told)


@every_caller
def test_a_member_that_is_not_there_is_passed_over(call: Call, cli: Cli, serve: Serve) -> None:
    west = serve([ANSWER])
    told = call(cli, pool(cli, DOWN, west.url))
    assert told.text == "ok"
    check_secrets(None, west, told)


@every_caller
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        ("400 Bad", '{"error":{"message":"max_tokens is too large"}}', 6),
        ("422 No", '{"detail":[]}', 6),
        ("400 Bad", '{"error":{"code":"content_filter","message":"filtered"}}', 7),
    ],
)
def test_a_request_refused_for_what_it_holds_is_not_shopped_around(
    status: str, body: str, code: int, call: Call, cli: Cli, serve: Serve
) -> None:
    east, west = serve([error(status, body)]), serve([ANSWER])
    assert call(cli, pool(cli, east.url, west.url)).code == code
    assert (len(east.requests), len(west.requests)) == (1, 0)


def test_nobody_else_is_asked_once_text_was_printed(cli: Cli, serve: Serve) -> None:
    begun = b'data: {"choices":[{"index":0,"text":"beg"}]}\n\n'
    east, west = serve([stream_head() + begun, Reset()]), serve([ANSWER])
    pool(cli, east.url, west.url)
    done = cli.run("stream", "P", "-p", "all")
    assert (done.text, done.code in (10, 12), west.requests) == ("beg", True, [])


def test_the_order_is_the_pools_and_what_happened_is_said(cli: Cli, serve: Serve) -> None:
    east, west = serve([error("503 Busy", '{"error":{"message":"busy"}}')]), serve([ANSWER])
    pool(cli, east.url, west.url)
    done = cli.run("complete", "P", "-p", "all")
    assert done.stderr.count("note: east did not answer: 503: busy; trying west") == 1
    again = cli.run("complete", "P", "-p", "west", "-p", "east")
    assert (again.text, again.stderr, len(east.requests)) == ("ok\n", "", 1)


def test_where_nobody_answers_those_are_asked_again_that_may(cli: Cli, serve: Serve) -> None:
    east = serve([error("503 Busy", "{}", "retry-after-ms: 1")], [ANSWER])
    west = serve([error("401 No")])
    pool(cli, east.url, west.url)
    assert cli.run("complete", "P", "-p", "all").text == "ok\n"
    assert (len(east.requests), len(west.requests)) == (2, 1)


@every_caller
def test_where_nobody_can_answer_the_last_error_counts(call: Call, cli: Cli, serve: Serve) -> None:
    east, west = serve([error("404 No")]), serve([error("401 No")])
    told = call(cli, pool(cli, east.url, west.url))
    assert (told.code, "none of 2 profiles answered" in told.shown) == (4, True)
    check_secrets(east, west, told)


@every_caller
def test_a_member_without_a_key_is_found_before_anything_is_sent(call: Call, cli: Cli, serve: Serve) -> None:
    east, west = serve([ANSWER]), serve([ANSWER])
    config = pool(cli, east.url, west.url)
    config.with_name("west.key").unlink()
    told = call(cli, config)
    assert (told.code, east.requests, west.requests) == (3, [], [])


def test_each_member_is_asked_as_its_profile_says(cli: Cli, serve: Serve) -> None:
    east, west = serve([error("503 Busy")]), serve([ANSWER])
    path = pool(cli, east.url, west.url, more="[profiles.all.params]\nseed = 7\n")
    path.write_text(path.read_text().replace('"west.key"\n', '"west.key"\nmodel = "m"\ndeployment = "green"\n'))
    assert cli.run("complete", "P", "-p", "all").code == 0
    bodies = [json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) for server in (east, west)]
    assert [(body.get("model"), body["seed"]) for body in bodies] == [(None, 7), ("m", 7)]
    assert b"azureml-model-deployment: green" in west.requests[0]
    assert b"azureml-model-deployment" not in east.requests[0]


def test_what_is_for_one_endpoint_does_not_go_with_a_pool(cli: Cli, serve: Serve) -> None:
    east, west = serve([ANSWER]), serve([ANSWER])
    config = pool(cli, east.url, west.url)
    for words in (("--endpoint", west.url), ("-d", "x"), ("-m", "x"), ("-H", "Authorization: Bearer canary")):
        result = cli.run("complete", "P", "-p", "all", *words)
        assert (result.code, "canary" in result.stderr) == (2, False)
    with pytest.raises(CompletionsError, match="cannot be used with several profiles"):
        Client.from_profile("all", config=str(config), api_key="canary")
    with pytest.raises(CompletionsError, match="model cannot be used with several profiles"):
        Client.from_profile("all", config=str(config), model="x")
    assert (east.requests, west.requests) == ([], [])
    env = {"COMPLETIONS_API_KEY": "variable-canary-1", "COMPLETIONS_MODEL": "x"}
    result = cli.run("complete", "P", "-p", "all", env=env)
    assert (result.text, result.stderr.count("is not used with several profiles")) == ("ok\n", 2)
    assert b"variable-canary" not in east.requests[0]
    assert EAST.encode() in east.requests[0]


def test_a_client_asks_a_member_that_failed_lately_last() -> None:
    now = 0.0
    order = Order(3, clock=lambda: now)
    order.failed(order.search(), NetworkError("lost", retryable=True))
    assert order.search().member == 1
    now = 31.0
    assert order.search().member == 0


def test_every_member_is_asked_once_before_any_is_asked_again() -> None:
    lost, asked = NetworkError("lost", retryable=True), []
    search = Search([0, 1, 2])
    for failure in (lost, NetworkError("refused"), lost, lost):
        asked.append((search.member, search.is_patient))
        search.pass_on(failure, has_text=False)
    asked.append((search.member, search.is_patient))
    with pytest.raises(NetworkError, match="none of 3 profiles answered"):
        search.pass_on(lost, has_text=False)
    assert asked == [(0, False), (1, False), (2, False), (0, True), (2, True)]


def test_one_profile_is_asked_with_all_its_retries_at_once() -> None:
    search = Search([0])
    assert search.is_patient
    refused = RejectedError("no", status=400)
    with pytest.raises(RejectedError, match=r"^no$"):
        search.pass_on(refused, has_text=False)
