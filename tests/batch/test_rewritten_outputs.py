"""OUTPUT after other tools rewrote it: what is answered stays, what was removed is asked again, and nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.batch.conftest import Rows, batch, records
from tests.command import Cli
from tests.emulator_process import Start

Lines = list[dict[str, Any]]


def _dumped(lines: Lines, **options: Any) -> bytes:
    return "".join(json.dumps(line, **options) + "\n" for line in lines).encode()


def _pandas(lines: Lines) -> bytes:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    text: str = pandas.DataFrame(lines).to_json(orient="records", lines=True)
    return text.encode()


REWRITERS: dict[str, Callable[[Lines], bytes]] = {
    "jq -cS .": lambda lines: _dumped(lines, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    "json.dumps": _dumped,
    "pandas": _pandas,
    "CRLF": lambda lines: _dumped(lines, separators=(",", ":")).replace(b"\n", b"\r\n"),
    "a BOM": lambda lines: b"\xef\xbb\xbf" + _dumped(lines),
    "blank lines": lambda lines: _dumped(lines).replace(b"\n", b"\n\n  \n"),
    "another order": lambda lines: _dumped(lines[::-1]),
    "no last LF": lambda lines: _dumped(lines).removesuffix(b"\n"),
    "all at once": lambda lines: b"\xef\xbb\xbf" + _dumped(lines[::-1]).replace(b"\n", b"\r\n\r\n")[:-4],
}


@pytest.mark.parametrize("rewriter", REWRITERS)
@pytest.mark.parametrize("kind", ["native", "openai"])
def test_only_what_was_removed_is_asked(
    rewriter: str, kind: str, cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    server = emulator()
    cli.service(server.url)
    args = (rows(12), "-o", output, "--output-format", kind)
    assert batch(cli, *args).code == 0
    kept = [line for number, line in enumerate(records(output)) if number not in {0, 5, 11}]
    output.write_bytes(REWRITERS[rewriter](kept))
    result = batch(cli, *args)
    assert result.code == 0, result.stderr
    assert len(server.log()) == 12 + 3
    text = output.read_text(encoding="utf-8-sig")
    found = [json.loads(line) for line in text.split("\n") if line.strip()]
    names = [line["id"] for line in found]
    assert len(set(names)) == len(names) == 12
    assert [line for line in kept if line not in found] == []
    assert "note" not in result.stderr


@pytest.mark.parametrize("foreign", [b"a note to myself\n", b'{"a": 1}\n', b"[\n", b'{"row": 12}\n', b'{"row": -1}\n'])
def test_a_line_that_is_not_understood_stops_the_run(
    foreign: bytes, cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    server = emulator()
    cli.service(server.url)
    args = (rows(12), "-o", output)
    assert batch(cli, *args, "--limit", "4").code == 0
    lines = output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join([*lines[:2], foreign, *lines[2:]]) + b'{"torn')
    before = {path: path.read_bytes() for path in output.parent.glob("out*")}
    for extra in ((), ("--retry-failed",), ("--ordered",), ("--plan",)):
        result = batch(cli, *args, *extra)
        assert (result.code, f"line 3 of {output}" in result.stderr) == (2, True), result.stderr
    assert {path: path.read_bytes() for path in output.parent.glob("out*")} == before
    assert len(server.log()) == 4


def test_a_failure_is_replaced_when_its_row_was_asked_again(
    cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    args = (rows(20), "-o", output)
    assert batch(cli.service(emulator("--fault", "422").url), *args, "--max-errors", "1000").code == 13
    before = records(output)
    cli.service("http://127.0.0.1:1")  # nobody is there
    gone = batch(cli, *args, "--retry-failed", "--retries", "0", "--connect-timeout", "1")
    assert (gone.code != 0, records(output)) == (True, before)
    server = emulator()
    cli.service(server.url)
    part = batch(cli, *args, "--retry-failed", "--limit", "5", "--summary", "-")
    assert part.code == 13, part.stderr
    assert sorted(line["row"] for line in records(output) if line["error"] is None) == list(range(5))
    assert _failed(output) == set(range(5, 20))
    assert (part.json()["all_runs"]["failed"], part.json()["ok"]) == ({"rejected": 15}, 5)
    assert batch(cli, *args).code == 13
    assert len(server.log()) == 5
    whole = batch(cli, *args, "--retry-failed")
    assert (whole.code, len(records(output)), _failed(output), len(server.log())) == (0, 20, set(), 20)


def _flat(line: dict[str, Any]) -> dict[str, Any]:
    """Return a line as `pandas.json_normalize` has it."""
    error = line.pop("error") or {"kind": None, "message": None}
    return line | {f"error.{name}": value for name, value in error.items()}


LOSSES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "flat": _flat,
    "two columns": lambda line: {"row": line["row"], "choices": line["choices"]},
    "no nulls": lambda line: {name: value for name, value in line.items() if value is not None},
    "NaN": lambda line: {name: float("nan") if value is None else value for name, value in line.items()},
    "an object of nulls": lambda line: (
        line | {"error": line["error"] or dict.fromkeys(("kind", "status", "code", "message", "retryable"))}
    ),
    "texts": lambda line: line | {"row": str(line["row"]), "error": json.dumps(line["error"])},
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_failure_stays_one_and_an_answer_too(loss: str, cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    args = (rows(6), "-o", output, "--max-errors", "1000")
    assert batch(cli.service(emulator("--fault", "422").url), *args).code == 13
    server = emulator()
    cli.service(server.url)
    assert batch(cli, *args, "--retry-failed", "--limit", "2").code == 13
    output.write_bytes(_dumped([LOSSES[loss](line) for line in records(output)]))
    again = batch(cli, *args, "--summary", "-")
    assert (again.code, sum(again.json()["all_runs"]["failed"].values())) == (13, 4), again.stderr
    assert batch(cli, *args, "--retry-failed").code == 0
    assert len(server.log()) == 6


TABLES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "texts": lambda line: {
        "id": line["id"],
        "row": line["row"],
        "text": line["choices"][0]["text"] if line["choices"] else None,
        "error": line["error"],
    },
    "choices as JSON": lambda line: line | {"choices": json.dumps(line["choices"])},
    "choices as Python": lambda line: line | {"choices": str(line["choices"])},
    "with whole lines": lambda line: (
        line
        if line["row"] == 1 or line["error"]
        else line | {"choices": None, "text": line["choices"][0]["text"], "metadata": None}
    ),
}


@pytest.mark.parametrize("table", [*TABLES, "export"])
def test_a_table_of_answers_keeps_its_texts(
    table: str, cli: Cli, emulator: Start, rows: Rows, output: Path, tmp_path: Path
) -> None:
    args = (rows(6), "-o", output, "--max-errors", "1000")
    assert batch(cli.service(emulator("--fault", "422").url), *args, "--limit", "2").code == 13
    server = emulator()
    cli.service(server.url)
    assert batch(cli, *args, "--limit", "5").code == 13
    first = tmp_path / "first.jsonl"
    assert batch(cli, "export", output, "-o", first).code == 0
    texts = {line["row"]: line["text"] for line in records(first)}
    output.write_bytes(
        first.read_bytes() if table == "export" else _dumped([TABLES[table](line) for line in records(output)])
    )
    found = batch(cli, "status", output, "-F", "json").json()
    assert (found["ok"], sum(found["failed"].values())) == (3, 2)
    assert batch(cli, *args).code == 13
    for source in (output, tmp_path / "merged.jsonl"):
        again = tmp_path / "again.jsonl"
        assert batch(cli, "export", source, "-o", again).code == 0
        exported = {line["row"]: line for line in records(again)}
        assert {row: exported[row]["text"] for row in texts} == texts
        if table == "export":
            assert [exported[line["row"]] for line in records(first)] == records(first)
        assert batch(cli, "merge", output, "-o", tmp_path / "merged.jsonl", "--overwrite").code == 13
    assert batch(cli, *args, "--retry-failed").code == 0
    assert len(server.log()) == 6


def test_what_is_no_answer_is_not_called_one(
    cli: Cli, emulator: Start, rows: Rows, output: Path, tmp_path: Path
) -> None:
    server = emulator()
    args = (rows(3), "-o", output)
    assert batch(cli.service(server.url), *args).code == 0
    output.write_bytes(_dumped([{"row": line["row"], "answer": line["id"]} for line in records(output)]))
    before = output.read_bytes()
    found = batch(cli, *args)
    assert (found.code, "3 failed (3 unknown)" in found.stderr, output.read_bytes()) == (13, True, before)
    assert batch(cli, "export", output, "-o", tmp_path / "flat.jsonl").code == 0
    table = records(tmp_path / "flat.jsonl")
    assert [(line["answer"], line["error_kind"]) for line in table] == [(f"r{row}", "unknown") for row in range(3)]


def test_samples_in_a_table_are_not_joined(cli: Cli, emulator: Start, rows: Rows, output: Path, tmp_path: Path) -> None:
    server = emulator()
    args = (rows(3), "-o", output, "-n", "2")
    assert batch(cli.service(server.url), *args).code == 0
    assert batch(cli, "export", output, "-o", tmp_path / "flat.jsonl").code == 0
    output.write_bytes((tmp_path / "flat.jsonl").read_bytes())
    before = output.read_bytes()
    asked = len(server.log())
    for command in (args, ("status", output), ("merge", output, "-o", tmp_path / "merged.jsonl")):
        found = batch(cli, *command)
        assert (found.code, "another line of row 0" in found.stderr) == (2, True), found.stderr
    assert (output.read_bytes(), len(server.log())) == (before, asked)


def test_an_openai_output_may_be_a_table_too(
    cli: Cli, emulator: Start, rows: Rows, output: Path, tmp_path: Path
) -> None:
    server = emulator()
    args = (rows(3), "-o", output, "--output-format", "openai")
    assert batch(cli.service(server.url), *args).code == 0
    texts = [line["response"]["body"]["choices"][0]["text"] for line in records(output)]
    kept = [{"id": line["id"], "custom_id": line["custom_id"]} for line in records(output)]
    output.write_bytes(_dumped([line | {"text": text} for line, text in zip(kept, texts, strict=True)]))
    assert batch(cli, *args).code == 0
    assert batch(cli, "export", output, "-o", tmp_path / "flat.jsonl").code == 0
    assert [line["text"] for line in records(tmp_path / "flat.jsonl")] == texts
    output.write_bytes(_dumped(kept))
    assert batch(cli, *args).code == 13
    assert len(server.log()) == 3


@pytest.mark.parametrize("choices", [5, [None], [{"index": 0, "text": None}], {"a": 1}, "lost"])
def test_no_damaged_line_takes_the_place_of_an_answer(
    choices: object, cli: Cli, emulator: Start, rows: Rows, output: Path, tmp_path: Path
) -> None:
    server = emulator()
    args = (rows(3), "-o", output)
    assert batch(cli.service(server.url), *args).code == 0
    answers = records(output)
    damaged = answers[0] | {"choices": choices}
    output.write_bytes(_dumped([damaged, *answers]))
    assert batch(cli, *args).code == 0
    assert records(output) == answers
    part, merged = tmp_path / "part.jsonl", tmp_path / "merged.jsonl"
    part.write_bytes(_dumped([damaged]))
    assert cli.run("batch", "merge", str(part), str(output), "-o", str(merged)).code == 0
    assert records(merged) == sorted(answers, key=lambda line: line["row"])
    output.write_bytes(_dumped([damaged, *answers[1:]]))
    assert batch(cli, *args).code == 13
    assert batch(cli, *args, "--retry-failed").code == 0
    assert len(server.log()) == 4


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        (b'[{"row": 0}, {"row": 1}]\n', "jq -c '.[]'"),
        (b'{"row": 0},\n', "comma"),
        ('{"row": 0}\n'.encode("utf-16"), "not UTF-8"),
        (b'{\n  "row": 0\n}\n', "jq -c ."),
    ],
    ids=["array", "comma", "UTF-16", "pretty"],
)
def test_the_hint_says_how_to_undo_it(
    line: bytes, advice: str, cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    cli.service(emulator().url)
    assert batch(cli, rows(2), "-o", output, "--limit", "1").code == 0
    output.write_bytes(line)
    result = batch(cli, rows(2), "-o", output)
    assert (result.code, advice in result.stderr, output.read_bytes()) == (2, True, line), result.stderr


def _failed(output: Path) -> set[int]:
    return {line["row"] for line in records(output) if line["error"]}


@pytest.mark.parametrize("end", [b"\r", b" ", b"", b"\x1e", "\u2028".encode()], ids=repr)
def test_several_objects_on_a_line_are_no_torn_line(
    end: bytes, cli: Cli, emulator: Start, rows: Rows, output: Path
) -> None:
    server = emulator()
    cli.service(server.url)
    assert batch(cli, rows(5), "-o", output).code == 0
    joined = output.read_bytes().replace(b"\n", end)
    output.write_bytes(joined)
    for option in ([], ["--retry-failed"]):
        result = batch(cli, rows(5), "-o", output, *option)
        assert result.code == 2
        assert "line 1" in result.stderr
        assert "jq -c" in result.stderr
    assert output.read_bytes() == joined
    assert len(server.log()) == 5
