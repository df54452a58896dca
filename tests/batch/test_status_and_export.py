"""What others see of an output: its state at any time, a flat table of it, and shards that were joined."""

import csv
import json
import os
from pathlib import Path
from typing import Any

import pytest

from completions_cli.atomic import AtomicFile
from completions_cli.batch.export.columns import Columns, Kind, cell
from completions_cli.batch.export.writers import open_writer
from completions_cli.models import Json
from tests.batch.conftest import Rows, batch, records
from tests.command import Cli, Result
from tests.emulator_process import Start
from tests.scripted_server import Pause, ScriptedServer, response

REFUSED = response(b'{"error":{"message":"this row is bad","code":"x"}}', "422 Unprocessable Entity")
HEADER = [
    "id", "row", "lang", "text_input", "sample", "text", "finish_reason", "prompt_tokens", "completion_tokens", "model",
    "error_kind", "error_message",
]  # fmt: skip


def answer(*texts: str) -> bytes:
    """Put an answer together."""
    choices = [{"index": number, "text": text, "finish_reason": "stop"} for number, text in enumerate(texts)]
    usage = {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    return response(json.dumps({"choices": choices, "model": "m", "usage": usage}).encode())


def verb(cli: Cli, *args: str | Path) -> Result:
    """Run a subcommand of batch."""
    return batch(cli, *args)


@pytest.fixture
def table(cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path) -> Path:
    """Answer three rows of a table, the second refused, out of order."""
    source = tmp_path / "in.csv"
    source.write_text("id,text,lang,prompt\n007,=1+1,de,A\nb,,fr,B\nc,-x,it,C\n", encoding="utf-8")
    scripted_server.play([answer('=HYPERLINK("x")')], [REFUSED], [answer("two,\nlines")])
    result = batch(cli.service(scripted_server.url), source, "-o", output, "-j", "1")
    assert result.code == 13, result.stderr
    output.write_bytes(b"".join(reversed(output.read_bytes().splitlines(keepends=True))))
    return output


def test_a_table_in_input_order(cli: Cli, table: Path, tmp_path: Path) -> None:
    target = tmp_path / "flat.csv"
    assert verb(cli, "export", table, "-o", target).code == 0
    with target.open(encoding="utf-8", newline="") as file:
        header, *found = list(csv.reader(file))
    assert sorted(header) == sorted(HEADER)
    cells = [dict(zip(header, line, strict=True)) for line in found]
    assert [line["id"] for line in cells] == ["007", "b", "c"]
    assert [line["row"] for line in cells] == ["0", "1", "2"]
    assert [line["text"] for line in cells] == ['\'=HYPERLINK("x")', "", "two,\nlines"]
    assert [line["text_input"] for line in cells] == ["'=1+1", "", "'-x"]
    assert [line["error_kind"] for line in cells] == ["", "rejected", ""]
    assert cells[1]["error_message"] == "this row is bad"
    assert (cells[0]["prompt_tokens"], cells[0]["completion_tokens"], cells[0]["model"]) == ("2", "3", "m")
    tsv = tmp_path / "flat.tsv"
    assert verb(cli, "export", table, "-o", tsv).code == 0
    with tsv.open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file, delimiter="\t")) == [header, *found]


