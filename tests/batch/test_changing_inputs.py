"""The same run? An input that only grew goes on; one that changes, before or while it is read, is refused."""

import gzip
import io
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.batch.inputs.kinds import Format
from completions_cli.batch.inputs.reading import Reading
from completions_cli.batch.inputs.verified import BLOCK
from completions_cli.batch.source import Source
from completions_cli.errors import UsageError
from tests.batch.conftest import batch, records, row_numbers
from tests.command import Cli
from tests.emulator_process import Start


def source(content: bytes, kind: Format) -> Source:
    return Source(io.BytesIO(content), Reading("in", kind))


def prompts(content: bytes, kind: Format) -> list[object]:
    return [(row.prompt, row.error is None) for row in source(content, kind).rows()]


lines = st.lists(st.sampled_from([b'"a"', b'{"prompt":"x"}', b"", b"torn {", b'"b,c"', b'"open', b"x,y", b"\xff"]))


@given(lines, lines, st.sampled_from([b"\n", b"\r\n", b""]), st.sampled_from([b"", b"\n"]))
def test_what_counts_as_grown_has_the_same_first_rows(
    before: list[bytes], after: list[bytes], end: bytes, start: bytes
) -> None:
    """An input counts as grown only where every row that was there is there unchanged, under the same number."""
    kinds: tuple[Format, ...] = ("jsonl", "txt", "csv", "tsv")
    for kind in kinds:
        head = b"prompt,b\n" if kind in ("csv", "tsv") else b""
        sign = b"\t" if kind == "tsv" else b","
        old = head.replace(b",", sign) + b"\n".join(before) + end
        new = old + start + b"\n".join(after)
        try:
            rows_then, rows_now = prompts(old, kind), prompts(new, kind)
        except UsageError:
            continue
        if source(new, kind).has_grown_since(source(old, kind).identity()):
            assert len(new) > len(old)
            assert rows_now[: len(rows_then)] == rows_then


@pytest.mark.parametrize(
    ("kind", "old", "new", "grown"),
    [
        ("txt", b"a\nb\n", b"a\nb\nc\n", True),
        ("txt", b"a\nb", b"a\nb\nc", True),
        ("txt", b"a\nb", b"a\nbc\n", False),
        ("txt", b"a\nb\n", b"a\nx\nc\n", False),
        ("jsonl", b'"a"\r\n', b'"a"\r\n"b"\r\n', True),
        ("jsonl", b"", b'"a"\n', True),
        ("csv", b"prompt\na\n", b"prompt\na\nb\n", True),
        ("csv", b'prompt\n"a\n', b'prompt\n"a\nb"\n', False),
        ("csv", b'prompt\n"a\nb"\n', b'prompt\n"a\nb"\nc\n', True),
        ("json", b'["a"]', b'["a"]\n', False),
        ("json", b'["a"]', b'["a","b"]', False),
    ],
)
def test_grown_or_changed(kind: Format, old: bytes, new: bytes, *, grown: bool) -> None:
    assert source(new, kind).has_grown_since(source(old, kind).identity()) is grown


