"""`Client` and `AsyncClient` from a program's side: one table of calls, for they must not differ."""

import asyncio
import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import pytest

from completions_cli import (
    AsyncClient,
    AuthError,
    Client,
    Completion,
    CompletionsError,
    ConfigError,
    Delta,
    MalformedResponseError,
    RateLimitError,
    RequestTimeoutError,
    UsageError,
    Wait,
)
from tests.answers import event
from tests.scripted_server import HangUp, ScriptedServer, Silence, response, stream_head

KEY = "canary-0123456789"
ANSWER = b'{"id":"i","model":"m","choices":[{"index":0,"text":"ok","finish_reason":"stop","x":1}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3},"system_fingerprint":"f"}'
WHOLE = response(ANSWER, headers=["x-request-id: r-1"])
BUSY = response(b'{"error":"busy"}', "429 X", ["retry-after-ms: 1"])


class Calls(Protocol):
    """What both clients can do, waited for."""

    def complete(self, *args: Any, **options: Any) -> Completion: ...
    def stream(self, *args: Any, **options: Any) -> tuple[list[Delta], Completion, CompletionsError | None]: ...
    def models(self) -> list[str]: ...


class Blocking:
    """Calls `Client`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.client = Client(*args, **options)

    def complete(self, *args: Any, **options: Any) -> Completion:
        with self.client:
            return self.client.complete(*args, **options)

    def models(self) -> list[str]:
        with self.client:
            return self.client.models()

    def stream(self, *args: Any, **options: Any) -> tuple[list[Delta], Completion, CompletionsError | None]:
        deltas: list[Delta] = []
        with self.client, self.client.stream(*args, **options) as stream:
            try:
                deltas.extend(stream)
            except CompletionsError as error:
                return deltas, stream.completion, error
            return deltas, stream.completion, None


class Awaited:
    """Calls `AsyncClient`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.client = AsyncClient(*args, **options)

    def complete(self, *args: Any, **options: Any) -> Completion:
        async def call() -> Completion:
            async with self.client:
                return await self.client.complete(*args, **options)

        return asyncio.run(call())

    def models(self) -> list[str]:
        async def call() -> list[str]:
            async with self.client:
                return await self.client.models()

        return asyncio.run(call())

    def stream(self, *args: Any, **options: Any) -> tuple[list[Delta], Completion, CompletionsError | None]:
        async def call() -> tuple[list[Delta], Completion, CompletionsError | None]:
            deltas: list[Delta] = []
            async with self.client, self.client.stream(*args, **options) as stream:
                try:
                    async for delta in stream:
                        deltas.append(delta)  # noqa: PERF401 - those before an error count
                except CompletionsError as error:
                    return deltas, stream.completion, error
                return deltas, stream.completion, None

        return asyncio.run(call())


