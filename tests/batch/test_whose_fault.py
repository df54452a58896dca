"""Refusals that concern all rows stop the run at once, wherever they come, and no row is recorded as failed by them."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.api import endpoint
from completions_cli.api.retry import RetryPolicy
from completions_cli.api.service import Service
from completions_cli.auth.credentials import NoCredentials
from completions_cli.batch.budget import Budget
from completions_cli.batch.exchange import Exchange
from completions_cli.batch.pool.member import Member
from completions_cli.batch.rows import Defaults, Row
from completions_cli.batch.runner import Runner, Tools
from completions_cli.batch.settling import Rules
from completions_cli.batch.totals import Totals
from completions_cli.batch.triage import Ending, Triage
from completions_cli.batch.units import Packer
from completions_cli.pacing.concurrency import Concurrency
from completions_cli.pacing.gate import Gate
from completions_cli.pacing.pace import Pace
from completions_cli.transport.asynchronous import AsyncTransport
from completions_cli.transport.connection import Connection
from tests.answering_server import Answered, AnsweringServer, answering
from tests.batch.conftest import Rows, batch, records, row_numbers, summary
from tests.batch.wrong_answers import answers, prompts_of, right
from tests.command import Cli

PATIENCE = 10

MODEL_STATUS = "ms-azureml-model-error-statuscode"
OF_ALL = {
    "401": (Answered({}, 401), 4),
    "402": (Answered({"message": "Insufficient balance"}, 402), 4),
    "403": (Answered(b"<html>Forbidden", 403), 4),
    "404": (Answered({"detail": "Not Found"}, 404), 5),
    "405": (Answered({"detail": "Method Not Allowed"}, 405), 5),
    "407": (Answered(b"", 407), 10),
    "410": (Answered({"error": {"code": "ModelRetired", "message": "The model is gone."}}, 410), 5),
    "424 of the route": (Answered({"detail": "Not Found"}, 424), 5),
    "424 with a 404 inside": (Answered({}, 424, {MODEL_STATUS: "404"}), 5),
    "quota": (Answered({"error": {"code": "insufficient_quota", "message": "m"}}, 429, {"retry-after": "1"}), 8),
    "operation": (Answered({"error": {"code": "OperationNotSupported", "message": "m"}}, 400), 5),
    "model": (Answered({"error": {"code": "unavailable_model", "message": "Unavailable model: x"}}, 400), 5),
    "no model": (Answered({"error": "model is required"}, 400), 5),
    "model's field": (Answered({"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}, 422), 5),
    "redirect": (Answered(b"", 308, {"location": "http://127.0.0.2:9/"}), 10),
}
OF_A_ROW = {
    "400": Answered({"error": {"code": "invalid_prompt", "message": "m"}}, 400),
    "413": Answered(b"", 413),
    "422": Answered({"detail": "wrong"}, 422),
    "filter": Answered({"error": {"code": "content_filter", "message": "m"}}, 400),
    "too long": Answered({"message": "This model's maximum context length is 4096 tokens."}, 400),
    "424 with a 400 inside": Answered({}, 424, {MODEL_STATUS: "400"}),
}


class Lines:
    """A journal in memory."""

    def __init__(self) -> None:
        self.is_dirty = False
        self.records: list[dict[str, Any]] = []

    def append(self, lines: bytes) -> None:
        """Take lines."""
        self.records += [json.loads(line) for line in lines.splitlines()]

    def sync(self) -> None:
        """Do nothing."""

    def check(self) -> None:
        """Do nothing."""


def run(url: str, rows: list[Row], in_flight: int, lines: Lines, pack: int = 1) -> Ending | None:
    """Run a batch in this process, without its command."""

    async def work() -> Ending | None:
        packer = Packer(Defaults(), size=pack)
        done = {record["row"] for record in lines.records}
        pace = Pace(Concurrency(in_flight), None, None, time.monotonic())
        policy = RetryPolicy(retries=1, max_wait=1)
        async with AsyncTransport(Connection()) as transport:
            exchange = Exchange(Service(endpoint.resolve(url)), NoCredentials(), transport)
            runner = Runner(
                packer.units(iter([row for row in rows if row.number not in done])),
                Tools(
                    [Member(None, pace, exchange, Triage(policy))],
                    Gate(pace, time.monotonic),
                    lines,
                    packer,
                    Totals(),
                ),
                Rules(policy, Budget()),
            )
            await runner.run()
        return runner.ending

    return asyncio.run(work())


def right_answer(body: dict[str, Any]) -> Answered:
    """Answer as asked."""
    return Answered({"choices": right(prompts_of(body))})


@pytest.fixture(scope="module")
def server() -> Iterator[AnsweringServer]:
    """Give a server whose `answer` the tests set."""
    with answering(right_answer) as running:
        yield running


@given(
    st.sampled_from(list(OF_ALL)),
    st.integers(0, 24),
    st.integers(1, 12),
    st.sampled_from([1, 2, 8, 32]),
    st.sampled_from([1, 3]),
    st.booleans(),
    st.booleans(),
)
def test_it_stops_and_the_same_run_finishes_later(
    server: AnsweringServer,
    kind: str,
    well: int,
    left: int,
    in_flight: int,
    pack: int,
    are_slow: bool,
    names_model: bool,
) -> None:
    refusal, code = OF_ALL[kind]
    numbers, has_refused = itertools.count(), threading.Event()
    count = (well + left) * pack

    def answer(body: dict[str, Any]) -> Answered:
        number = next(numbers)
        if number >= well:
            has_refused.set()
            return refusal
        if are_slow and in_flight > 1 and number == well - 1:  # under way while another is refused
            has_refused.wait(PATIENCE)
        return right_answer(body)

    rows = [Row(number, prompt=f"row {number}", model="m" if names_model else None) for number in range(count)]
    lines = Lines()
    server.requests.clear()
    server.answer = answer
    ending = run(server.url, rows, in_flight, lines, pack)
    assert ending
    assert ending.error
    assert int(ending.error.exit_code) == code
    assert len(lines.records) == well * pack
    is_doubtful = names_model  # until its model has answered, nobody knows whether only this row names a wrong one
    tries = 2 + in_flight if kind == "redirect" else 0  # one may be an accident of the network
    assert len(server.requests) <= well + (20 if is_doubtful else 0) + tries + in_flight
    server.answer = right_answer
    assert run(server.url, rows, in_flight, lines, pack) is None
    assert sorted(record["row"] for record in lines.records) == list(range(count))
    for record in lines.records:
        assert record["error"] is None
        assert answers(record["choices"][0]["text"], f"row {record['row']}")


@given(
    st.dictionaries(st.integers(0, 59), st.sampled_from(list(OF_A_ROW)), max_size=40),
    st.sampled_from([1, 8]),
    st.sampled_from([1, 4]),
)
def test_a_row_that_is_to_blame_fails_alone(
    server: AnsweringServer, refused: dict[int, str], in_flight: int, pack: int
) -> None:
    rows = [Row(number, prompt=f"row {number}") for number in range(60)]
    refused = {number + 1: kind for number, kind in refused.items() if number < 59}  # the first is answered
    by_prompt = {f"row {number}": OF_A_ROW[kind] for number, kind in refused.items()}

    def answer(body: dict[str, Any]) -> Answered:
        blamed = [by_prompt[prompt] for prompt in prompts_of(body) if prompt in by_prompt]
        return blamed[0] if blamed else right_answer(body)

    server.answer = answer
    lines = Lines()
    run(server.url, rows[:1], 1, lines)
    assert run(server.url, rows, in_flight, lines, pack) is None
    failed = {record["row"]: record["error"]["status"] for record in lines.records if record["error"]}
    assert failed == {number: OF_A_ROW[kind].status for number, kind in refused.items()}
    assert sorted(record["row"] for record in lines.records) == list(range(60))


def test_a_row_whose_own_model_is_missing_fails_alone(server: AnsweringServer) -> None:
    models = ["here", "gone", None, "here"]

    def answer(body: dict[str, Any]) -> Answered:
        return OF_ALL["404"][0] if body.get("model") == "gone" else right_answer(body)

    server.answer = answer
    for in_flight in (1, 8):
        for shift in range(4):
            rows = [Row(number, prompt="p", model=models[(number + shift) % 4]) for number in range(12)]
            lines = Lines()
            assert run(server.url, rows, in_flight, lines) is None
            failed = {record["row"] for record in lines.records if record["error"]}
            assert failed == {row.number for row in rows if row.model == "gone"}


@pytest.mark.parametrize(("kind", "code"), [("402", 4), ("410", 5), ("quota", 8), ("operation", 5)])
def test_the_command_says_so(kind: str, code: int, cli: Cli, rows: Rows, output: Path) -> None:
    numbers = itertools.count()
    with answering(lambda body: right_answer(body) if next(numbers) < 20 else OF_ALL[kind][0]) as server:
        result = batch(cli.service(server.url), rows(300), "-o", output, "-j", "4", "--summary", "-")
        assert (result.code, len(records(output))) == (code, 20)
        assert summary(result)["failed"] == {}
        assert "error: " in result.stderr
        server.answer = right_answer
        assert batch(cli, rows(300), "-o", output).code == 0
        assert row_numbers(output) == list(range(300))


@pytest.mark.parametrize("kind", ["400", "422"])
def test_twenty_rows_refused_alike_stop_a_run_that_answered_none(kind: str, cli: Cli, rows: Rows, output: Path) -> None:
    with answering(lambda _: OF_A_ROW[kind]) as server:
        result = batch(cli.service(server.url), rows(200), "-o", output, "-j", "4")
        assert (result.code, records(output)) == (6, [])
        assert len(server.requests) <= 24
        assert "--max-errors" in result.stderr
        assert batch(cli, rows(200), "-o", output, "--max-errors", "30", "-j", "1").code == 14
        assert len(records(output)) == 30
        server.answer = right_answer
        assert batch(cli, rows(200), "-o", output).code == 13
        assert row_numbers(output) == list(range(200))


@pytest.mark.parametrize("kind", ["413", "filter", "424 with a 400 inside", "422"])
def test_a_few_or_other_refusals_do_not(kind: str, server: AnsweringServer) -> None:
    numbers = itertools.count()
    few = 19 if kind == "422" else 5 if kind.startswith("424") else 40
    server.answer = lambda body: OF_A_ROW[kind] if next(numbers) < few else right_answer(body)
    lines = Lines()
    assert run(server.url, [Row(number, prompt=f"row {number}") for number in range(50)], 1, lines) is None
    assert [bool(record["error"]) for record in sorted(lines.records, key=lambda record: record["row"])] == [
        number < few for number in range(50)
    ]


UNEXPLAINED = [409, 412, 418, 431, 451]


@pytest.mark.parametrize("status", UNEXPLAINED)
def test_a_status_that_names_no_row_stops_a_run_once_all_have_it(
    status: int, cli: Cli, rows: Rows, output: Path
) -> None:
    numbers = itertools.count()
    refusal = Answered({"message": "no"}, status)
    with answering(lambda body: right_answer(body) if next(numbers) < 20 else refusal) as server:
        result = batch(cli.service(server.url), rows(300), "-o", output, "-j", "4")
        assert (result.code, len(records(output))) == (6, 20)
        assert ". No row was marked as failed. With --max-errors N" in result.stderr
        assert batch(cli, rows(300), "-o", output, "-j", "4", "--max-errors", "1000").code == 13
        assert [bool(record["error"]) for record in records(output)].count(True) == 280


@pytest.mark.parametrize("pack", [1, 4])
def test_a_row_that_alone_has_such_a_status_fails_alone(pack: int, server: AnsweringServer) -> None:
    refused = {f"row {number}": UNEXPLAINED[number % 5] for number in (3, 4, 5, 17, 29)}  # the last one among them

    def answer(body: dict[str, Any]) -> Answered:
        statuses = [refused[prompt] for prompt in prompts_of(body) if prompt in refused]
        return Answered({}, statuses[0]) if statuses else right_answer(body)

    server.answer = answer
    lines = Lines()
    assert run(server.url, [Row(number, prompt=f"row {number}") for number in range(30)], 4, lines, pack) is None
    assert {f"row {record['row']}": record["error"]["status"] for record in lines.records if record["error"]} == refused
    assert len(lines.records) == 30


def test_a_server_that_ignores_n_for_all_stops_the_run(cli: Cli, rows: Rows, output: Path) -> None:
    with answering(right_answer) as server:
        result = batch(cli.service(server.url), rows(100), "-o", output, "-x", "n:=2", "-j", "1")
        assert (result.code, records(output), len(server.requests)) == (12, [], 20)
    assert "the server ignored n" in result.stderr


@pytest.mark.parametrize(
    "odd", [Answered(b"", 308, {"location": "http://127.0.0.2:9/"}), Answered({}, 501), Answered(b"<html>", 530)]
)
def test_an_accident_of_the_network_stops_nothing(odd: Answered, server: AnsweringServer) -> None:
    numbers = itertools.count()
    server.answer = lambda body: odd if next(numbers) % 10 == 9 else right_answer(body)
    lines = Lines()
    assert run(server.url, [Row(number, prompt=f"row {number}") for number in range(60)], 4, lines) is None
    assert sorted(record["row"] for record in lines.records) == list(range(60))
    failed = {record["error"]["status"] for record in lines.records if record["error"]}
    assert failed == ({odd.status} if odd.status > 500 else set())


@pytest.mark.parametrize("status", [501, 530])
def test_a_server_error_that_no_retry_mends_is_an_outage_when_it_is_all_that_comes(
    status: int, server: AnsweringServer
) -> None:
    numbers = itertools.count()
    server.answer = lambda body: right_answer(body) if next(numbers) < 10 else Answered({}, status)
    lines = Lines()
    ending = run(server.url, [Row(number, prompt=f"row {number}") for number in range(200)], 4, lines)
    assert ending
    assert ending.error
    assert int(ending.error.exit_code) == 14
    assert len(lines.records) == 10
