"""The four ways to send a request to the pool `all`: two commands and two clients."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from completions_cli import AsyncClient, Client, CompletionsError
from tests.command import Cli


class Told(NamedTuple):
    """How a call ended: its text or exit code, and what else was said."""

    text: str | None
    code: int
    shown: str


Call = Callable[[Cli, Path], Told]


def command(name: str) -> Call:
    def call(cli: Cli, _: Path) -> Told:
        done = cli.run(name, "P", "-p", "all", "-v")
        return Told(done.text.rstrip("\n") if done.code == 0 else None, done.code, done.text + done.stderr)

    return call


def client(_: Cli, config: Path) -> Told:
    said: list[str] = []
    try:
        with Client.from_profile("all", config=str(config), on_wait=lambda wait: said.append(str(wait.error))) as made:
            return Told(made.complete("P").text, 0, "".join(said))
    except CompletionsError as failure:
        return Told(None, failure.exit_code, f"{said}{failure}{failure.hint}")


def awaited(_: Cli, config: Path) -> Told:
    async def call() -> Told:
        async with AsyncClient.from_profile("all", config=str(config)) as made:
            return Told((await made.complete("P")).text, 0, "")

    try:
        return asyncio.run(call())
    except CompletionsError as failure:
        return Told(None, failure.exit_code, f"{failure}{failure.hint}")


every_caller = pytest.mark.parametrize(
    "call",
    [command("complete"), command("stream"), client, awaited],
    ids=["complete", "stream", "Client", "AsyncClient"],
)
