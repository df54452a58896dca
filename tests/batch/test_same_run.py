"""What a resumed run shares with those before it: model, endpoint, totals, and an output that lost its .run file."""

import signal
import sys
from pathlib import Path

import pytest

from tests.batch.conftest import Rows, batch, records, row_numbers, summary
from tests.batch.scripted_answers import BUSY, REFUSED, answer
from tests.command import Cli
from tests.scripted_server import Pause, ScriptedServer

FIGURES = {
    "rows", "ok", "failed", "finish_reasons", "models", "requests", "retries", "throttled", "prompt_tokens",
    "completion_tokens", "total_tokens", "cost", "seconds", "stopped_by",
}  # fmt: skip


@pytest.fixture
def server(cli: Cli, scripted_server: ScriptedServer) -> ScriptedServer:
    """Answer for model a."""
    scripted_server.play([answer()])
    cli.service(scripted_server.url)
    return scripted_server


@pytest.mark.parametrize("in_flight", ["1", "4"])
def test_another_model_is_not_mixed_in(
    in_flight: str, cli: Cli, server: ScriptedServer, rows: Rows, output: Path
) -> None:
    args = (rows(12), "-o", output, "-j", in_flight)
    assert batch(cli, *args, "--limit", "2").code == 0
    before = output.read_bytes()
    server.play([answer("b")])
    refused = batch(cli, *args)
    assert (refused.code, output.read_bytes()) == (2, before), refused.stderr
    assert "from the model b, those in OUTPUT from a" in refused.stderr
    assert "--mixed-models" in refused.stderr
    mixed = batch(cli, *args, "--mixed-models", "--summary", "-")
    assert (mixed.code, row_numbers(output)) == (0, list(range(12)))
    assert (summary(mixed)["models"], summary(mixed)["all_runs"]["models"]) == ({"b": 10}, {"a": 2, "b": 10})
    assert batch(cli, *args).code == 0


@pytest.mark.parametrize("models", [["a", "a", "b"], [None, "", "a"]])
def test_within_a_run_a_new_model_is_a_warning(
    models: list[str | None], cli: Cli, server: ScriptedServer, rows: Rows, output: Path
) -> None:
    server.play(*[[answer(model)] for model in models])
    result = batch(cli, rows(3), "-o", output, "-j", "1")
    assert (result.code, row_numbers(output)) == (0, [0, 1, 2])
    assert ("warning: the model b answers now; earlier answers came from a" in result.stderr) is ("b" in models)


def test_a_model_that_was_not_named_is_none(cli: Cli, server: ScriptedServer, rows: Rows, output: Path) -> None:
    server.play([answer(None)])
    assert batch(cli, rows(3), "-o", output, "--limit", "1").code == 0
    server.play([answer("a")])
    result = batch(cli, rows(3), "-o", output)
    assert (result.code, "warning" in result.stderr, row_numbers(output)) == (0, False, [0, 1, 2]), result.stderr


