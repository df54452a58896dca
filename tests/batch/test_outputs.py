"""What comes out, beside the answers themselves: order, formats, plans, merged shards."""

import gzip
import json
import re
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from tests.answering_server import Answered, answering
from tests.batch.conftest import Rows, batch, records, row_numbers
from tests.command import Cli
from tests.emulator_process import Start


def test_ordered_output_is_in_order_and_can_be_gone_on_with(
    cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    cli.service(emulator("--fault", "slow-first-byte=0.05:0.3").url)
    assert batch(cli, rows(60), "-o", output, "--limit", "40", "--ordered").code == 0
    assert [record["row"] for record in records(output)] == list(range(40))
    assert batch(cli, rows(60), "-o", output, "--ordered").code == 0
    assert [record["row"] for record in records(output)] == list(range(60))


def test_openai_lines_in_and_out(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.jsonl"
    lines = [
        {"custom_id": f"c{number}", "method": "POST", "url": "/v1/completions", "body": {"prompt": f"P{number}"}}
        for number in range(3)
    ]
    lines.append({"custom_id": "filtered", "body": {"prompt": "TRIGGER_CONTENT_FILTER"}})
    lines.append({"custom_id": "bad", "body": {}})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    server = emulator()
    result = batch(cli.service(server.url), path, "-o", output)
    found = {record["custom_id"]: record for record in records(output)}
    assert result.code == 13
    for number in range(3):
        record = found[f"c{number}"]
        assert set(record) == {"id", "custom_id", "response", "error"}
        assert record["response"]["status_code"] == 200
        assert record["response"]["body"]["choices"][0]["text"]
        assert record["response"]["body"]["object"] == "text_completion"
        assert record["error"] is None
    assert found["filtered"]["response"]["status_code"] == 400
    assert found["filtered"]["error"]["code"] == "content_filter"
    assert (found["bad"]["response"], found["bad"]["error"]["code"]) == (None, "input")
    assert batch(cli, path, "-o", output).code == 13
    assert (len(server.log()), len(records(output))) == (4, 5)
    native = tmp_path / "native.jsonl"
    assert batch(cli, path, "-o", native, "--output-format", "native").code == 13
    assert {record["id"] for record in records(native)} == set(found)


def test_a_plan_sends_nothing(cli: Cli, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    path.write_bytes(gzip.compress(b'"twelve chars"\n' * 10 + b"broken\n" * 7))
    cli.env["COMPLETIONS_ENDPOINT"] = "http://127.0.0.1:1"
    args = ("--plan", "--pack", "4", "-n", "2", "-M", "100", "--price-in", "1", "--price-out", "2")
    result = batch(cli, path, "-o", output, *args)
    assert result.code == 0, result.stderr
    lines = result.text.splitlines()
    assert lines[0] == "rows: 10 to send, 7 bad"
    assert lines[1].startswith("bad row 10: not valid JSON")
    assert lines[6] == "and 2 more bad rows"
    assert lines[7] == "requests: 3"
    assert lines[8] == "tokens: about 63 in prompts, at most 2000 in completions"
    assert lines[9].startswith("cost: 0.0001 for the prompts, at most 0.0041")
    assert not output.exists()


def test_a_plan_knows_what_is_done(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    batch(cli.service(emulator().url), rows(8), "-o", output, "--limit", "3")
    before = output.read_bytes()
    result = batch(cli, rows(8), "-o", output, "--plan")
    assert result.text.splitlines()[0] == "rows: 5 to send, 0 bad, 3 already done"
    assert output.read_bytes() == before
    refused = batch(cli, rows(8), "-o", output, "--plan", "-t", "1")
    assert (refused.code, "another temperature" in refused.stderr, output.read_bytes()) == (2, True, before)


def test_shards_are_merged_and_can_be_gone_on_with(cli: Cli, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    server = emulator()
    cli.service(server.url)
    parts = [tmp_path / f"part-{index}.jsonl" for index in range(3)]
    for index, part in enumerate(parts[:2]):
        assert batch(cli, rows(10), "-o", part, "--shard", f"{index}/3").code == 0
    merged = tmp_path / "merged.jsonl"
    result = batch(cli, "merge", *parts[:2], "-o", merged)
    assert (result.code, "7 rows" in result.stderr) == (13, True)
    assert "3 rows are in none of the parts" in result.stderr
    assert [record["row"] for record in records(merged)] == [0, 1, 3, 4, 6, 7, 9]
    assert batch(cli, rows(10), "-o", merged).code == 0
    assert (row_numbers(merged), len(server.log())) == (list(range(10)), 10)
    folder = tmp_path / "folder"
    folder.mkdir()
    for part in parts[:2]:
        part.rename(folder / part.name)
    assert batch(cli, "merge", folder, "-o", tmp_path / "again.jsonl").code == 13
    assert row_numbers(tmp_path / "again.jsonl") == [0, 1, 3, 4, 6, 7, 9]


def test_a_merge_says_when_shards_have_answers_of_different_models(cli: Cli, rows: Rows, tmp_path: Path) -> None:
    def service(body: dict[str, Any]) -> Answered:
        choice = {"index": 0, "text": "a", "finish_reason": "stop"}
        return Answered({"choices": [choice], "model": "even" if int(body["prompt"].split()[1]) % 2 == 0 else "odd"})

    parts = [tmp_path / f"part-{index}.jsonl" for index in range(2)]
    with answering(service) as server:
        cli.service(server.url)
        for index, part in enumerate(parts):
            assert batch(cli, rows(7), "-o", part, "--shard", f"{index}/2").code == 0
    result = batch(cli, "merge", *parts, "-o", tmp_path / "merged.jsonl")
    assert (result.code, "note: the answers come from several models: even (4), odd (3)" in result.stderr) == (0, True)
    alone = batch(cli, "merge", parts[0], "-o", tmp_path / "alone.jsonl")
    assert (alone.code, "several models" in alone.stderr) == (13, False)


def test_a_merge_says_which_parts_it_could_not_check(cli: Cli, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    cli.service(emulator().url)
    parts = [tmp_path / f"s{index}.jsonl" for index in range(2)]
    for index, part in enumerate(parts):
        assert batch(cli, rows(4), "-o", part, "--shard", f"{index}/2").code == 0
    for missing in range(3):
        result = batch(cli, "merge", *parts, "-o", tmp_path / f"merged{missing}.jsonl")
        assert (result.code, "not checked" in result.stderr) == (0, missing > 0), result.stderr
        assert [f"{part}.run" in result.stderr for part in parts] == [missing > 0, missing > 1]
        if missing < len(parts):
            Path(f"{parts[missing]}.run").unlink()
    alone = batch(cli, "merge", parts[1], "-o", tmp_path / "alone.jsonl")
    assert "not checked" not in alone.stderr


def test_what_cannot_be_merged_is_refused(cli: Cli, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    cli.service(emulator().url)
    one, other, foreign = tmp_path / "one.jsonl", tmp_path / "other.jsonl", tmp_path / "foreign"
    batch(cli, rows(3), "-o", one)
    batch(cli, rows(3), "-o", other, "-t", "1")
    foreign.write_text("hello\n", encoding="utf-8")
    out = tmp_path / "out"
    for args in ([one, other], [foreign], [Path(foreign.name)], [tmp_path / "missing"], [tmp_path / "home"], []):
        with chdir(tmp_path):
            result = batch(cli, "merge", *args, "-o", out)
        assert (result.code, out.exists()) == (2, False), result.stderr
    assert batch(cli, "merge", one, "-o", one, "--overwrite").code == 2
    assert batch(cli, "merge", one, "-o", foreign).code == 2
    assert foreign.read_text(encoding="utf-8") == "hello\n"
    whole = batch(cli, "merge", one, "-o", foreign, "--overwrite")
    assert (whole.code, "warning" in whole.stderr) == (0, False)


def test_a_file_called_merge(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    (tmp_path / "merge").write_text("a\n", encoding="utf-8")
    cli.service(emulator().url)
    assert batch(cli, tmp_path / "merge", "-o", output, "--input-format", "txt").code == 0
    assert batch(cli, "a", "b", "-o", output).code == 2


def test_a_table_with_a_template(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('id,text,note\n1,"Guten\nTag",x\n2,Hallo,y\n', encoding="utf-8")
    server = emulator()
    assert batch(cli.service(server.url), path, "-o", output, "--template", "Translate: {text}").code == 0
    sent = sorted(json.loads(record["body"])["prompt"] for record in server.log())
    assert sent == ["Translate: Guten\nTag", "Translate: Hallo"]
    assert {(record["id"], record["metadata"]["note"]) for record in records(output)} == {("1", "x"), ("2", "y")}


def test_the_summary_says_all(cli: Cli, emulator: Start, rows: Rows, output: Path, tmp_path: Path) -> None:
    cli.service(emulator("--fault", "422:0.2", "--fault", "429-ms=0.01:0.2").url)
    path = tmp_path / "summary.json"
    result = batch(cli, rows(50), "-o", output, "--summary", path, "--price-in", "3", "--price-out", "4")
    totals = json.loads(path.read_bytes())
    assert result.stdout == b""
    assert set(totals) >= {
        "rows", "ok", "failed", "requests", "retries", "throttled", "prompt_tokens", "completion_tokens",
        "total_tokens", "cost", "seconds", "stopped_by",
    }  # fmt: skip
    assert totals["ok"] + sum(totals["failed"].values()) == totals["rows"] == 50
    assert totals["throttled"] == totals["retries"] > 0
    assert "done: 50 rows" in result.stderr
    assert f"output: {output}" in result.stderr
    assert "would fail again as they are" in result.stderr
    quiet = batch(cli, rows(50), "-o", output, "-q")
    assert (quiet.code, len(quiet.stderr.splitlines())) == (13, 2)


def test_merge_has_its_own_help_and_options(cli: Cli, tmp_path: Path) -> None:
    page = cli.run("batch", "merge", "--help").text
    assert page.startswith("Usage: completions batch merge [OPTIONS] PART...\n")
    assert "--overwrite" in page
    assert "--pack" not in page
    assert re.search(r"\n  merge +Join ", cli.run("batch", "--help").text)
    assert batch(cli, "merge", tmp_path / "a.jsonl", "-o", tmp_path / "b", "--pack", "2").code == 2
    result = batch(cli, "-o", tmp_path / "b", "merge", tmp_path / "a.jsonl")
    assert (result.code, "merge comes before the options" in result.stderr) == (2, True)


def test_a_file_called_merge_is_an_input_with_its_folder(
    cli: Cli, emulator: Start, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.service(emulator().url)
    rows(2).rename(tmp_path / "merge")
    monkeypatch.chdir(tmp_path)
    assert batch(cli, "./merge", "--input-format", "jsonl", "-o", tmp_path / "out.jsonl").code == 0
    assert row_numbers(tmp_path / "out.jsonl") == [0, 1]
