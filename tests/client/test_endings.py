"""The table of endings over real sockets, for every caller: the exit code, and the text that came before it."""

import asyncio
import gzip
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from completions_cli import AsyncClient, Client
from completions_cli.api import choices, endpoint
from completions_cli.api.service import Service
from completions_cli.auth.credentials import NoCredentials
from completions_cli.batch.exchange import Exchange, Failure
from completions_cli.errors import CompletionsError
from completions_cli.models import CompletionRequest, Delta
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from tests.command import Cli
from tests.endings import ENDINGS, Row, document, piece
from tests.scripted_server import response, scripted

# A caller that waits for more than a moment where nothing more is needed runs into the first.
_AT_MOST = 30
_NEVER = 60.0
# What the command has in common with `Client` need not be shown for each row twice.
_SOME = ENDINGS[::6]

Outcome = tuple[int, tuple[str, ...] | None]
Ask = Callable[[Row, str], Outcome]


def prompt(row: Row) -> str | list[str]:
    return "P" if row.prompts == 1 else ["P"] * row.prompts


def timeout(row: Row) -> float:
    return 2.0 if row.exit_code == 11 else _NEVER


def joined(deltas: list[Delta]) -> tuple[str, ...]:
    texts: dict[int, str] = {}
    for delta in deltas:
        texts[delta.index] = texts.get(delta.index, "") + delta.text
    return tuple(texts[index] for index in sorted(texts)) or ("",)  # a piece without text is not given out


def client(row: Row, url: str) -> Outcome:
    deltas: list[Delta] = []
    with Client(endpoint=url, auth="none", timeout=timeout(row), retries=0) as service:
        try:
            with service.stream(prompt(row)) as stream:
                deltas.extend(stream)
        except CompletionsError as error:
            return int(error.exit_code), joined(deltas)
    return 0, joined(deltas)


def async_client(row: Row, url: str) -> Outcome:
    async def ask() -> Outcome:
        deltas: list[Delta] = []
        async with AsyncClient(endpoint=url, auth="none", timeout=timeout(row), retries=0) as service:
            try:
                async with service.stream(prompt(row)) as stream:
                    async for delta in stream:
                        deltas.append(delta)  # noqa: PERF401 - what came before an error counts
            except CompletionsError as error:
                return int(error.exit_code), joined(deltas)
        return 0, joined(deltas)

    return asyncio.run(ask())


def batch(row: Row, url: str) -> Outcome:
    """Ask as `batch` does, whose rows have all of an answer or none of it."""

    async def ask() -> Outcome:
        async with AsyncTransport(Connection(timeout=timeout(row))) as transport:
            exchange = Exchange(Service(endpoint.resolve(url)), NoCredentials(), transport)
            try:
                reply = await exchange.send(CompletionRequest(prompt(row)))
            except Failure as failure:
                return int(failure.error.exit_code), None
        came = reply.response["choices"]
        wrong = choices.misfit(came, row.prompts) if row.prompts > 1 else choices.miscount(len(came), 1)
        return (12, None) if wrong else (0, tuple(choice["text"] for choice in came))

    return asyncio.run(ask())


@pytest.mark.parametrize("ask", [client, async_client, batch])
def test_every_end_has_its_outcome_for_every_caller(ask: Ask) -> None:
    def play(row: Row) -> Outcome:
        with scripted() as server:
            server.play(row.script())
            return ask(row, server.url)

    with ThreadPoolExecutor(len(ENDINGS)) as pool:
        outcomes = {row.name: pool.submit(play, row) for row in ENDINGS}
        found = {name: outcome.result(_AT_MOST) for name, outcome in outcomes.items()}
    wanted: dict[str, Outcome] = {row.name: (row.exit_code, row.texts or ("",)) for row in ENDINGS}
    if ask is batch:
        wanted = {name: (code, None if code else texts) for name, (code, texts) in wanted.items()}
    assert found == wanted


@pytest.mark.parametrize("command", ["complete", "stream"])
def test_the_commands_end_as_the_table_says(command: str, tmp_path: Path) -> None:
    def play(row: Row) -> Outcome:
        with scripted() as server:
            server.play(row.script())
            cli = Cli(tmp_path).service(server.url)
            given = ["--prompt-json", json.dumps(prompt(row)), "--timeout", f"{timeout(row):g}", "--retries", "0"]
            done = cli.run(command, *given, "--separator", "|", "--no-newline")
            assert done.code == 0 or "error: " in done.stderr
            return done.code, tuple(done.text.split("|")) if done.text else ()

    with ThreadPoolExecutor(6) as pool:
        outcomes = {row.name: pool.submit(play, row) for row in _SOME}
        found = {name: outcome.result(_AT_MOST) for name, outcome in outcomes.items()}
    assert found == {row.name: (row.exit_code, row.texts if any(row.texts) else ()) for row in _SOME}


@pytest.mark.parametrize("ask", [client, async_client, batch])
def test_a_gzip_body_of_several_members_is_read_whole(ask: Ask) -> None:
    row = Row("gzip", document(piece("héy", "stop")), "ends", 0, ("héy",))
    packed = gzip.compress(row.came[:30]) + gzip.compress(row.came[30:])
    with scripted() as server:
        server.play([response(packed, headers=["content-encoding: gzip"])])
        assert ask(row, server.url) == (0, ("héy",))