def test_rows_may_name_their_models(cli: Cli, server: ScriptedServer, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('"x"\n{"prompt":"y","model":"b"}\n"z"\n', encoding="utf-8")
    assert batch(cli, path, "-o", output, "--limit", "1").code == 0
    server.play([answer("b")], [answer("a")])
    result = batch(cli, path, "-o", output, "-j", "1")
    assert (result.code, "warning" in result.stderr, row_numbers(output)) == (0, False, [0, 1, 2])


def test_another_endpoint_is_noted(cli: Cli, server: ScriptedServer, rows: Rows, output: Path) -> None:
    assert "note: " not in batch(cli, rows(3), "-o", output, "--limit", "1").stderr
    url = server.url.replace("127.0.0.1", "localhost")
    noted = batch(cli.service(url), rows(3), "-o", output, "--limit", "2")
    assert f"note: {output} was started with the endpoint {server.url}, now it is {url}" in noted.stderr
    assert noted.code == 0
    assert "note: " not in batch(cli, rows(3), "-o", output).stderr


def test_totals_of_all_runs_are_kept(cli: Cli, server: ScriptedServer, rows: Rows, output: Path) -> None:
    args = (rows(10), "-o", output, "-j", "1", "--price-in", "1000000", "--price-out", "1000000", "--summary", "-")
    server.play([answer(reason="length")], [BUSY], [answer()], [REFUSED])
    first = summary(batch(cli, *args, "--limit", "3"))
    assert set(first) >= FIGURES
    assert set(first["all_runs"]) >= FIGURES
    expected = {
        "rows": 3, "ok": 2, "failed": {"rejected": 1}, "finish_reasons": {"length": 1, "stop": 1}, "models": {"a": 2},
        "requests": 4, "retries": 1, "throttled": 0, "prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10,
        "cost": 10, "stopped_by": None,
    }  # fmt: skip
    assert {name: first[name] for name in expected} == expected
    assert {name: first["all_runs"][name] for name in expected} == expected
    server.play([answer()])
    second = summary(batch(cli, *args))
    now = {"rows": 7, "ok": 7, "failed": {}, "finish_reasons": {"stop": 7}, "requests": 7, "retries": 0, "cost": 35}
    assert {name: second[name] for name in now} == now
    both = {
        "rows": 10, "ok": 9, "failed": {"rejected": 1}, "finish_reasons": {"length": 1, "stop": 8}, "models": {"a": 9},
        "requests": 11, "retries": 1, "prompt_tokens": 18, "total_tokens": 45, "cost": 45,
    }  # fmt: skip
    assert {name: second["all_runs"][name] for name in both} == both
    third = summary(batch(cli, *args, "--retry-failed"))
    assert (third["rows"], third["failed"], third["all_runs"]["failed"], third["all_runs"]["ok"]) == (1, {}, {}, 10)
    assert third["all_runs"]["requests"] == 12


def test_the_closing_lines_know_cut_off_texts_in_the_words_of_other_servers(
    cli: Cli, server: ScriptedServer, rows: Rows, output: Path
) -> None:
    server.play([answer(reason="MAX_TOKENS")], [answer(reason="model_length")], [answer(reason="SAFETY")])
    lines = batch(cli, rows(3), "-o", output, "-j", "1").stderr.splitlines()
    assert "cut off: 1 row ended at max_tokens (finish_reason MAX_TOKENS); -M allows more" in lines
    assert "cut off: 1 row ended at another limit than max_tokens (finish_reason model_length)" in lines
    assert "cut off: 1 row ended by the content filter (finish_reason SAFETY)" in lines


def test_the_closing_lines_say_what_to_look_at(cli: Cli, server: ScriptedServer, rows: Rows, output: Path) -> None:
    server.play([answer(reason="length")], [REFUSED], [REFUSED], [BUSY], [answer()], [BUSY])
    result = batch(cli, rows(5), "-o", output, "-j", "1", "--retries", "1")
    assert result.code == 13
    lines = result.stderr.splitlines()
    assert "cut off: 1 row ended at max_tokens (finish_reason length); -M allows more" in lines
    assert "failed: 2 rows (rejected), for example row 1: this row is bad" in lines
    assert "failed: 1 row (server), for example row 3: try later" in lines
    assert "worth retrying: 1 row, with --retry-failed=retryable; the other 2 are likely to fail again" in lines
    before = len(server.requests)
    server.play([answer()])
    again = batch(cli, rows(5), "-o", output, "--retry-failed=retryable")
    assert (again.code, len(server.requests) - before) == (13, 1)
    assert "worth retrying: none; these rows would fail again as they are" in again.stderr.splitlines()
    assert "--retry-failed" not in again.stderr
    assert sum(bool(line["error"]) for line in records(output)) == 2
    assert batch(cli, rows(5), "-o", output, "--retry-failed=some").code == 2


@pytest.mark.parametrize("kind", ["native", "openai"])
def test_an_output_without_its_run_file_can_be_adopted(
    kind: str, cli: Cli, server: ScriptedServer, rows: Rows, output: Path
) -> None:
    args = (rows(5), "-o", output, "--output-format", kind)
    assert batch(cli, *args, "--limit", "2").code == 0
    before = output.read_bytes()
    output.with_name("out.jsonl.run").unlink()
    refused = batch(cli, *args)
    assert (refused.code, "--adopt" in refused.stderr, output.read_bytes()) == (2, True, before)
    output.write_bytes(before + b"what is this\n")
    assert batch(cli, *args, "--adopt").code == 2
    assert not output.with_name("out.jsonl.run").exists()
    output.write_bytes(before)
    assert batch(cli, *args, "--adopt").code == 0
    assert output.read_bytes().startswith(before)
    assert (len(records(output)), len(server.requests)) == (5, 5)
    assert batch(cli, *args).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP")
@pytest.mark.parametrize("nohup", [False, True])
def test_a_hangup_ends_it_in_order(*, nohup: bool, cli: Cli, server: ScriptedServer, rows: Rows, output: Path) -> None:
    pause = Pause()
    server.play([answer()], [pause, answer()], [answer()])
    process = cli.start(
        "batch", str(rows(3)), "-o", str(output), "-j", "1", preexec_fn=_ignore_hangups if nohup else None
    )
    server.wait_for_requests(2)
    process.send_signal(signal.SIGHUP)
    if not nohup:
        assert process.stderr is not None
        assert b"stopping" in process.stderr.readline()
    pause.go.set()
    process.communicate(timeout=60)
    assert (process.returncode, row_numbers(output)) == ((0, [0, 1, 2]) if nohup else (129, [0, 1]))


def _ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