@pytest.fixture(params=[Blocking, Awaited], ids=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Callable[..., Calls]:
    """Make clients of each kind in turn."""
    made: Callable[..., Calls] = request.param
    return made


def body(server: ScriptedServer, number: int = 0) -> Any:
    return json.loads(server.requests[number].partition(b"\r\n\r\n")[2])


def test_a_completion_tells_all_that_the_service_said(
    kind: Callable[..., Calls], scripted_server: ScriptedServer
) -> None:
    scripted_server.play([WHOLE])
    found = kind(scripted_server.url, api_key=KEY).complete("P")
    assert (found.text, found.finish_reason, found.model, found.request_id) == ("ok", "stop", "m", "r-1")
    assert found.usage == (1, 2, 3)
    assert found.attempts == 1
    assert found.first_token is None
    assert found.raw["system_fingerprint"] == "f"
    assert found.choices[0].raw["x"] == 1


def test_what_is_given_is_what_is_sent(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    client = kind(scripted_server.url, api_key=KEY, deployment="blue", api_version="v", headers={"X-Team": "red"})
    client.complete("P", temperature=0, stop=("a", "b"), model="m", extra={"top_k": 3}, unset=["max_tokens"], seed=None)
    assert body(scripted_server) == {"model": "m", "prompt": "P", "stop": ["a", "b"], "temperature": 0, "top_k": 3}
    head = scripted_server.requests[0].partition(b"\r\n\r\n")[0].decode().lower()
    assert head.startswith("post /completions?api-version=v ")
    for line in (
        f"authorization: bearer {KEY}",
        f"api-key: {KEY}",
        "azureml-model-deployment: blue",
        "x-team: red",
        "extra-parameters: pass-through",
    ):
        assert f"\r\n{line}" in head


def test_the_models_are_those_that_the_service_lists(
    kind: Callable[..., Calls], scripted_server: ScriptedServer
) -> None:
    scripted_server.play([BUSY], [response(b'{"data":[{"id":"blue"},{"id":"green"}]}')])
    assert kind(scripted_server.url, api_key=KEY, api_version="none").models() == ["blue", "green"]
    assert scripted_server.requests[1].startswith(b"GET /models HTTP/1.1\r\n")
    assert KEY.encode() in scripted_server.requests[1]


def test_an_error_of_the_list_is_that_of_any_call(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(f'{{"error":"not with {KEY}"}}'.encode(), "401 X")])
    with pytest.raises(AuthError, match=r"not with \*+"):
        kind(scripted_server.url, api_key=KEY).models()
    scripted_server.play([response(b'{"data":[{"id":1}]}')])
    with pytest.raises(MalformedResponseError):
        kind(scripted_server.url, api_key=KEY).models()


@pytest.mark.parametrize(
    ("prompt", "template", "sent"),
    [
        ("P", None, {"prompt": "P", "suffix": "S"}),
        ("", None, {"prompt": "", "suffix": "S"}),
        ("{suffix}", "<P>{prefix}<S>{suffix}<M>", {"prompt": "<P>{suffix}<S>S<M>"}),
    ],
)
def test_a_suffix_is_sent_or_spelled(
    prompt: str, template: str | None, sent: dict[str, str], kind: Callable[..., Calls], scripted_server: ScriptedServer
) -> None:
    scripted_server.play([WHOLE])
    kind(scripted_server.url, api_key=KEY, infill=template).complete(prompt, suffix="S")
    assert body(scripted_server) == {"max_tokens": 256, **sent}
    assert (b"extra-parameters: pass-through" in scripted_server.requests[0].lower()) is (template is None)


def test_a_stream_gives_its_pieces_and_then_the_whole(
    kind: Callable[..., Calls], scripted_server: ScriptedServer
) -> None:
    scripted_server.play([stream_head(), event("a"), event(""), event("b", "stop"), b"data: [DONE]\n\n"])
    deltas, completion, error = kind(scripted_server.url, api_key=KEY).stream("P")
    assert deltas == [(0, "a", None), (0, "b", "stop")]
    assert (completion.text, completion.finish_reason, error) == ("ab", "stop", None)
    assert completion.first_token is not None
    assert body(scripted_server)["stream"] is True


def test_of_a_stream_that_breaks_what_came_is_kept(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("a"), HangUp()])
    deltas, completion, error = kind(scripted_server.url, api_key=KEY).stream("P")
    assert [delta.text for delta in deltas] == ["a"]
    assert (completion.text, completion.finish_reason) == ("a", None)
    assert isinstance(error, MalformedResponseError)
    assert len(scripted_server.requests) == 1


def test_an_error_amid_a_stream_says_why_it_is_not_asked_again(
    kind: Callable[..., Calls], scripted_server: ScriptedServer
) -> None:
    scripted_server.play([stream_head(), event("a"), b'data: {"error":{"code":503,"message":"busy"}}\n\n'])
    _, completion, error = kind(scripted_server.url, api_key=KEY).stream("P")
    assert completion.text == "a"
    assert error
    assert "after text was printed" in str(error.hint)
    assert len(scripted_server.requests) == 1


