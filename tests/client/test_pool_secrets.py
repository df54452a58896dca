"""Members of a pool that know each other's keys: whichever gives one back, it is shown nowhere."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.answering_server import Answered, AnsweringServer, answering
from tests.client.pool_callers import every_caller
from tests.command import Cli
from tests.two_members import EAST, WEST, pool

BOTH = f"{EAST} {WEST}"


def refuse(_: dict[str, Any]) -> Answered:
    """Refuse every key, and quote those of both members."""
    return Answered({"error": {"message": f"{EAST} and {WEST} are wrong"}}, 401)


def answer(_: dict[str, Any]) -> Answered:
    """Answer with the keys of both members in every field."""
    choice = {"index": 0, "text": "ok", "finish_reason": BOTH}
    return Answered({"id": BOTH, "model": BOTH, BOTH: 1, "choices": [choice]})


@pytest.fixture
def servers() -> Iterator[tuple[AnsweringServer, AnsweringServer]]:
    """Start one that refuses and one that answers."""
    with ExitStack() as stack:
        yield stack.enter_context(answering(refuse)), stack.enter_context(answering(answer))


Servers = tuple[AnsweringServer, AnsweringServer]


def check(shown: str) -> None:
    assert EAST not in shown
    assert WEST not in shown


@every_caller
def test_no_caller_shows_the_key_of_another_member(call: Any, cli: Cli, servers: Servers) -> None:
    told = call(cli, pool(cli, *(server.url for server in servers)))
    assert told.text == "ok", told
    check(told.shown)
    told = call(cli, pool(cli, servers[0].url, servers[0].url))
    assert told.text is None
    check(told.shown)


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_no_field_shows_it(form: str, cli: Cli, servers: Servers) -> None:
    pool(cli, *(server.url for server in servers))
    done = cli.run("complete", "P", "-p", "all", "-F", form)
    assert (done.code, "east did not answer" in done.stderr, "****" in done.text) == (0, True, True)
    check(done.text + done.stderr)


def test_no_line_of_a_batch_shows_it(cli: Cli, servers: Servers, tmp_path: Path) -> None:
    pool(cli, *(server.url for server in servers))
    rows, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"p{number}"}) + "\n" for number in range(4)))
    done = cli.run("batch", str(rows), "-o", str(output), "-p", "all")
    assert done.code == 0, done.stderr
    assert len(output.read_text().splitlines()) == 4
    check(done.text + done.stderr + output.read_text())


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_a_check_of_all_members_shows_none(words: tuple[str, ...], cli: Cli, servers: Servers) -> None:
    pool(cli, servers[0].url, servers[0].url)
    done = cli.run("config", "doctor", "-p", "all", "--probe", *words)
    assert done.code == 4
    assert "**** and **** are wrong" in done.text
    check(done.text + done.stderr)
