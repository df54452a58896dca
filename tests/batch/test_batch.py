"""`completions batch` as its users meet it: a process, files, the emulator on a real socket."""

import json
from pathlib import Path

import pytest

from tests.answers import ANSWER
from tests.batch.conftest import Rows, batch, records, row_numbers, summary
from tests.command import Cli
from tests.emulator_process import Start
from tests.scripted_server import ScriptedServer, response


def test_every_row_has_its_line(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    result = batch(cli.service(emulator().url), rows(50), "-o", output)
    found = records(output)
    assert result.code == 0, result.stderr
    assert sorted(record["row"] for record in found) == list(range(50))
    assert {record["id"] for record in found} == {f"r{number}" for number in range(50)}
    assert list(found[0]) == [
        "id", "row", "choices", "usage", "model", "system_fingerprint",
        "finish_reason", "request_id", "attempts", "latency_ms", "profile", "metadata", "error",
    ]  # fmt: skip
    assert all(record["choices"][0]["text"] and record["usage"]["total_tokens"] for record in found)


def test_a_second_run_asks_nothing_again(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator()
    cli.service(server.url)
    batch(cli, rows(10), "-o", output)
    before = output.read_bytes()
    result = batch(cli, rows(10), "-o", output, "--summary", "-")
    assert (result.code, output.read_bytes(), len(server.log())) == (0, before, 10)
    assert summary(result) | {"rows": 0, "ok": 0, "resumed": 10, "requests": 0} == summary(result)
    assert (summary(result)["all_runs"]["ok"], summary(result)["all_runs"]["requests"]) == (10, 10)


def test_bad_rows_are_lines_and_not_the_end(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'"good"\nnot json\n{"id":7}\n\n{"prompt":5}\n\xff\n{"prompt":"x","max_tokens":"many"}\n[1]\n')
    result = batch(cli.service(emulator().url), path, "-o", output)
    found = {record["row"]: record for record in records(output)}
    assert result.code == 13
    assert sorted(found) == list(range(7))
    assert found[0]["error"] is None
    errors = {number: found[number]["error"]["message"] for number in range(1, 7)}
    assert [found[number]["choices"] for number in range(1, 7)] == [[]] * 6
    assert {found[number]["error"]["kind"] for number in range(1, 7)} == {"input"}
    assert "not valid JSON at column" in errors[1]
    assert "Expecting" not in errors[1]
    assert errors[2] == "no prompt (line 3)"
    assert found[2]["id"] == 7
    assert "in a form that" in errors[3]
    assert errors[4] == "not UTF-8: byte 0 is 0xff (line 6)"
    assert errors[5] == "max_tokens must be an integer (line 7)"
    assert errors[6] == "neither a string nor an object (line 8)"


def test_repeated_rows_are_all_answered(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_text("same\n" * 20, encoding="utf-8")
    assert batch(cli.service(emulator().url), path, "-o", output).code == 0
    assert row_numbers(output) == list(range(20))


def test_a_rows_own_fields_win_and_the_rest_applies(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path
) -> None:
    scripted_server.play([ANSWER])
    path = tmp_path / "in.jsonl"
    path.write_text(
        '{"prompt":"P","temperature":0.5,"extra":{"top_k":3},"model":"own","metadata":{"a":[1]}}\n', encoding="utf-8"
    )
    args = ("-t", "1", "-M", "7", "-m", "other", "-x", "a:=1", "-H", "x-team: blue", "-d", "green")
    assert batch(cli.service(scripted_server.url), path, "-o", output, *args).code == 0
    (request,) = scripted_server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert json.loads(body) == {"prompt": "P", "model": "own", "max_tokens": 7, "temperature": 0.5, "a": 1, "top_k": 3}
    lines = head.lower().split(b"\r\n")
    assert {b"extra-parameters: pass-through", b"x-team: blue", b"azureml-model-deployment: green"} <= set(lines)
    assert records(output)[0]["metadata"] == {"a": [1]}


@pytest.mark.parametrize(
    ("fault", "code"), [("401", 4), ("403", 4), ("404", 5), ("405", 5), ("424", 5), ("redirect", 10), ("not-http", 10)]
)
def test_a_first_answer_that_concerns_all_rows_stops_the_run(
    fault: str,
    code: int,
    cli: Cli,
    emulator: Start,
    rows: Rows,
    output: Path,
) -> None:
    server = emulator("--fault", fault)
    result = batch(cli.service(server.url), rows(200), "-o", output, "--retries", "0")
    assert (result.code, records(output)) == (code, [])
    assert len(server.log()) <= 64
    assert "error: " in result.stderr


def test_rejected_rows_fail_and_are_kept(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--fault", "422:0.5", "--fault", "400-filter:0.2")
    result = batch(cli.service(server.url), rows(60), "-o", output, "--summary", "-")
    found = records(output)
    failed = [record["error"] for record in found if record["error"]]
    assert result.code == 13
    assert "rows failed; the last: One of the parameters contain invalid values." in result.stderr
    assert {error["kind"] for error in failed} == {"rejected", "content_filter"}
    assert {error["status"] for error in failed} == {422, 400}
    assert summary(result)["failed"] == {
        kind: sum(error["kind"] == kind for error in failed) for kind in ("rejected", "content_filter")
    }
    assert len(server.log()) == 60
    again = batch(cli, rows(60), "-o", output)
    assert (again.code, len(server.log()), len(records(output))) == (13, 60, 60)


def test_failed_rows_are_asked_again_on_demand(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    batch(cli.service(emulator("--fault", "422:0.5").url), rows(30), "-o", output)
    failed = sum(record["error"] is not None for record in records(output))
    server = emulator()
    result = batch(cli.service(server.url), rows(30), "-o", output, "--retry-failed")
    assert 0 < failed == len(server.log())
    assert (result.code, row_numbers(output)) == (0, list(range(30)))
    assert all(record["error"] is None for record in records(output))


def test_what_may_pass_is_tried_again_until_it_does(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator(
        "--fault", "500:0.1", "--fault", "reset:0.05", "--fault", "truncate:0.05", "--fault", "429-ms=0.02:0.1"
    )
    result = batch(cli.service(server.url), rows(100), "-o", output, "--retries", "20", "--summary", "-")
    totals = summary(result)
    assert (result.code, row_numbers(output)) == (0, list(range(100)))
    assert totals["retries"] > 0
    assert totals["throttled"] > 0
    # A kept connection that is reset costs a request of its own, over a fresh one, and no retry.
    assert totals["requests"] <= len(server.log())


def test_an_outage_ends_the_run_without_marking_rows(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--fault", "500")
    result = batch(cli.service(server.url), rows(1000), "-o", output, "--retries", "1", "--max-wait", "2")
    assert (result.code, records(output)) == (14, [])
    assert len(server.log()) < 100


def test_an_outage_of_a_wide_run_costs_no_more(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--fault", "503-html")
    args = ("-j", "200", "--max-wait", "1")
    assert batch(cli.service(server.url), rows(1000), "-o", output, *args).code == 14
    assert len(server.log()) < 300


def test_an_outage_with_few_rows(cli: Cli, rows: Rows, output: Path) -> None:
    result = batch(cli.service("http://127.0.0.1:1"), rows(2), "-o", output, "--retries", "1")
    assert (result.code, records(output)) == (14, [])
    assert "no request has succeeded: " in result.stderr
    assert "refused" in result.stderr


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.txt", "-"])
def test_an_empty_input_is_done_at_once_and_said_to_be_empty(
    name: str, cli: Cli, scripted_server: ScriptedServer, output: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.touch()
    given = ["-", "--input-format", "txt"] if name == "-" else [str(path)]
    result = batch(cli.service(scripted_server.url), *given, "-o", output)
    assert (result.code, scripted_server.requests, output.read_bytes()) == (0, [], b"")
    assert f"note: {'standard input' if name == '-' else path} has no rows: there is nothing to send" in result.stderr


def test_a_row_that_always_fails_does_so_alone(
    cli: Cli, scripted_server: ScriptedServer, output: Path, rows: Rows
) -> None:
    scripted_server.play([response(b"", "500 X")], [response(b"", "500 X")], [ANSWER])
    result = batch(cli.service(scripted_server.url), rows(3), "-o", output, "-j", "1", "--retries", "0")
    assert result.code == 13
    assert [record["error"] and record["error"]["kind"] for record in records(output)] == ["server", "server", None]


def test_a_model_that_refused_a_row_does_not_stop_the_run(
    cli: Cli, scripted_server: ScriptedServer, output: Path, rows: Rows
) -> None:
    scripted_server.play([response(b"{}", "424 X", ["ms-azureml-model-error-statuscode: 400"])], [ANSWER])
    result = batch(cli.service(scripted_server.url), rows(3), "-o", output, "-j", "1")
    assert result.code == 13, result.stderr
    assert {record["row"]: record["error"] and record["error"]["status"] for record in records(output)} == {
        0: 424,
        1: None,
        2: None,
    }


def test_a_model_that_refuses_all_rows_does(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--fault", "424")
    for count in (3, 100):
        result = batch(cli.service(server.url), rows(count), "-o", output, "--overwrite")
        assert (result.code, records(output)) == (5, []), result.stderr
    assert len(server.log()) < 100


def test_a_wait_that_is_too_long_stops_the_run(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--fault", "429-day")
    result = batch(cli.service(server.url), rows(100), "-o", output)
    assert (result.code, records(output)) == (8, [])
    assert "86400" in result.stderr


def test_a_429_costs_no_retry(cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path) -> None:
    refusal = response(b"", "429 X", ["retry-after-ms: 10"])
    scripted_server.play(*[[refusal]] * 8, [ANSWER])
    result = batch(cli.service(scripted_server.url), rows(1), "-o", output, "--retries", "0", "--summary", "-")
    assert (result.code, summary(result)["throttled"], records(output)[0]["attempts"]) == (0, 8, 9)


# OUTPUT


def test_another_input_is_refused_and_nothing_touched(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator()
    cli.service(server.url)
    batch(cli, rows(5), "-o", output)
    before = output.read_bytes()
    result = batch(cli, rows(4), "-o", output)
    assert (result.code, output.read_bytes(), "another input" in result.stderr) == (2, before, True)
    assert batch(cli, rows(4), "-o", output, "--overwrite").code == 0
    assert row_numbers(output) == list(range(4))


@pytest.mark.parametrize(
    "change", [("-t", "1"), ("-M", "9"), ("-x", "a=b"), ("-m", "x"), ("-n", "2"), ("--shard", "0/2")]
)
def test_other_parameters_are_refused(
    change: tuple[str, ...], cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    server = emulator()
    cli.service(server.url)
    batch(cli, rows(3), "-o", output)
    before = output.read_bytes()
    assert batch(cli, rows(3), "-o", output, *change).code == 2
    assert output.read_bytes() == before


def test_pace_patience_and_limit_may_change(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator().url)
    assert batch(cli, rows(9), "-o", output, "--limit", "4").code == 0
    assert row_numbers(output) == [0, 1, 2, 3]
    more = ("--limit", "6", "-j", "2", "--rpm", "60000", "--tpm", "9999999", "--retries", "1", "--timeout", "9")
    assert batch(cli, rows(9), "-o", output, *more).code == 0
    assert row_numbers(output) == list(range(6))


def test_a_foreign_output_is_refused(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator().url)
    output.write_text("precious\n", encoding="utf-8")
    assert batch(cli, rows(3), "-o", output).code == 2
    assert output.read_text(encoding="utf-8") == "precious\n"


def test_the_input_is_no_output(cli: Cli, rows: Rows) -> None:
    path = rows(3)
    before = path.read_bytes()
    result = batch(cli.service("http://127.0.0.1:1"), path, "-o", path)
    assert (result.code, path.read_bytes(), sorted(item.name for item in path.parent.iterdir())) == (
        2, before, ["home", "in.jsonl"],
    )  # fmt: skip


def test_shards_share_the_rows(cli: Cli, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    cli.service(emulator().url)
    for index in range(3):
        assert batch(cli, rows(10), "-o", tmp_path / f"out-{index}.jsonl", "--shard", f"{index}/3").code == 0
    assert row_numbers(tmp_path / "out-0.jsonl") == [0, 3, 6, 9]
    assert row_numbers(tmp_path / "out-1.jsonl") == [1, 4, 7]
    assert row_numbers(tmp_path / "out-2.jsonl") == [2, 5, 8]


# Budgets


def test_a_token_budget_ends_the_run(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator().url)
    result = batch(cli, rows(200), "-o", output, "--max-tokens-total", "1000", "-j", "1", "--summary", "-")
    totals = summary(result)
    assert (result.code, totals["stopped_by"]) == (14, "max_tokens_total")
    assert 1000 <= totals["total_tokens"] < 1400
    assert totals["ok"] == len(records(output)) < 200
    assert batch(cli, rows(200), "-o", output).code == 0
    assert row_numbers(output) == list(range(200))


def test_a_wide_run_does_not_overshoot_its_budget_by_far(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator("--latency", "0.05").url)
    result = batch(cli, rows(200), "-o", output, "--max-tokens-total", "1000", "-j", "50", "--summary", "-")
    totals = summary(result)
    assert (result.code, totals["stopped_by"]) == (14, "max_tokens_total")
    assert 1000 <= totals["total_tokens"] < 1800


def test_a_cost_limit_ends_the_run(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator().url)
    prices = ("--price-in", "1", "--price-out", "2")
    assert batch(cli, rows(5), "-o", output, "--max-cost", "1").code == 2
    result = batch(cli, rows(200), "-o", output, "--max-cost", "0.001", *prices, "-j", "1", "--summary", "-")
    totals = summary(result)
    assert (result.code, totals["stopped_by"]) == (14, "max_cost")
    assert totals["cost"] == pytest.approx((totals["prompt_tokens"] + 2 * totals["completion_tokens"]) / 1e6)


@pytest.mark.parametrize(("option", "failed"), [(("--max-errors", "3"), 3), (("--fail-fast",), 1)])
def test_too_many_errors_end_the_run(
    option: tuple[str, ...],
    failed: int,
    cli: Cli,
    emulator: Start,
    rows: Rows,
    output: Path,
) -> None:
    cli.service(emulator("--fault", "422:0.3").url)
    result = batch(cli, rows(100), "-o", output, "-j", "1", *option)
    assert (result.code, sum(record["error"] is not None for record in records(output))) == (14, failed)


def test_a_share_of_errors_counts_from_fifty_rows(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator("--fault", "422").url)
    result = batch(cli, rows(100), "-o", output, "-j", "1", "--max-errors", "10%")
    assert (result.code, len(records(output))) == (14, 50)


@pytest.mark.parametrize(
    "args",
    [
        ("--max-errors", "0"), ("--max-errors", "x"), ("--fail-fast", "--max-errors", "3"), ("-j", "0"), ("-j", "many"),
        ("--shard", "3/3"), ("--shard", "x"), ("--price-in", "1"), ("--template", "{"), ("--output-format", "xml"),
        ("--input-format", "xml"), ("--rpm", "0"), ("--pack", "0"), ("-n", "0"), ("--limit", "-1"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(args: tuple[str, ...], cli: Cli, rows: Rows, output: Path) -> None:
    result = batch(cli.service("http://127.0.0.1:1"), rows(1), "-o", output, *args)
    assert (result.code, output.exists()) == (2, False)
    assert result.stderr.startswith("error: ")


def test_an_output_must_be_named_and_a_file(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    cli.service("http://127.0.0.1:1")
    assert batch(cli, rows(1)).code == 2
    assert batch(cli, rows(1), "-o", "-").code == 2
    assert batch(cli, rows(1), "-o", "/dev/null").code == 2
    assert batch(cli, rows(1), "-o", tmp_path).code == 2
    assert batch(cli, rows(1), "-o", tmp_path / "no" / "such.jsonl").code == 16
    assert batch(cli, rows(1), "-o", "/proc/out.jsonl").code == 16
    assert batch(cli, rows(1), "-o", tmp_path / "o", "--summary", tmp_path / "no" / "totals").code == 16
    assert not (tmp_path / "o").exists()
    assert batch(cli, tmp_path / "missing.jsonl", "-o", tmp_path / "o").code == 2
    assert batch(cli, tmp_path, "-o", tmp_path / "o").code == 2


@pytest.mark.parametrize("name", ["missing.jsonl", "folder.txt", "header.csv", "broken.jsonl.gz", "wide.txt"])
def test_an_input_that_is_none_touches_nothing(name: str, cli: Cli, tmp_path: Path, output: Path) -> None:
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "header.csv").write_text("text\nx\n", encoding="utf-8")
    (tmp_path / "broken.jsonl.gz").write_bytes(b"not compressed")
    (tmp_path / "wide.txt").write_text("x", encoding="utf-16")
    result = batch(cli.service("http://127.0.0.1:1"), tmp_path / name, "-o", output)
    assert (result.code, list(tmp_path.glob("out*"))) == (2, [])


def test_no_key_touches_nothing(cli: Cli, rows: Rows, output: Path) -> None:
    cli.env["COMPLETIONS_ENDPOINT"] = "http://127.0.0.1:1"
    assert batch(cli, rows(1), "-o", output).code == 3
    assert not list(output.parent.glob("out*"))