def test_comments_do_not_break_a_silence(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("a"), *[b": still here\n\n"] * 3, Silence()])
    _, completion, error = kind(scripted_server.url, api_key=KEY, timeout=0.4).stream("P")
    assert completion.text == "a"
    assert isinstance(error, RequestTimeoutError)


def test_samples_of_a_prompt_stand_together(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([WHOLE])
    found = kind(scripted_server.url, api_key=KEY).complete("P", samples=2, seed=5)
    assert [choice.index for choice in found.choices] == [0, 1]
    assert found.usage == (2, 4, 6)
    assert [body(scripted_server, number)["seed"] for number in range(2)] == [5, 6]


def test_what_may_pass_is_tried_again_and_told(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([BUSY], [HangUp()], [WHOLE])
    waits: list[Wait] = []
    found = kind(scripted_server.url, api_key=KEY, on_wait=waits.append).complete("P")
    assert (found.text, found.attempts) == ("ok", 3)
    assert [(wait.attempt, wait.attempts) for wait in waits] == [(2, 5), (3, 5)]
    assert waits[0].seconds == 0.001


def test_retries_end(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([BUSY])
    with pytest.raises(RateLimitError, match="busy") as caught:
        kind(scripted_server.url, api_key=KEY, retries=1).complete("P")
    assert caught.value.status == 429
    assert caught.value.hint
    assert len(scripted_server.requests) == 2


def test_a_deadline_counts_the_retries(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(b"{}", "429 X", ["retry-after: 60"])])
    with pytest.raises(RateLimitError):
        kind(scripted_server.url, api_key=KEY, deadline=30).complete("P")
    scripted_server.play([Silence()])
    with pytest.raises(RequestTimeoutError, match=r"within 0\.3 s"):
        kind(scripted_server.url, api_key=KEY, deadline=0.3).complete("P")


def test_a_key_that_is_quoted_back_is_masked(kind: Callable[..., Calls], scripted_server: ScriptedServer) -> None:
    scripted_server.play([response(json.dumps({"error": f"no such key: {KEY}"}).encode(), "401 X")])
    with pytest.raises(AuthError) as caught:
        kind(scripted_server.url, api_key=KEY).complete("P")
    assert caught.value.message == "no such key: ****"


@pytest.mark.parametrize("made", [Client, AsyncClient])
def test_a_client_shows_no_key(made: type[Client | AsyncClient]) -> None:
    client = made("https://x.example/", api_key=KEY, headers={"x-key": KEY})
    seen = [
        repr(client),
        str(vars(client)),
        *[str(vars(part)) for part in vars(client).values() if hasattr(part, "__dict__")],
    ]
    assert repr(client) == f"<{made.__name__} of https://x.example>"
    assert not [text for text in seen if KEY in text.replace(f"'x-key': '{KEY}'", "")]


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no key": ({}, ConfigError, "no key for this endpoint"),
    "a key in quotes": ({"api_key": '"abc"'}, ConfigError, "the key from api_key is in quotes"),
    "a key of two lines": ({"api_key": "a\nb"}, ConfigError, "the key from api_key contains characters"),
    "a word for a number": ({"api_key": KEY, "timeout": "soon"}, UsageError, "timeout must be a positive number"),
    "a wrong word": ({"auth": "basic"}, UsageError, "auth must be key, entra or none"),
    "an infill of one text": ({"api_key": KEY, "infill": "{prefix}"}, UsageError, "infill must be a text with"),
    "a header of two lines": ({"api_key": KEY, "headers": {"a": "b\nc"}}, UsageError, "the value of header a"),
    "a name mistyped": ({"api_key": KEY, "time_out": 3}, TypeError, "'time_out'; did you mean 'timeout'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_at_once(name: str, kind: Callable[..., Calls]) -> None:
    options, error, words = REFUSED[name]
    with pytest.raises(error, match=words) as caught:
        kind("https://x.example", **options)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"temperature": "hot"}, UsageError, "temperature must be a number"),
        ({"extra": {"seed": 1}}, UsageError, "seed is not an extra parameter"),
        ({"suffix": 5, "prompt": "P"}, UsageError, "suffix must be a string"),
        ({"unset": ["max_token"]}, UsageError, "there is no parameter 'max_token'"),
        ({"samples": 0}, UsageError, "samples must be"),
        ({"prompt": []}, UsageError, "not in a form that"),
        ({"max_token": 1}, TypeError, "did you mean 'max_tokens'"),
        ({"prompt": None}, UsageError, "there is no prompt"),
        ({}, UsageError, "there is no prompt"),
    ],
)
def test_a_call_that_makes_no_sense_sends_nothing(
    options: dict[str, Any], error: type[Exception], words: str, kind: Callable[..., Calls]
) -> None:
    for call in ("complete", "stream"):
        with pytest.raises(error, match=words):
            getattr(kind("http://127.0.0.1:1", api_key=KEY, retries=0), call)(**options)