def _write_at(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(content)


@pytest.mark.parametrize("change", ["overwritten", "a byte", "cut", "cut by a byte", "emptied", "replaced by more"])
@pytest.mark.parametrize("name", ["in.txt", "in.jsonl.gz", "in.csv"])
def test_nothing_is_read_past_what_was_hashed(change: str, name: str, tmp_path: Path) -> None:
    """Each row that is read after a change was there before it; then the run stops."""
    random = os.urandom(3 * BLOCK).hex()
    texts = [random[at : at + 100] for at in range(0, len(random), 100)]
    path = tmp_path / name
    if name == "in.txt":
        path.write_text("".join(text + "\n" for text in texts))
    elif name == "in.csv":
        path.write_text("prompt\n" + "".join(text + "\n" for text in texts))
    else:
        path.write_bytes(gzip.compress("".join(json.dumps(text) + "\n" for text in texts).encode(), 1))
    kind: Format = "jsonl" if "jsonl" in name else "csv" if "csv" in name else "txt"
    with path.open("rb") as file:
        made = Source(file, Reading("in", kind), "gzip" if name.endswith(".gz") else None)
        assert made.identity()
        reading = made.rows()
        found = [next(reading).prompt for _ in range(10)]
        size = path.stat().st_size
        if change == "overwritten":
            _write_at(path, size - 5000, b"y" * 4000)
        elif change == "a byte":
            _write_at(path, size - 12, b"\0")
        elif change == "replaced by more":
            path.write_bytes(b'"other"\n' * size)
        else:
            os.truncate(path, {"cut": size // 2, "cut by a byte": size - 1, "emptied": 0}[change])
        with pytest.raises(UsageError, match="changed while it was read"):  # noqa: PT012 - rows come until then
            for row in reading:
                found.append(row.prompt)  # noqa: PERF401 - kept when it raises
    assert found == texts[: len(found)]


def test_growth_while_it_is_read_ends_the_run_after_the_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes(b"a\nb\n")
    with path.open("rb") as file:
        reading = Source(file, Reading("in", "txt")).rows()
        found = [next(reading).prompt]
        path.write_bytes(b"a\nb\nc\n")
        with pytest.raises(UsageError, match="grew"):  # noqa: PT012 - rows come until then
            for row in reading:
                found.append(row.prompt)  # noqa: PERF401 - kept when it raises
    assert found == ["a", "b"]


@pytest.mark.parametrize("name", ["in.txt", "in.jsonl", "in.csv", "in.jsonl.gz"])
def test_a_grown_input_goes_on_with_its_new_rows(
    name: str, cli: Cli, emulator: Start, tmp_path: Path, output: Path
) -> None:
    def write(count: int) -> None:
        head = "prompt\n" if "csv" in name else ""
        mark = '"' if "jsonl" in name else ""
        content = (head + "".join(f"{mark}row {number}{mark}\n" for number in range(count))).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)

    server = emulator()
    path = tmp_path / name
    write(5)
    cli.service(server.url)
    assert batch(cli, path, "-o", output).code == 0
    first = output.read_bytes()
    write(8)
    plan = batch(cli, path, "-o", output, "--plan")
    assert "rows: 3 to send, 0 bad, 5 already done" in plan.text
    result = batch(cli, path, "-o", output)
    assert (result.code, "grew from 5 to 8 rows" in result.stderr) == (0, True)
    assert output.read_bytes().startswith(first)
    assert (row_numbers(output), len(server.log())) == (list(range(8)), 8)
    again = batch(cli, path, "-o", output)
    assert (again.code, "grew" in again.stderr, len(server.log())) == (0, False, 8)
    write(7)
    assert (batch(cli, path, "-o", output).code, len(server.log())) == (2, 8)


def test_a_final_newline_alone_is_no_new_row(cli: Cli, emulator: Start, tmp_path: Path, output: Path) -> None:
    server = emulator()
    path = tmp_path / "in.txt"
    path.write_text("a\nb", encoding="utf-8")
    cli.service(server.url)
    assert batch(cli, path, "-o", output).code == 0
    path.write_text("a\nb\n", encoding="utf-8")
    result = batch(cli, path, "-o", output)
    assert (result.code, "in.txt grew, but by no row" in result.stderr) == (0, True)
    assert len(server.log()) == 2


def test_an_input_overwritten_under_a_run_stops_it_and_it_resumes(
    cli: Cli, emulator: Start, tmp_path: Path, output: Path
) -> None:
    server = emulator("--latency", "0.02")
    path = tmp_path / "in.txt"
    before = b"".join(b"row %d %s\n" % (number, b"x" * 2000) for number in range(3000))
    path.write_bytes(before)
    cli.service(server.url)
    process = cli.start("batch", str(path), "-o", str(output), "-j", "8", "-M", "1", "--retries", "0")
    while not (output.exists() and output.stat().st_size > 3000):
        assert process.poll() is None
    _write_at(path, 0, before.replace(b"row", b"new"))
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"changed while it was read" in stderr
    sent = [json.loads(entry["body"])["prompt"] for entry in server.log()]
    assert all(prompt.startswith("row ") for prompt in sent)
    path.write_bytes(before)
    result = batch(cli, path, "-o", output, "-M", "1", "--limit", "900")
    assert result.code == 0
    assert len({record["row"] for record in records(output)}) == len(records(output)) >= 900
