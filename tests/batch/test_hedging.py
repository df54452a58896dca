"""--hedge: the last rows of a slow member are asked of an idle one, too; one line comes out."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.answering_server import Answered, answering
from tests.batch.conftest import Rows, batch, records, row_numbers, summary
from tests.batch.wrong_answers import as_asked
from tests.command import Cli

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """Give what a server waits for that stops answering; it is released in the end."""
    released = threading.Event()
    yield released
    released.set()


def pool(cli: Cli, *urls: str) -> None:
    cli.profile(
        "".join(f'[profiles.p{number}]\nendpoint = "{url}"\nauth = "none"\n' for number, url in enumerate(urls))
    )


def test_rows_of_a_member_that_fell_silent_are_asked_of_another(
    cli: Cli, rows: Rows, output: Path, stuck: threading.Event
) -> None:
    numbers = iter(range(10**9))

    def silent(body: dict[str, Any]) -> Answered:
        if next(numbers) >= 5:
            stuck.wait(50)
        return as_asked(body)

    with ExitStack() as stack:
        slow, quick = stack.enter_context(answering(silent)), stack.enter_context(answering(as_asked))
        pool(cli, slow.url, quick.url)
        result = batch(cli, rows(60), "-o", output, "-p", "p0", "-p", "p1", "--hedge", "--summary", "-")
        found = summary(result)
        assert (result.code, row_numbers(output)) == (0, list(range(60))), result.stderr
        assert found["profiles"]["p0"] == 5
        assert found["hedged"] == len(slow.requests) - 5 > 0
        assert found["maybe_billed"] == found["hedged"]
        assert found["requests"] == len(slow.requests) + len(quick.requests)
        assert "sent twice:" in result.stderr


def test_an_answer_that_comes_second_is_counted_and_not_written(
    cli: Cli, rows: Rows, output: Path, stuck: threading.Event
) -> None:
    numbers = iter(range(10**9))

    def late(body: dict[str, Any]) -> Answered:
        if next(numbers) >= 5:
            stuck.wait(50)
        return as_asked(body)

    def failing(body: dict[str, Any]) -> Answered:
        if body["prompt"] in {request["prompt"] for request in slow.requests}:
            stuck.set()  # the slow one answers while this one fails
            return Answered({"error": {"message": "no"}}, 400)
        return as_asked(body)

    with ExitStack() as stack:
        slow, quick = stack.enter_context(answering(late)), stack.enter_context(answering(failing))
        pool(cli, slow.url, quick.url)
        result = batch(cli, rows(60), "-o", output, "-p", "p0", "-p", "p1", "--hedge", "--summary", "-")
        assert (result.code, row_numbers(output)) == (0, list(range(60))), result.stderr
        assert all(record["error"] is None for record in records(output))


def test_nothing_is_asked_twice_without_the_option(cli: Cli, rows: Rows, output: Path) -> None:
    def slow(body: dict[str, Any]) -> Answered:
        threading.Event().wait(0.4)
        return as_asked(body)

    with ExitStack() as stack:
        servers = stack.enter_context(answering(slow)), stack.enter_context(answering(as_asked))
        pool(cli, *(server.url for server in servers))
        result = batch(cli, rows(40), "-o", output, "-p", "p0", "-p", "p1", "--summary", "-")
        assert (summary(result)["hedged"], sum(len(server.requests) for server in servers)) == (0, 40)


def test_hedging_needs_several_profiles(cli: Cli, rows: Rows, output: Path) -> None:
    pool(cli, "http://127.0.0.1:1")
    result = batch(cli, rows(1), "-o", output, "-p", "p0", "--hedge")
    assert (result.code, "--hedge needs several profiles" in result.stderr) == (2, True)