def test_a_client_of_its_own_reads_no_variable(
    kind: Callable[..., Calls], scripted_server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLETIONS_API_KEY", "another-key-0123")
    monkeypatch.setenv("COMPLETIONS_DEPLOYMENT", "green")
    monkeypatch.setenv("COMPLETIONS_CONFIG", "/nowhere/completions.toml")
    scripted_server.play([WHOLE])
    kind(scripted_server.url, auth="none").complete("P")
    assert b"another-key" not in scripted_server.requests[0]
    assert b"green" not in scripted_server.requests[0]


@pytest.mark.parametrize("made", [Client, AsyncClient])
def test_a_profile_means_what_it_means_to_the_command(
    made: type[Client | AsyncClient], scripted_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "completions.toml"
    config.write_text(f"""
[profiles.blue]
endpoint = "{scripted_server.url}"
deployment = "blue"
model = "m"
[profiles.blue.params]
temperature = 1
top_p = 0.5
[profiles.blue.extra]
top_k = 2
min_p = 0.1
""")
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    scripted_server.play([WHOLE])
    client = made.from_profile("blue", config=str(config), deployment="green")
    if isinstance(client, AsyncClient):
        asyncio.run(client.complete("P", temperature=0, unset=["top_p", "min_p"]))
    else:
        client.complete("P", temperature=0, unset=["top_p", "min_p"])
    assert body(scripted_server) == {"model": "m", "prompt": "P", "max_tokens": 256, "temperature": 0, "top_k": 2}
    assert b"azureml-model-deployment: green" in scripted_server.requests[0].lower()
    assert KEY.encode() in scripted_server.requests[0]
    with pytest.raises(ConfigError, match="there is no profile 'red'"):
        made.from_profile("red", config=str(config))


def test_threads_may_share_a_client(scripted_server: ScriptedServer) -> None:
    together = threading.Barrier(16)

    def call(number: int) -> str:
        together.wait(timeout=30)
        return client.complete(f"P{number}").text

    scripted_server.play([WHOLE])
    with Client(scripted_server.url, api_key=KEY) as client, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(call, range(16))) == ["ok"] * 16
    assert sorted(body(scripted_server, number)["prompt"] for number in range(16)) == sorted(
        f"P{number}" for number in range(16)
    )


def test_a_call_that_is_cancelled_closes_its_connection_and_no_other(scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("a"), Silence()], [WHOLE])

    async def main() -> str:
        async with AsyncClient(scripted_server.url, api_key=KEY) as client:
            begun = asyncio.Event()

            async def endless() -> None:
                async with client.stream("P") as stream:
                    async for _ in stream:
                        begun.set()

            task = asyncio.create_task(endless())
            await begun.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await client.complete("Q")).text

    assert asyncio.run(main()) == "ok"


def test_an_iteration_that_is_left_early_ends_the_call(scripted_server: ScriptedServer) -> None:
    scripted_server.play([stream_head(), event("a"), event("b"), Silence()])
    with Client(scripted_server.url, api_key=KEY) as client:
        with client.stream("P") as stream:
            texts = [delta.text for delta in itertools.islice(stream, 1)]
        assert texts == ["a"]
        assert list(stream) == []
        assert stream.completion.text == "a"
