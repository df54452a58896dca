"""Rows with continuations are scored: by any method, resumably, and with no figure that the server did not give."""

import json
from pathlib import Path
from typing import Any

import pytest

from completions_cli.batch.cluster import parts
from tests.batch.conftest import batch, records, summary
from tests.command import Cli
from tests.emulator_process import Start
from tests.local_weights import DATA_HOME, weights_path


def _rows(folder: Path, count: int) -> Path:
    path = folder / "pairs.jsonl"
    rows = [
        {"id": f"q{row}", "prompt": f"Row {row} says", "continuations": [" yes", f" nö {row} 🙂"], "answer": row}
        for row in range(count)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _scores(record: dict[str, Any]) -> list[tuple[str, float, int]]:
    return [(score["text"], score["logprob"], score["token_count"]) for score in record["scores"]]


def test_a_row_has_the_scores_that_the_command_prints(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    service = cli.service(emulator().url)
    result = batch(service, _rows(tmp_path, 40), "-o", output, "--summary", "-", "--pack", "4")
    assert (result.code, summary(result)["ok"]) == (0, 40)
    for record in records(output):
        assert (record["choices"], record["method"], record["error"]) == ([], "echo", None)
        assert record["metadata"] == {"answer": record["row"]}
        assert set(record["scores"][0]) == {"text", "logprob", "token_count", "greedy", "boundary_merged"}
    third = next(record for record in records(output) if record["id"] == "q3")
    args = ("score", "Row 3 says", "-c", " yes", "-c", " nö 3 🙂", "-F", "json")
    assert _scores(third) == _scores({"scores": service.run(*args).json()["continuations"]})


@pytest.mark.parametrize("fault", ["max-tokens-0", "429:0.2", "503:0.1", "no-usage", "figures-bytes", "reset:0.1"])
def test_faults_change_no_score(fault: str, cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    rows, honest = _rows(tmp_path, 30), tmp_path / "honest.jsonl"
    assert batch(cli.service(emulator().url), rows, "-o", honest).code == 0
    assert batch(cli.service(emulator("--fault", fault).url), rows, "-o", output, "--retries", "9").code == 0
    expected = {record["id"]: _scores(record) for record in records(honest)}
    assert {record["id"]: _scores(record) for record in records(output)} == expected


def test_an_endpoint_that_does_not_score_stops_the_run(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    result = batch(cli.service(emulator("--fault", "echo-ignored").url), _rows(tmp_path, 30), "-o", output)
    assert result.code == 12
    assert "gives no log-probabilities of text that it did not generate" in result.stderr
    assert not records(output)


def test_answers_that_lack_figures_now_and_then_are_errors_of_their_rows(
    cli: Cli, emulator: Start, tmp_path: Path, output: Path
) -> None:
    rows, honest = _rows(tmp_path, 60), tmp_path / "honest.jsonl"
    assert batch(cli.service(emulator().url), rows, "-o", honest).code == 0
    faults = [word for kind in ("null", "nan", "other", "uneven") for word in ("--fault", f"figures-{kind}:0.05")]
    result = batch(cli.service(emulator(*faults).url), rows, "-o", output, "-j", "1")
    found = records(output)
    assert result.code == 13
    assert {record["error"]["retryable"] for record in found if record["error"]} == {False}
    expected = {record["id"]: _scores(record) for record in records(honest)}
    assert all(_scores(record) == expected[record["id"]] for record in found if not record["error"])
    again = batch(cli.service(emulator().url), rows, "-o", output, "--retry-failed")
    assert again.code == 0
    assert {record["id"]: _scores(record) for record in records(output)} == expected


def test_a_run_that_was_stopped_resumes(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    service, rows = cli.service(emulator().url), _rows(tmp_path, 20)
    assert batch(service, rows, "-o", output, "--limit", "7").code == 0
    assert len(records(output)) == 7
    assert batch(service, rows, "-o", output).code == 0
    assert sorted(record["row"] for record in records(output)) == list(range(20))


@pytest.mark.parametrize(
    "fault",
    ["none", "max-tokens-0", "no-usage", "missing-choice:0.5", "shuffled-choices", "503:0.1"],
)
def test_packs_change_no_score(fault: str, cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    rows, honest = _rows(tmp_path, 30), tmp_path / "honest.jsonl"
    assert batch(cli.service(emulator().url), rows, "-o", honest).code == 0
    server = emulator(*(() if fault == "none" else ("--fault", fault)))
    args = (rows, "-o", output, "--pack", "5", "-j", "1", "--retries", "9")
    assert batch(cli.service(server.url), *args).code == 0
    expected = {record["id"]: _scores(record) for record in records(honest)}
    assert {record["id"]: _scores(record) for record in records(output)} == expected
    if fault == "none":  # the first text finds the method
        assert [_prompts(entry) for entry in server.log()] == [1, 9, 10, 10, 10, 10, 10]


def test_members_of_a_pool_score_in_their_own_ways(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    rows, honest = _rows(tmp_path, 60), tmp_path / "honest.jsonl"
    # A latency leaves rows for the member that is connected to last.
    plain, stubborn = emulator("--latency", "0.05"), emulator("--fault", "max-tokens-0")
    assert batch(cli.service(plain.url), rows, "-o", honest).code == 0
    del cli.env["COMPLETIONS_ENDPOINT"], cli.env["COMPLETIONS_API_KEY"]
    for name in ("east", "west"):
        key = cli.profile("").with_name(f"{name}.key")
        key.write_text("any")
        key.chmod(0o600)
    cli.profile(
        f'[profiles.east]\nendpoint = "{plain.url}"\nkey_file = "east.key"\nconcurrency = 2\n'
        f'[profiles.west]\nendpoint = "{stubborn.url}"\nkey_file = "west.key"\nconcurrency = 2\n'
    )
    result = batch(cli, rows, "-o", output, "-p", "east", "-p", "west", "-j", "4")
    assert result.code == 0, result.stderr
    assert {record["profile"] for record in records(output)} == {"east", "west"}
    expected = {record["id"]: _scores(record) for record in records(honest)}
    assert {record["id"]: _scores(record) for record in records(output)} == expected


def _prompts(entry: dict[str, Any]) -> int:
    prompt = json.loads(entry["body"])["prompt"]
    return len(prompt) if isinstance(prompt, list) else 1


def test_one_bad_prompt_of_a_pack_is_one_error(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "rows.jsonl"
    prompts = [f"Row {row}" if row != 5 else "TRIGGER_CONTENT_FILTER" for row in range(12)]
    lines = [{"prompt": prompt, "continuations": [" yes", " no"]} for prompt in prompts]
    lines[7:7] = [{"prompt": "completed, not scored"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert batch(cli.service(emulator().url), path, "-o", output, "--pack", "4", "-j", "1").code == 13
    found = {record["row"]: record for record in records(output)}
    assert [row for row, record in found.items() if record["error"]] == [5]
    assert found[7]["choices"][0]["text"]
    assert all(len(record["scores"]) == 2 for row, record in found.items() if row not in (5, 7))


@pytest.mark.parametrize("output_format", ["native", "openai"])
def test_an_export_has_a_line_for_each_continuation(
    output_format: str, cli: Cli, emulator: Start, tmp_path: Path, output: Path
) -> None:
    rows = [{"prompt": "a", "continuations": [" b", "=c"], "greedy": "of the input"}, {"prompt": "d"}, {"prompt": 1}]
    source, target = tmp_path / "rows.jsonl", tmp_path / "flat.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    args = (source, "-o", output, "--output-format", output_format)
    assert batch(cli.service(emulator().url), *args).code == 13
    assert batch(cli, "export", output, "-o", target).code == 0
    (b, c, completed, failed), wrote = records(target), records(output)
    (line,) = [line for line in wrote if "scores" in json.dumps(line)]
    scores = (line if output_format == "native" else line["response"]["body"])["scores"]
    names = ("logprob", "token_count", "greedy", "boundary_merged")
    for record, text, score in ((b, " b", scores[0]), (c, "=c", scores[1])):
        assert (record["row"], record["text"], record["continuation"], record["model"]) == (0, None, text, "echo")
        assert [record[name] for name in names] == [score[name] for name in names]
    assert [record["sample"] for record in (b, c, completed, failed)] == [0, 1, 0, None]
    assert (b["prompt_tokens"] > 0, c["prompt_tokens"]) == (True, None)
    assert all(record[name] is None for record in (completed, failed) for name in ("continuation", *names))
    assert completed["text"]
    assert failed["error_kind"]
    if output_format == "native":
        assert b["greedy_input"] == "of the input"


def test_the_status_counts_scored_rows(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    result = batch(cli.service(emulator().url), _rows(tmp_path, 4), "-o", output, "--summary", "-")
    assert summary(result)["finish_reasons"] == {"scored": 4}
    assert json.loads(batch(cli, "status", output, "-F", "json").stdout)["finish_reasons"] == {"scored": 4}


def test_tables_of_a_cluster_keep_the_scores() -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    score = {"text": " b", "logprob": -1.5, "token_count": 1, "greedy": False, "boundary_merged": False}
    common = {"id": "a", "row": 0, "choices": [], "usage": None, "model": "m", "metadata": None, "error": None}
    scored = {**common, "scores": [score], "method": "echo"}
    plain = {**common, "row": 1, "prompt": [1, 2], "ignored": ["seed"]}
    lines = [json.dumps(record).encode() for record in (scored, plain)]
    read = [json.loads(line) for line in parts.decode(parts.encode(lines, "parquet", "native"), "parquet", "native")]
    assert [record.get("scores") for record in read] == [[score], None]
    assert read[0]["method"] == "echo"
    assert (read[1]["prompt"], read[1]["ignored"]) == ([1, 2], ["seed"])
    assert not {"scores", "method"} & read[1].keys()


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"prompt": "a", "continuations": "two"}, "must be an array of texts"),
        ({"prompt": "a", "continuations": []}, "must be an array of texts"),
        ({"prompt": "a", "continuations": ["", "b"]}, "none of them empty"),
        ({"prompt": [1, 2], "continuations": ["b"]}, "need a prompt of text"),
    ],
    ids=str,
)
def test_a_row_that_cannot_be_scored_is_an_error_line(
    row: dict[str, Any], words: str, cli: Cli, emulator: Start, tmp_path: Path, output: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n" + json.dumps({"prompt": "a", "continuations": [" b"]}) + "\n")
    assert batch(cli.service(emulator().url), path, "-o", output).code == 13
    errors = [record["error"]["message"] for record in records(output) if record["error"]]
    assert len(errors) == 1
    assert words in errors[0]


def test_the_embedded_model_scores_rows(cli: Cli, tmp_path: Path, output: Path) -> None:
    weights_path()
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"prompt": "The capital of France is", "continuations": [" Paris", " 🦄"]}) + "\n")
    cli.env["XDG_DATA_HOME"] = str(DATA_HOME)
    result = batch(cli, path, "-o", output, "-p", "local")
    assert result.code == 0
    (record,) = records(output)
    paris, unicorn = record["scores"]
    assert record["method"] == "forced_decoding"
    assert (paris["greedy"], unicorn["token_count"]) == (True, 3)
    assert paris["logprob"] > unicorn["logprob"]
