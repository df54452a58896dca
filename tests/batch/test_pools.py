"""A batch with a pool: one backlog, each member with everything of its own, every row answered once."""

import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from tests import two_members
from tests.answering_server import Answered, AnsweringServer
from tests.batch.conftest import Rows, Serve, batch, records, row_numbers, summary
from tests.batch.wrong_answers import OUT_OF_ORDER, REFUSED, after, answers, as_asked
from tests.command import Cli
from tests.two_members import EAST, WEST


def pool(cli: Cli, east: AnsweringServer, west: AnsweringServer, of_east: str = "", of_west: str = "") -> Path:
    """Write a pool of two servers."""
    return two_members.pool(cli, east.url, west.url, of_east=of_east, of_west=of_west)


def check(output: Path, count: int) -> list[dict[str, Any]]:
    """Every row has one line, and its answer is of its own prompt."""
    found = records(output)
    assert sorted(record["row"] for record in found) == list(range(count))
    for record in found:
        if record["choices"]:
            assert answers(record["choices"][0]["text"], f"Row {record['row']} says")
    return found


def test_all_members_answer_and_every_line_says_who(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    east, west = serve(), serve()
    pool(cli, east, west, 'deployment = "blue"', 'model = "m"')
    result = batch(cli, rows(120), "-o", output, "-p", "all", "--summary", "-", "-v")
    found = check(output, 120)
    assert result.code == 0, result.stderr
    by_name = summary(result)["profiles"]
    assert by_name == {name: sum(record["profile"] == name for record in found) for name in ("east", "west")}
    assert min(by_name.values()) > 0
    assert (by_name["east"], by_name["west"]) == (len(east.requests), len(west.requests))
    assert summary(result)["all_runs"]["profiles"] == by_name
    for server, own, other, model in ((east, EAST, WEST, None), (west, WEST, EAST, "m")):
        assert {request.get("model") for request in server.requests} == {model}
        assert all(own in head and other not in head for head in server.heads)
        assert all(("azureml-model-deployment: blue" in head.lower()) is (server is east) for head in server.heads)
    assert EAST not in result.stderr + output.read_text()
    assert WEST not in result.stderr + output.read_text()
    status = cli.run("batch", "status", str(output), "-F", "json").json()
    assert status["profiles"] == by_name


def test_lines_in_the_openai_format_say_who_answered(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    pool(cli, serve(), serve())
    result = batch(cli, rows(80), "-o", output, "-p", "all", "--summary", "-", "--output-format", "openai")
    by_name = summary(result)["profiles"]
    found = [record["profile"] for record in records(output)]
    assert by_name == {name: found.count(name) for name in ("east", "west")}
    assert cli.run("batch", "status", str(output), "-F", "json").json()["profiles"] == by_name


def test_a_member_that_refuses_the_key_in_mid_run_is_left_out(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    east, west = serve(after(4, REFUSED)), serve()
    pool(cli, east, west)
    result = batch(cli, rows(200), "-o", output, "-p", "all", "--summary", "-", "-j", "8")
    assert (result.code, len(check(output, 200))) == (0, 200)
    east_answered = min(4, len(east.requests))  # how many it is asked is a matter of speed
    assert summary(result)["profiles"] == {"east": east_answered, "west": 200 - east_answered}
    warned = result.stderr.count("warning: east is left out for the rest of the run: 401: the key is wrong")
    assert warned == (len(east.requests) > 4)
    assert len(east.requests) <= 4 + 8  # what was under way


@pytest.mark.parametrize(
    "answer", [REFUSED, Answered({}, 404), Answered({}, 410), Answered({}, 402), Answered({}, 403)]
)
def test_a_member_that_refuses_from_the_start_is_left_out(
    answer: Answered, cli: Cli, serve: Serve, rows: Rows, output: Path
) -> None:
    pool(cli, serve(lambda _: answer), serve())
    result = batch(cli, rows(60), "-o", output, "-p", "all", "--summary", "-")
    assert (result.code, summary(result)["profiles"]) == (0, {"west": 60})
    check(output, 60)


def test_when_none_is_left_the_run_stops_as_with_one(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    pool(cli, serve(after(10, REFUSED)), serve(after(10, REFUSED)))
    result = batch(cli, rows(100), "-o", output, "-p", "all")
    assert result.code == 4
    assert len(records(output)) == 20
    config = pool(cli, serve(), serve())
    resumed = batch(cli, rows(100), "-o", output, "-p", "all", "--config", config)
    assert (resumed.code, len(check(output, 100))) == (0, 100)


def test_a_member_that_dies_and_comes_back_loses_no_row(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    numbers = iter(range(10**9))

    def flaky(body: dict[str, Any]) -> Answered:
        return OUT_OF_ORDER if 30 <= next(numbers) < 60 else as_asked(body)

    def steady(body: dict[str, Any]) -> Answered:
        threading.Event().wait(0.01)  # a server with something to do
        return as_asked(body)

    east, west = serve(flaky), serve(steady)
    pool(cli, east, west)
    result = batch(cli, rows(1500), "-o", output, "-p", "all", "--summary", "-", "-j", "8")
    found = check(output, 1500)
    assert (result.code, all(record["error"] is None for record in found)) == (0, True)
    assert result.stderr.count("note: east is set aside until it answers again: 503: out of order") == 1
    assert max(record["attempts"] for record in found) <= 5


def test_rows_of_a_member_that_cannot_be_reached_go_to_the_others(
    cli: Cli, serve: Serve, rows: Rows, output: Path
) -> None:
    west = serve()
    gone = serve()
    pool(cli, gone, west)
    gone.close()
    result = batch(cli, rows(100), "-o", output, "-p", "all", "--summary", "-", "--retries", "0")
    assert (result.code, summary(result)["profiles"]) == (0, {"west": 100})
    check(output, 100)


def test_a_row_refused_for_what_it_holds_is_not_shopped_around(
    cli: Cli, serve: Serve, rows: Rows, output: Path
) -> None:
    def strict(body: dict[str, Any]) -> Answered:
        if body["prompt"].split()[1].endswith("7"):
            return Answered({"error": {"message": "this prompt is no good"}}, 400)
        return as_asked(body)

    east, west = serve(strict), serve(strict)
    pool(cli, east, west)
    result = batch(cli, rows(100), "-o", output, "-p", "all", "--summary", "-")
    found = check(output, 100)
    assert (result.code, summary(result)["failed"]) == (13, {"rejected": 10})
    assert {record["profile"] for record in found if record["error"]} <= {"east", "west"}
    asked = [request["prompt"] for request in east.requests + west.requests]
    assert len(asked) == len(set(asked)) == 100


def test_a_member_that_refuses_every_row_alike_is_left_out(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    odd = Answered({"error": {"message": "unknown parameter: max_tokens", "param": "max_tokens"}}, 400)
    pool(cli, serve(lambda _: odd), serve())
    result = batch(cli, rows(200), "-o", output, "-p", "all", "--summary", "-")
    assert (result.code, summary(result)["profiles"]) == (0, {"west": 200}), result.stderr
    check(output, 200)


def test_a_wait_over_max_wait_sets_a_member_aside(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    slow = Answered({"error": {"message": "tomorrow"}}, 429, {"retry-after": "86400"})
    pool(cli, serve(after(5, slow)), serve())
    result = batch(cli, rows(100), "-o", output, "-p", "all", "--summary", "-")
    assert (result.code, summary(result)["profiles"]) == (0, {"east": 5, "west": 95})
    assert "note: east is set aside" in result.stderr
    pool(cli, serve(lambda _: slow), serve(lambda _: slow))
    assert batch(cli, rows(100), "-o", output, "-p", "all", "--overwrite").code == 8


def test_a_slow_member_gets_little(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    def slow(body: dict[str, Any]) -> Answered:
        threading.Event().wait(0.2)
        return as_asked(body)

    pool(cli, serve(slow), serve())
    result = batch(cli, rows(600), "-o", output, "-p", "all", "--summary", "-", "-j", "4")
    assert summary(result)["profiles"]["east"] < 60
    check(output, 600)


def test_different_models_are_refused_unless_allowed(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    east, west = serve(lambda body: as_asked(body, "one")), serve(lambda body: as_asked(body, "two"))
    pool(cli, east, west)
    result = batch(cli, rows(60), "-o", output, "-p", "all")
    assert result.code == 2
    assert "answers with the model" in result.stderr
    assert len({record["model"] for record in records(output)}) == 1
    mixed = batch(cli, rows(60), "-o", output, "-p", "all", "--mixed-models", "--summary", "-")
    assert (mixed.code, len(check(output, 60))) == (0, 60)
    assert sum(summary(mixed)["all_runs"]["models"].values()) == 60


def test_a_killed_run_is_resumed_with_other_members(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    enough = threading.Event()
    numbers = iter(range(10**9))

    def slow(body: dict[str, Any]) -> Answered:
        if next(numbers) > 60:
            enough.set()
        threading.Event().wait(0.005)
        return as_asked(body)

    pool(cli, serve(slow), serve(slow), 'deployment = "blue"')
    process = cli.start("batch", str(rows(2000)), "-o", str(output), "-p", "all", "-j", "6")
    assert enough.wait(30)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    before = len(output.read_bytes().split(b"\n")) - 1
    assert 0 < before < 2000
    east, north = serve(), serve()
    config = pool(cli, east, north, 'deployment = "green"', 'model = "m"')
    config.write_text(config.read_text().replace("[profiles.west]", "[profiles.north]").replace('"west"]', '"north"]'))
    result = batch(cli, rows(2000), "-o", output, "-p", "east", "-p", "north", "--summary", "-")
    assert result.code == 0, result.stderr
    check(output, 2000)
    assert "started with the profile east, west, now it is east, north" in result.stderr
    assert len(east.requests) + len(north.requests) <= 2000 - before + 6
    alone = batch(cli, rows(2000), "-o", output, "-p", "east")
    assert alone.code == 0


def test_totals_hold_over_all_members(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def counted(body: dict[str, Any]) -> Answered:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        threading.Event().wait(0.003)
        with lock:
            now[0] -= 1
        return as_asked(body)

    pool(cli, serve(counted), serve(counted), "concurrency = 2")
    assert batch(cli, rows(120), "-o", output, "-p", "all", "-j", "3").code == 0
    assert most[0] <= 3
    stopped = batch(cli, rows(120), "-o", output, "-p", "all", "--overwrite", "--max-tokens-total", "90")
    assert stopped.code == 14
    assert 20 <= len(records(output)) <= 40


def test_each_member_has_its_price(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    pool(cli, serve(), serve(), "price_in = 1\nprice_out = 0", "price_in = 0\nprice_out = 1_000_000")
    found = summary(batch(cli, rows(40), "-o", output, "-p", "all", "--summary", "-"))
    east, west = found["profiles"]["east"], found["profiles"]["west"]
    assert found["cost"] == pytest.approx(east / 1_000_000 + 2 * west)
    stopped = batch(cli, rows(40), "-o", output, "-p", "all", "--overwrite", "--max-cost", "0.000001")
    assert stopped.code == 14


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "ray", "--hedge"), "--hedge works on one machine only"),
        (("--share", "x"), "--share takes one profile"),
        (("-d", "x"), "--deployment cannot be used with several profiles"),
        (("-p", "east"), "all is itself a pool"),
        (("--max-cost", "1"), "--max-cost needs --price-in and --price-out"),
    ],
)
def test_what_does_not_go_with_a_pool(
    words: tuple[str, ...], said: str, cli: Cli, serve: Serve, rows: Rows, output: Path
) -> None:
    east, west = serve(), serve()
    pool(cli, east, west)
    result = batch(cli, rows(3), "-o", output, "-p", "all", *words)
    assert (result.code, said in result.stderr) == (2, True), result.stderr
    assert (east.requests, west.requests, output.exists()) == ([], [], False)


def test_members_that_would_ask_different_things_are_refused(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    east, west = serve(), serve()
    pool(cli, east, west, "params = {seed = 1}")
    result = batch(cli, rows(3), "-o", output, "-p", "all")
    assert (result.code, "east and west differ in seed" in result.stderr) == (2, True)
    assert batch(cli, rows(3), "-o", output, "-p", "all", "--seed", "2").code == 0
    assert {request["seed"] for request in east.requests + west.requests} == {2}


def test_a_member_without_a_key_is_found_before_anything_is_sent(
    cli: Cli, serve: Serve, rows: Rows, output: Path
) -> None:
    east, west = serve(), serve()
    pool(cli, east, west).with_name("west.key").unlink()
    result = batch(cli, rows(3), "-o", output, "-p", "all", "--endpoint", east.url)
    assert result.code == 2
    result = batch(cli, rows(3), "-o", output, "-p", "all")
    assert (result.code, east.requests, output.exists()) == (3, [], False)


def test_a_plan_names_the_members(cli: Cli, serve: Serve, rows: Rows) -> None:
    pool(cli, serve(), serve(), "rpm = 60")
    plan = cli.run("batch", str(rows(3)), "-p", "all", "--plan")
    assert plan.code == 0
    assert "profiles: east (60 requests per minute), west" in plan.text.splitlines()


def test_a_single_profile_is_named_too(cli: Cli, serve: Serve, rows: Rows, output: Path) -> None:
    pool(cli, serve(), serve())
    assert batch(cli, rows(3), "-o", output, "-p", "east").code == 0
    assert {record["profile"] for record in records(output)} == {"east"}
    assert row_numbers(output) == [0, 1, 2]
    assert json.loads((output.parent / "out.jsonl.run").read_text())["is_pool"] is False
