"""What every caller does alike: the commands and both clients, over real sockets."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from completions_cli import AsyncClient, Client, Completion, CompletionsError
from tests.answers import ANSWER
from tests.command import Cli
from tests.scripted_server import ScriptedServer, response

KEY = "canary-0123456789"
OWN = "own-canary-9876543210"


class Told(NamedTuple):
    """What a user gets to see of a call, in text, stderr and files."""

    text: str | None
    shown: str


Caller = Callable[..., Told]


def command(name: str) -> Callable[[Cli, str, Mapping[str, Any]], Told]:
    """Return how `complete` or `stream` is called with the options of a client."""

    def call(cli: Cli, url: str, options: Mapping[str, Any]) -> Told:
        done = _configured(cli, url, options).run(name, "P", "-F", "json", "-v", *_typed(options))
        text = done.json()["choices"][0]["text"] if done.code == 0 else None
        return Told(text, done.text + done.stderr)

    return call


def batch(cli: Cli, url: str, options: Mapping[str, Any]) -> Told:
    """Ask one row, and read it in OUTPUT."""
    (cli.home / "in.txt").write_text("P\n", encoding="utf-8")
    out, summary = cli.home / "out.jsonl", cli.home / "summary.json"
    arguments = [str(cli.home / "in.txt"), "-o", str(out), "--summary", str(summary), *_typed(options)]
    done = _configured(cli, url, options).run("batch", *arguments)
    files = [path.read_text(encoding="utf-8") for path in (out, summary) if path.exists()]
    row = json.loads(files[0]) if files and files[0] else {"choices": []}
    return Told(row["choices"][0]["text"] if row["choices"] else None, "".join([done.text, done.stderr, *files]))


def client(_: Cli, url: str, options: Mapping[str, Any]) -> Told:
    """Call `Client`."""
    with Client(url, **_for_client(options)) as made:
        try:
            return _told(made.complete("P"))
        except CompletionsError as error:
            return _told(error)


def awaited(_: Cli, url: str, options: Mapping[str, Any]) -> Told:
    """Call `AsyncClient`."""

    async def call() -> Told:
        async with AsyncClient(url, **_for_client(options)) as made:
            try:
                return _told(await made.complete("P"))
            except CompletionsError as error:
                return _told(error)

    return asyncio.run(call())


def _configured(cli: Cli, url: str, options: Mapping[str, Any]) -> Cli:
    headers = "".join(f"{name} = {json.dumps(value)}\n" for name, value in options.get("headers", {}).items())
    cli.profile(
        f'[profiles.p]\nendpoint = "{url}"\nauth = "{options.get("auth", "key")}"\n[profiles.p.headers]\n{headers}'
    )
    cli.env |= {"COMPLETIONS_PROFILE": "p", "COMPLETIONS_API_KEY": KEY}
    return cli


def _typed(options: Mapping[str, Any]) -> list[str]:
    names = [name for name in options if name not in ("headers", "auth")]
    return [word for name in names for word in (f"--{name.replace('_', '-')}", str(options[name]))]


def _for_client(options: Mapping[str, Any]) -> dict[str, Any]:
    return {**({} if options.get("auth") == "none" else {"api_key": KEY}), **options}


def _told(outcome: Completion | CompletionsError) -> Told:
    text = outcome.text if isinstance(outcome, Completion) else None
    return Told(text, f"{outcome!r} {outcome} {vars(outcome) if isinstance(outcome, CompletionsError) else ''}")


@pytest.fixture(params=[command("complete"), command("stream"), batch, client, awaited])
def call(request: pytest.FixtureRequest, cli: Cli) -> Caller:
    """Call in each of the ways in turn: `call(url, **options)`."""
    return lambda url, **options: request.param(cli, url, options)


def test_an_authorization_header_of_the_users_own_is_masked(call: Caller, scripted_server: ScriptedServer) -> None:
    body = json.dumps({"error": {"message": f"no such user: Bearer {OWN}", "code": OWN}}).encode()
    scripted_server.play([response(body, "422 X", [f"x-request-id: {OWN}"])])
    told = call(scripted_server.url, auth="none", headers={"authorization": f"Bearer {OWN}"})
    assert OWN.encode() in scripted_server.requests[0]
    assert told.text is None
    assert "no such user" in told.shown
    assert OWN not in told.shown


@pytest.mark.parametrize("error", [b'{"error":{"message":"busy","code":429}}', b'data: {"error":{"code":503}}\n\n'])
def test_a_wait_beside_an_error_inside_a_200_is_heeded(
    error: bytes, call: Caller, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([response(error, headers=["retry-after-ms: 1", "x-request-id: r-1"])], [ANSWER])
    assert call(scripted_server.url, max_wait=0.002).text == "ok"


def test_a_wait_beside_an_error_inside_a_200_can_be_too_long(call: Caller, scripted_server: ScriptedServer) -> None:
    error = b'{"error":{"message":"busy","code":429}}'
    scripted_server.play([response(error, headers=["retry-after: 3000"])], [ANSWER])
    told = call(scripted_server.url)
    assert "3000" in told.shown
    assert len(scripted_server.requests) == 1


@pytest.mark.parametrize("name", ["authorization", "api-key", "Authorization", "API-Key"])
def test_a_credential_in_a_header_takes_the_place_of_the_key(
    name: str, call: Caller, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([ANSWER])
    assert call(scripted_server.url, headers={name: OWN}).text == "ok"
    assert OWN.encode() in scripted_server.requests[0]
    assert KEY.encode() not in scripted_server.requests[0]


@pytest.mark.parametrize("name", ["x-api-key", "Ocp-Apim-Subscription-Key", "X-Amz-Security-Token", "Cookie"])
def test_a_header_for_a_gateway_goes_beside_the_key_and_is_masked_like_it(
    name: str, call: Caller, scripted_server: ScriptedServer
) -> None:
    body = json.dumps({"message": f"no {OWN} and no {KEY}"}).encode()
    scripted_server.play([response(body, "400 X")])
    told = call(scripted_server.url, headers={name: OWN})
    assert OWN.encode() in scripted_server.requests[0]
    assert KEY.encode() in scripted_server.requests[0]
    assert "no **** and no ****" in told.shown
    assert OWN not in told.shown
    assert KEY not in told.shown


def test_a_batch_shows_each_body_when_it_came(cli: Cli, scripted_server: ScriptedServer) -> None:
    """None of the bodies ends with a line break, at which a body is shown otherwise."""
    scripted_server.play([response(b'{"message":"no body like this"}', "400 X")], [ANSWER])
    (cli.home / "in.txt").write_text("P\nQ\n", encoding="utf-8")
    out = str(cli.home / "out.jsonl")
    done = cli.service(scripted_server.url).run("batch", str(cli.home / "in.txt"), "-o", out, "-vv", "-j", "1")
    lines = done.stderr.splitlines()
    assert '< {"message":"no body like this"}' in lines
    assert "< " + ANSWER.partition(b"\r\n\r\n")[2].decode() in lines
