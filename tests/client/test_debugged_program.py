"""A program that is being debugged: logs at DEBUG, locals in tracebacks, the errors behind an error. No key in any."""

import asyncio
import base64
import contextlib
import inspect
import logging
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpcore
import pytest

from completions_cli import AsyncClient, Client, CompletionsError
from completions_cli.settings.layers import Flags
from tests.scripted_server import HangUp, Reset, Script, ScriptedServer, response
from tests.socks_server import socks_server

KEY = "pL5vTq8zWm2XbN7cRk4JdH9sGf3Yae6u"
BASIC = base64.b64encode(f"me:{KEY}".encode()).decode()
SHOWN = (KEY, BASIC)
# A key that is given back in a reason, a header, a header that is none, and where a chunk's size should be.
HEAD = [response(b"no", f"401 {KEY}", [f"x-request-id: {KEY}", f"www-authenticate: {BASIC}"])]
BROKEN: list[Script] = [
    HEAD,
    [f"HTTP/1.1 200 OK\r\n{KEY}\r\n\r\n".encode(), HangUp()],
    [f"{KEY}\r\n\r\n".encode(), HangUp()],
    [f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{KEY}\r\n".encode(), HangUp()],
    [response(b"", "307 X", [f"location: https://elsewhere.example/{KEY}"])],
]
SIGN_IN = {"auth": "entra", "tenant_id": "contoso", "client_id": "c", "client_secret": KEY, "scope": "s"}
PLAIN: list[Script] = [
    [response(b"no", "401 X")],
    [b"garbage\r\n\r\n", HangUp()],
    [response(b"", "307 X", ["location: https://elsewhere.example/"])],
    [response(b"{", headers=["content-type: application/json"])],
    [Reset()],
]


def calls(url: str, **arguments: Any) -> Iterator[CompletionsError]:
    """Yield the errors of both clients in all that they can be asked."""

    def stream(client: Client) -> None:
        with client.stream("P") as pieces:
            list(pieces)

    asked: tuple[Callable[[Client], object], ...] = (lambda client: client.complete("P"), stream, Client.models)
    with Client(url, retries=0, **arguments) as client:
        for ask in asked:
            with pytest.raises(CompletionsError) as caught:
                ask(client)
            yield caught.value

    async def ask_again(name: str) -> None:
        async with AsyncClient(url, retries=0, **arguments) as client:
            if name == "stream":
                async with client.stream("P") as pieces:
                    async for _ in pieces:
                        pass
            else:
                await (client.models() if name == "models" else client.complete("P"))

    for name in ("complete", "stream", "models"):
        with pytest.raises(CompletionsError) as caught:
            asyncio.run(ask_again(name), debug=True)
        yield caught.value


def behind(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from or beside, shown by a traceback or not."""
    waiting: list[BaseException | None] = [error]
    while waiting:
        if (one := waiting.pop()) is not None:
            yield one
            waiting += [one.__cause__, one.__context__]


def quoted(error: BaseException) -> str:
    """Return what an error, and whatever lies behind it, says."""
    return "\n".join(f"{one!r} {one}" for one in behind(error))


def local_values(error: BaseException) -> str:
    """Return the locals of our functions, as tools show them beside a traceback or copy them into a report."""
    frames = [frame for one in behind(error) for frame, _ in traceback.walk_tb(one.__traceback__)]
    ours = [frame.f_locals for frame in frames if "completions_cli" in frame.f_code.co_filename]
    return "\n".join(f"{name} = {value!r} {copied(value)}" for values in ours for name, value in values.items())


def copied(value: object, depth: int = 6) -> object:
    """Return what a tool that copies values makes of one: mappings and sequences by their parts, the rest by repr."""
    if depth and isinstance(value, Mapping):
        return [(copied(key, depth - 1), copied(part, depth - 1)) for key, part in value.items()]
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [copied(part, depth - 1) for part in value]
    return repr(value)


@pytest.mark.parametrize("script", BROKEN)
@pytest.mark.parametrize("arguments", [{"api_key": KEY}, {"auth": "none", "headers": {"api-key": KEY}}, SIGN_IN])
def test_no_log_or_error_quotes_a_server_that_gives_a_key_back(
    arguments: dict[str, Any], script: Script, scripted_server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted_server.play(script)
    url = scripted_server.url
    errors = list(calls(url, **arguments, **({"authority": url} if arguments is SIGN_IN else {})))
    assert len(errors) == 6
    assert len(scripted_server.requests) >= 6
    for shown in (caplog.text, *map(quoted, errors)):
        assert not [text for text in SHOWN if text in shown]
    assert "receive_response_headers.started" in caplog.text


@pytest.mark.parametrize("script", PLAIN)
@pytest.mark.parametrize("arguments", [{"api_key": KEY}, {"auth": "none", "headers": {"api-key": KEY}}, SIGN_IN])
def test_the_locals_of_no_function_of_ours_show_a_key(
    arguments: dict[str, Any], script: Script, scripted_server: ScriptedServer
) -> None:
    scripted_server.play(script)
    url = scripted_server.url
    for error in calls(url, **arguments, **({"authority": url} if arguments is SIGN_IN else {})):
        shown = local_values(error)
        assert "self = " in shown
        assert KEY not in shown


@pytest.mark.parametrize("script", PLAIN)
@pytest.mark.parametrize("name", ["sig", "code", "api-key"])
def test_nor_do_they_show_a_parameter_that_may_be_a_key(
    name: str, script: Script, scripted_server: ScriptedServer
) -> None:
    scripted_server.play(script)
    for error in calls(f"{scripted_server.url}/v1?{name}={KEY}", auth="none"):
        shown = local_values(error)
        assert "self = " in shown
        assert KEY not in shown


@pytest.mark.parametrize("url", ["https://nowhere.invalid", "https://127.0.0.1:1", "http://127.0.0.1:1"])
@pytest.mark.parametrize("name", ["sig", "code", "api-key"])
def test_nor_do_they_where_no_connection_is_made(name: str, url: str) -> None:
    for error in calls(f"{url}/v1?{name}={KEY}", auth="none", connect_timeout=5):
        assert KEY not in quoted(error) + local_values(error)


INTERRUPTED_IN = [
    (httpcore.ConnectionPool, "handle_request"),
    (httpcore.Response, "iter_stream"),
    (asyncio, "timeout"),  # which surrounds each wait of the asynchronous transport
]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize(("owner", "method"), INTERRUPTED_IN)
def test_an_interrupted_call_leaves_no_frame_of_a_transport(
    owner: object, method: str, interruption: type[BaseException], scripted_server: ScriptedServer
) -> None:
    """Their locals hold the headers that are sent, if not by themselves then behind an attribute or two."""

    def interrupt(*_: object) -> None:
        raise interruption from ValueError(KEY)

    scripted_server.play([response(b"{}")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, interrupt)
        for error in interruptions(scripted_server.url, interruption, is_awaited=owner is asyncio):
            files = [frame.filename for one in behind(error) for frame in traceback.extract_tb(one.__traceback__)]
            assert "client" in files[-1]
            assert not [name for name in files if "transport" in name or "httpcore" in name]
            assert KEY not in local_values(error)


def interruptions(url: str, kind: type[BaseException], *, is_awaited: bool) -> Iterator[BaseException]:
    """Yield what ends each call of a client that is interrupted."""

    def called(name: str) -> None:
        with Client(url, api_key=KEY) as client:
            getattr(client, name)(*([] if name == "models" else ["P"]))

    async def awaited(name: str) -> None:
        async with AsyncClient(url, api_key=KEY) as client:
            await getattr(client, name)(*([] if name == "models" else ["P"]))

    for name in ("complete", "models", "score"):
        with pytest.raises(kind) as caught:
            asyncio.run(awaited(name)) if is_awaited else called(name)
        yield caught.value


def fail() -> None:
    """Fail in the program, not in a client."""
    raise LookupError


def leave_stream(url: str) -> None:
    """Fail while an answer is streamed."""
    with Client(url, api_key=KEY) as client, client.stream("P") as pieces:
        next(iter(pieces))
        fail()


def interrupt_while_failing(url: str) -> None:
    """Fail, and be interrupted in a call before that is reported."""
    try:
        fail()
    except LookupError:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(httpcore.ConnectionPool, "handle_request", lambda *_: signal.raise_signal(signal.SIGINT))
            list(interruptions(url, KeyboardInterrupt, is_awaited=False))
        raise


def misuse_while_failing(_: str) -> None:
    """Fail, and make a client wrongly before that is reported."""
    try:
        fail()
    except LookupError:
        with contextlib.suppress(CompletionsError):
            Client("ftp://x.example", api_key=KEY)
        raise


@pytest.mark.parametrize("program", [leave_stream, interrupt_while_failing, misuse_while_failing])
def test_an_error_of_the_program_keeps_its_frames(
    program: Callable[[str], None], scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(b'{"choices":[{"index":0,"text":"x","finish_reason":"stop"}]}')])
    with pytest.raises(LookupError) as caught:
        program(scripted_server.url)
    assert caught.traceback[-1].name == "fail"


@pytest.mark.parametrize("kind", [asyncio.CancelledError, LookupError])
def test_a_call_that_ends_while_it_waits_shows_no_key(
    kind: type[BaseException], scripted_server: ScriptedServer
) -> None:
    """The refusal that it waited after is behind what ended it, with its frames."""
    scripted_server.play([response(b"no", "429 X", ["retry-after: 60"])])

    async def call() -> None:
        calling = asyncio.current_task()
        assert calling is not None

        def on_wait(_: object) -> None:
            fail() if kind is LookupError else calling.cancel()

        async with AsyncClient(scripted_server.url, api_key=KEY, on_wait=on_wait) as client:
            await client.complete("P")

    with pytest.raises(kind) as caught:
        asyncio.run(call())
    shown = local_values(caught.value)
    assert "signing = ****" in shown
    assert KEY not in shown


def test_nor_do_the_settings_of_a_program() -> None:
    given = {"endpoint": f"https://x.example/?sig={KEY}"}
    assert KEY not in f"{Flags(arguments=given)!r} {Flags(settings=given)!r}"


# Arguments that a client refuses, beside a key or in place of one.
WRONG: list[dict[str, Any]] = [
    {"api_key": KEY, "nonsense": 1},
    {"api_key": KEY, "max_tokens": 1},
    {"key": KEY},
    {"default_headers": {"api-key": KEY}},
    {"api_key": KEY, "timeout": "x"},
    {"api_key": KEY, "auth": "bogus"},
    {"api_key": KEY, "headers": {"a\n": "b"}},
    {"api_key": KEY, "headers": [("a", "b")]},
    {"api_key": [KEY]},
    {"api_key": f"{KEY} x"},
    {"api_key": KEY, "credential": object()},
    {"client_secret": KEY, "auth": "entra", "tenant_id": "common", "client_id": "c", "scope": "s"},
    {"auth": "none", "headers": {"api-key": KEY}, "retries": 1.5},
    {"api_key": "k", "proxy": f"http://me:{KEY}@proxy.example:1:2", "timeout": -1},
    {"api_key": "k", "proxy": f"http://me:{KEY}@proxy.example", "infill": "x"},
]
CLIENTS: list[Callable[..., object]] = [
    lambda **arguments: Client("https://x.example", **arguments),
    lambda **arguments: Client(f"https://x.example/?code={KEY}", **arguments),
    lambda **arguments: Client("ftp://x.example", **arguments),
    Client,
    lambda **arguments: AsyncClient("https://x.example", **arguments),
    lambda **arguments: Client.from_profile("nowhere", **arguments),
    AsyncClient.from_profile,
]


@pytest.mark.parametrize("arguments", WRONG)
@pytest.mark.parametrize("client", CLIENTS)
def test_wrong_arguments_of_a_client_show_no_key(
    client: Callable[..., object], arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPLETIONS_API_KEY", KEY)
    monkeypatch.setenv("COMPLETIONS_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises((CompletionsError, TypeError)) as caught:
        client(**arguments)
    assert KEY not in quoted(caught.value) + local_values(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize("name", ["complete", "stream", "score"])
def test_nor_do_wrong_arguments_of_a_call(name: str, kind: type[Client | AsyncClient]) -> None:
    async def call() -> None:
        called = getattr(client, name)("P", nonsense=1, api_key=KEY)
        if inspect.isawaitable(called):
            await called

    client = kind("https://x.example", api_key="k")
    with pytest.raises(TypeError, match="unexpected keyword argument 'nonsense'") as caught:
        asyncio.run(call())
    assert KEY not in local_values(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_client_that_was_never_made_has_a_repr(kind: type[Client | AsyncClient]) -> None:
    assert repr(kind.__new__(kind)) == f"<{kind.__name__} of no service>"
    wrong: dict[str, Any] = {"nonsense": 1}
    with pytest.raises(TypeError) as caught:
        kind("https://x.example", **wrong)
    assert "self = <" in local_values(caught.value)


def test_a_proxy_that_gives_its_password_back_is_not_quoted(
    scripted_server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted_server.play([response(b"", f"407 {BASIC}", [f"x: {BASIC}"])])
    proxy = scripted_server.url.replace("//", f"//me:{KEY}@")
    for error in calls("https://nowhere.invalid", api_key="k", proxy=proxy):
        assert not [text for text in SHOWN if text in caplog.text + quoted(error)]
    assert BASIC.encode() in scripted_server.requests[0]


def test_the_password_of_a_socks_proxy_is_not_logged(
    scripted_server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with socks_server(scripted_server.port, user=f"me:{KEY}", reply=5) as proxy:
        for error in calls("https://nowhere.invalid", api_key="k", proxy=f"socks5://me:{KEY}@127.0.0.1:{proxy.port}"):
            assert KEY not in caplog.text + quoted(error)
    assert proxy.requests


def test_what_httpcore_does_for_others_is_logged_in_full(
    scripted_server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scripted_server.play(HEAD)
    with Client(scripted_server.url, api_key="k", retries=0) as client, pytest.raises(CompletionsError):
        client.complete("P")
    assert KEY not in caplog.text
    httpcore.request("GET", scripted_server.url)
    assert KEY in caplog.text