def test_parquet_and_jsonl_have_types(cli: Cli, table: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert verb(cli, "export", table, "-o", tmp_path / "flat.parquet").code == 0
    assert verb(cli, "export", table, "-o", tmp_path / "flat.jsonl").code == 0
    found = parquet.read_table(tmp_path / "flat.parquet")
    assert {field.name: str(field.type) for field in found.schema} == {
        **dict.fromkeys(HEADER, "string"),
        **dict.fromkeys(("row", "sample", "prompt_tokens", "completion_tokens"), "int64"),
    }
    lines = records(tmp_path / "flat.jsonl")
    assert found.to_pylist() == lines
    assert lines[0]["text"] == '=HYPERLINK("x")'
    assert (lines[1]["text"], lines[1]["sample"], lines[1]["error_kind"]) == (None, None, "rejected")


def test_a_line_a_sample(cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path, tmp_path: Path) -> None:
    scripted_server.play([answer("a0", "a1")])
    assert batch(cli.service(scripted_server.url), rows(2), "-o", output, "-n", "2").code == 0
    assert verb(cli, "export", output, "-o", tmp_path / "flat.jsonl").code == 0
    found = records(tmp_path / "flat.jsonl")
    assert [(line["row"], line["sample"], line["text"]) for line in found] == [
        (0, 0, "a0"), (0, 1, "a1"), (1, 0, "a0"), (1, 1, "a1"),
    ]  # fmt: skip


def test_openai_output_too(cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path, tmp_path: Path) -> None:
    scripted_server.play([answer("a")], [REFUSED])
    args = (rows(2), "-o", output, "-j", "1", "--output-format", "openai")
    assert batch(cli.service(scripted_server.url), *args).code == 13
    assert verb(cli, "export", output, "-o", tmp_path / "flat.jsonl").code == 0
    one, other = records(tmp_path / "flat.jsonl")
    assert (one["id"], one["row"], one["text"], one["prompt_tokens"], one["model"]) == ("r0", 0, "a", 2, "m")
    assert (other["id"], other["row"], other["text"], other["error_kind"]) == ("r1", 1, None, "rejected")


def test_what_cannot_be_exported(cli: Cli, table: Path, tmp_path: Path) -> None:
    before = table.read_bytes()
    foreign = tmp_path / "foreign.jsonl"
    foreign.write_text("hello\n", encoding="utf-8")
    targets: tuple[list[str], ...] = (["-o", str(tmp_path / "x.xlsx")], ["-o", str(table)], [])
    for target in targets:
        assert verb(cli, "export", table, *target).code == 2
    assert verb(cli, "export", foreign, "-o", tmp_path / "x.csv").code == 2
    assert verb(cli, "export", tmp_path / "missing", "-o", tmp_path / "x.csv").code == 2
    table.write_bytes(before + b"hello\n")
    refused = verb(cli, "export", table, "-o", tmp_path / "x.csv")
    assert (refused.code, "line 4" in refused.stderr, (tmp_path / "x.csv").exists()) == (2, True, False)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_pipe_that_is_closed_ends_an_export_without_a_word(kind: str, cli: Cli, table: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = cli.start("batch", "export", str(table), "-o", "-", "-F", kind, stdout=writer)
    os.close(writer)
    _, stderr = process.communicate(timeout=30)
    assert (process.returncode, stderr) == (141, b"")


def test_a_table_goes_down_a_pipe(cli: Cli, table: Path, tmp_path: Path) -> None:
    for kind in ("csv", "tsv", "jsonl", "parquet"):
        verb(cli, "export", table, "-o", tmp_path / f"flat.{kind}")
        piped = verb(cli, "export", table, "-o", "-", "-F", kind)
        assert (piped.code, piped.stdout) == (0, (tmp_path / f"flat.{kind}").read_bytes())
        assert piped.stderr == "exported: 3 lines\n"
    assert verb(cli, "export", table, "-o", "-").stdout == (tmp_path / "flat.csv").read_bytes()
    assert verb(cli, "export", table, "-o", tmp_path / "named", "-F", "tsv").code == 0
    assert (tmp_path / "named").read_bytes() == (tmp_path / "flat.tsv").read_bytes()


@pytest.mark.parametrize("name", ["export", "merge"])
def test_what_a_killed_command_left_beside_its_output_is_removed(
    name: str, cli: Cli, table: Path, tmp_path: Path
) -> None:
    folder, target = tmp_path / "tables", "flat.jsonl"
    folder.mkdir()
    for left in (f".{target}.abcd1234.completions.tmp", ".completions-abcd1234.index"):
        (folder / left).touch()
    verb(cli, name, table, "-o", folder / target)
    assert {path.name for path in folder.iterdir()} - {f"{target}.run"} == {target}


@pytest.mark.parametrize("name", ["export", "merge"])
def test_what_only_looks_like_it_stays(name: str, cli: Cli, table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    names = {f".completions-{middle}.index" for middle in ("notes", "2026 backup", "ABCD1234", "abcd12345", "link1234")}
    for kept in names:
        (folder / kept).write_bytes(b"mine")
    (folder / ".completions-link1234.index").unlink()
    (folder / ".completions-link1234.index").symlink_to(folder / ".completions-notes.index")
    verb(cli, name, table, "-o", folder / "flat.jsonl")
    assert names <= {path.name for path in folder.iterdir()}


def test_rows_that_are_not_there_yet_are_counted(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    assert batch(cli.service(emulator().url), rows(5), "-o", output, "-n", "2", "--limit", "3").code == 0
    exported = verb(cli, "export", output, "-o", f"{output}.csv")
    assert (exported.code, exported.stderr.splitlines()[1:]) == (0, [f"note: 2 of 5 rows are not in {output} yet"])


@pytest.mark.parametrize(("only", "ids"), [("ok", ["007", "c"]), ("failed", ["b"])])
def test_only_some_rows_are_exported(only: str, ids: list[str], cli: Cli, table: Path) -> None:
    every = [json.loads(line) for line in verb(cli, "export", table, "-o", "-", "-F", "jsonl").stdout.splitlines()]
    result = verb(cli, "export", table, "-o", "-", "-F", "jsonl", "--only", only)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["id"] for record in found] == ids
    assert found == [record for record in every if record["id"] in ids]  # the columns are the same


def test_a_table_on_a_terminal_does_not_drive_it(cli: Cli, output: Path) -> None:
    choice = {"index": 0, "text": "\x1b[2J\u202e", "finish_reason": "stop"}
    line = {"id": 1, "row": 0, "choices": [choice], "error": None, "finish_reason": "stop"}
    output.write_text(json.dumps(line) + "\n", encoding="utf-8")
    for kind in ("csv", "tsv", "jsonl"):
        shown = cli.terminal("batch", "export", str(output), "-o", "-", "-F", kind)
        assert (shown.code, b"\x1b[2J" in shown.stdout, "\u202e" in shown.text) == (0, False, False)
    assert cli.terminal("batch", "export", str(output), "-o", "-", "-F", "parquet").code == 2


def test_long_integers_keep_their_digits(
    cli: Cli, scripted_server: ScriptedServer, tmp_path: Path, output: Path
) -> None:
    """A join by id needs all of them, also where another tool wrote the nulls of the line as NaN."""
    scripted_server.play([answer("x")])
    long = 123456789012345678901234567890
    (tmp_path / "in.jsonl").write_text(json.dumps({"prompt": "a", "id": long, "of": 2**64}), encoding="utf-8")
    assert batch(cli.service(scripted_server.url), tmp_path / "in.jsonl", "-o", output).code == 0
    line = output.read_text(encoding="utf-8")
    for rewritten in (line, line.replace("null", "NaN")):
        output.write_text(rewritten, encoding="utf-8")
        first = batch(cli, "export", output, "-o", "-").text.splitlines()[1]
        assert first.startswith(f"{long},0,{2**64},0,"), first


def test_an_id_that_appears_twice_is_warned_of(cli: Cli, scripted_server: ScriptedServer, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    rows = [
        {"id": "a", "prompt": "A"},
        {"id": "b", "prompt": "B"},
        {"id": "a", "prompt": "C"},
        {"id": "a", "prompt": "D"},
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    scripted_server.play(*[[answer("x")]] * 4)
    cli.service(scripted_server.url)
    for args in (["--plan"], ["-o", str(tmp_path / "o.jsonl")]):
        result = batch(cli, source, *args)
        assert result.code == 0
        assert result.stderr.count("warning: row 2 has the id 'a' of an earlier row") == 1


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl.gz", "x.PARQUET", "x.tsv", "x.zst", "x.xlsx"])
def test_a_name_that_promises_otherwise_is_refused(name: str, cli: Cli, rows: Rows, tmp_path: Path) -> None:
    cli.service("http://127.0.0.1:1")
    result = batch(cli, rows(1), "-o", tmp_path / name)
    assert (result.code, "batch export" in result.stderr, (tmp_path / name).exists()) == (2, True, False)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, None], "integer"),
        ([1, 2.5], "number"),
        ([True, None], "boolean"),
        ([True, 1], "text"),
        (["1", 1], "text"),
        ([2**63], "text"),
        ([{"a": 1}, [1]], "text"),
        ([None], "text"),
    ],
)
def test_a_column_has_one_type(values: list[Any], kind: str) -> None:
    columns = Columns()
    for value in values:
        columns.add(None, {"x": value})
    found = columns.kinds()["x"]
    assert found == kind
    python = {"integer": int, "number": float, "boolean": bool, "text": str}[kind]
    assert all(made is None or type(made) is python for made in (cell(value, found) for value in values))


def test_names_that_differ_in_case_from_ours_give_way() -> None:
    columns = Columns()
    columns.add(1, {"Text": 1, "ROW": 2, "Other": 3})
    assert columns.names() == {"Text": "Text_input", "ROW": "ROW_input", "Other": "Other"}


def test_columns_stay_apart_whose_names_are_defused(tmp_path: Path) -> None:
    file = AtomicFile(tmp_path / "table.csv")
    open_writer("csv", file, {"=a": "text", "'=a": "text", "'=a_input": "text"}).close()
    file.commit()
    assert (tmp_path / "table.csv").read_text(encoding="utf-8") == "'=a,'=a_input,'=a_input_input\n"


def test_names_of_the_input_give_way() -> None:
    columns = Columns()
    columns.add(1, {"text": 1, "text_input": 2, "row": 3, "id": 4, "other": 5})
    assert columns.names() == {
        "text": "text_input_input", "text_input": "text_input", "row": "row_input", "id": "id_input", "other": "other",
    }  # fmt: skip


def test_the_state_of_an_output(cli: Cli, table: Path) -> None:
    text = verb(cli, "status", table)
    lines = text.text.splitlines()
    assert (text.code, lines[0].endswith("2 ok, 1 failed (1 rejected)")) == (0, True)
    assert "failed: 1 row (rejected), for example row 1: this row is bad" in lines
    found = verb(cli, "status", table, "-F", "json").json()
    assert {name: found[name] for name in ("rows", "ok", "failed", "models", "requests", "total_tokens")} == {
        "rows": 3, "ok": 2, "failed": {"rejected": 1}, "models": {"m": 2}, "requests": 3, "total_tokens": 10,
    }  # fmt: skip


def test_the_state_during_a_run_and_after_a_kill(
    cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path
) -> None:
    pause = Pause()
    scripted_server.play([answer("a")], [answer("a")], [pause, answer("a")])
    process = cli.service(scripted_server.url).start("batch", str(rows(5)), "-o", str(output), "-j", "1")
    scripted_server.wait_for_requests(3)
    before = output.read_bytes()
    found = verb(cli, "status", output, "-F", "json").json()
    assert (found["rows"], found["input_rows"], found["missing"], found["rows_not_in_totals"]) == (2, 5, 3, 2)
    process.kill()
    process.communicate()
    pause.go.set()
    output.write_bytes(before + b'{"id":"r2","ro')
    text = verb(cli, "status", output)
    assert (text.code, "missing: 3 rows" in text.text, "incomplete" in text.text) == (0, True, True)
    assert "not in the totals: 2 rows; totals are recorded every 10 s and when a run ends" in text.text.splitlines()
    assert output.read_bytes() == before + b'{"id":"r2","ro'


def test_the_state_after_a_limited_run_says_how_to_complete_it(
    cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    cli.service(emulator().url)
    assert batch(cli, rows(6), "-o", output, "--limit", "2").code == 0
    limited = verb(cli, "status", output).text.splitlines()
    assert "missing: 4 rows; to complete them, run the same batch command again, without --limit 2" in limited
    assert batch(cli, rows(6), "-o", output).code == 0
    whole = verb(cli, "status", output)
    assert ("missing" in whole.text, "not in the totals" in whole.text) == (False, False)
    assert verb(cli, "status", output, "-F", "json").json()["rows_not_in_totals"] == 0


def test_rows_that_no_part_has_are_counted(cli: Cli, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    cli.service(emulator().url)
    parts = [tmp_path / f"s{index}.jsonl" for index in range(2)]
    for index, part in enumerate(parts):
        assert batch(cli, rows(20), "-o", part, "--shard", f"{index}/2", "--limit", "5").code == 0
    merged = tmp_path / "merged.jsonl"
    result = verb(cli, "merge", *parts, "-o", merged)
    assert (result.code, "10 rows are in none of the parts" in result.stderr) == (13, True)
    assert len(records(merged)) == 10
    assert batch(cli, rows(20), "-o", merged).code == 0
    assert verb(cli, "merge", merged, "-o", tmp_path / "again.jsonl").code == 0
    whole = parts[0].read_bytes()
    for line in (b'{"not":"ours"}\n', b'{"row":99999999999}\n'):
        parts[0].write_bytes(whole + line)
        foreign = verb(cli, "merge", *parts, "-o", tmp_path / "third.jsonl")
        assert (foreign.code, "line 6 of" in foreign.stderr, (tmp_path / "third.jsonl").exists()) == (2, True, False)


@pytest.mark.parametrize("kind", ["integer", "number", "boolean"])
@pytest.mark.parametrize("value", [10**400, -(2**63) - 1, "7", [1], {"a": 1}])
def test_a_figure_that_a_column_cannot_hold_is_left_out(kind: Kind, value: Json) -> None:
    assert cell(value, kind) is None


def test_a_column_may_have_half_a_surrogate_pair_in_its_name(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    file = AtomicFile(tmp_path / "table.parquet")
    writer = open_writer("parquet", file, {"\ud800": "text"})
    writer.add(["a\udfff"])
    writer.close()
    file.commit()
    assert parquet.read_table(tmp_path / "table.parquet").to_pydict() == {"?": ["a?"]}


@pytest.mark.parametrize(("value", "made"), [(7.0, 7), (7, 7), (7.5, None), (1e300, None), (True, None), (None, None)])
def test_a_whole_number_may_be_written_as_a_float(value: Json, made: int | None) -> None:
    found = cell(value, "integer")
    assert (found, type(found)) == (made, type(made))
