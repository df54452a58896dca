"""What a program may give by name: what help() shows of it, and what a caller from elsewhere is told."""

import asyncio
import inspect
import pydoc
from collections.abc import Callable
from typing import Any

import pytest

from completions_cli import AsyncClient, Client, ClientOptions, CompletionOptions, UsageError
from tests.scripted_server import ScriptedServer, response

KEY = "canary-0123456789"
CLIENTS = [Client, AsyncClient]


def names(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function).parameters)


@pytest.mark.parametrize("kind", CLIENTS)
def test_every_argument_is_in_the_signature(kind: type[Client] | type[AsyncClient]) -> None:
    for function, first, options in (
        (kind, ["endpoint"], ClientOptions),
        (kind.from_profile, ["name", "config"], ClientOptions),
        (kind.complete, ["self", "prompt"], CompletionOptions),
        (kind.stream, ["self", "prompt"], CompletionOptions),
    ):
        found = names(function)
        assert list(found) == [*first, *options.__annotations__]
        assert all(each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY) for each in found.values())
    assert names(kind)["endpoint"].default is inspect.Parameter.empty
    assert names(kind.complete)["prompt"].default is inspect.Parameter.empty
    text = pydoc.plain(pydoc.render_doc(kind))
    assert "max_tokens" in text
    assert "connect_timeout" in text
    assert "options" not in text.replace("completions", "")
    assert inspect.iscoroutinefunction(AsyncClient.complete)


CALLS = {
    "n": "use samples=",
    "max_new_tokens": "use max_tokens=",
    "max_completion_tokens": "use max_tokens=",
    "max_token": "did you mean 'max_tokens'?",
    "temprature": "did you mean 'temperature'?",
    "stop_sequences": "use stop=",
    "extra_body": "use extra=",
    "messages": "no messages",
    "stream": "use the method stream()",
    "timeout": "Client(…, timeout=…)",
    "deployment": "Client(…, deployment=…)",
    "api_key": "Client(…, api_key=…)",
    "headers": "Client(…, headers=…)",
    "extra_headers": "headers={…} of the client",
    "top_k": "extra={'top_k': …}",
    "logprobs": "extra={'logprobs': …}",
}
CLIENT_ARGUMENTS = {
    "base_url": "use endpoint, the first argument",
    "azure_endpoint": "use endpoint, the first argument",
    "max_retries": "use retries=",
    "default_headers": "use headers=",
    "azure_deployment": "use deployment=",
    "apikey": "did you mean 'api_key'?",
    "time_out": "did you mean 'timeout'?",
    "max_tokens": "complete(prompt, max_tokens=…)",
    "temperature": "complete(prompt, temperature=…)",
    "profile": "from_profile(name)",
    "organization": "there are api_key, api_version",
}


@pytest.mark.parametrize(("name", "advice"), CALLS.items())
def test_a_name_that_a_call_does_not_have_is_answered_with_the_right_one(name: str, advice: str) -> None:
    given: dict[str, Any] = {name: "canary"}
    client, awaited = Client("https://x.example", api_key=KEY), AsyncClient("https://x.example", api_key=KEY)
    calls: list[Callable[[], Any]] = [
        lambda: client.complete("P", **given),
        lambda: client.complete(**given),
        lambda: client.stream("P", **given),
        lambda: asyncio.run(awaited.complete("P", **given)),
        lambda: awaited.stream("P", **given),
    ]
    for call in calls:
        with pytest.raises(TypeError) as caught:
            call()
        assert f"unexpected keyword argument {name!r}" in str(caught.value)
        assert advice in str(caught.value)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(("name", "advice"), CLIENT_ARGUMENTS.items())
def test_a_name_that_a_client_does_not_have_is_answered_with_the_right_one(
    kind: type[Client] | type[AsyncClient], name: str, advice: str
) -> None:
    given: dict[str, Any] = {name: "canary"}
    makes: list[Callable[[], object]] = [
        lambda: kind("https://x.example", **given),
        lambda: kind(**given),
        lambda: kind.from_profile(**given),
    ]
    for make in makes:
        with pytest.raises(TypeError, match=f"unexpected keyword argument {name!r}") as caught:
            make()
        assert advice in str(caught.value)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_needs_an_endpoint(kind: type[Client] | type[AsyncClient]) -> None:
    unset: Any = None  # as from os.environ.get
    for endpoint in ((), ("",), (unset,)):
        with pytest.raises(UsageError, match="no endpoint"):
            kind(*endpoint, api_key=KEY)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (None, "there is no prompt"),
        ("", "the prompt is empty"),
        ([], "not in a form that"),
        ((), "not in a form that"),
        (["a", ""], "prompt 1 of the list is empty"),
        ({"text": "a"}, "not in a form that"),
        (b"a", "not in a form that"),
    ],
)
def test_an_empty_prompt_is_an_error_and_nothing_is_sent(
    prompt: Any, message: str, scripted_server: ScriptedServer
) -> None:
    with Client(scripted_server.url, api_key=KEY) as client:
        for call in (client.complete, client.stream):
            with pytest.raises(UsageError, match=message) as caught:
                call(prompt)
            assert caught.value.hint
    with pytest.raises(UsageError, match=message):
        asyncio.run(AsyncClient(scripted_server.url, api_key=KEY).complete(prompt))
    assert scripted_server.requests == []


@pytest.mark.parametrize("prompt", [" ", "\n", "<|endoftext|>", ("a", "b"), (1, 2), [[1], [2]]])
def test_what_is_meant_is_sent(prompt: Any, scripted_server: ScriptedServer) -> None:
    body = b'{"choices":[{"index":0,"text":"a","finish_reason":"stop"},{"index":1,"text":"b","finish_reason":"stop"}]}'
    scripted_server.play([response(body)])
    with Client(scripted_server.url, api_key=KEY) as client:
        assert client.complete(prompt).text == "a"
