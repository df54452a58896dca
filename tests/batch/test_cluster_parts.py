"""Rows into blocks and lines into parts: nothing of an input is lost, read twice or numbered wrongly on the way."""

import contextlib
import errno
import gzip
import io
import json
import os
import sys
import threading
import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.batch import closing, run_file
from completions_cli.batch.cluster import inputs, parts, splits, staging
from completions_cli.batch.cluster.fencing import FencedError, Writer
from completions_cli.batch.cluster.folder_lock import Heartbeat
from completions_cli.batch.cluster.inputs import Contents, InputFile
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.cluster.part_log import PartLog
from completions_cli.batch.cluster.part_table import PartTable
from completions_cli.batch.cluster.planning import Partition, part_rows
from completions_cli.batch.cluster.salvage import salvage
from completions_cli.batch.cluster.storage import LocalFolder, RemoteFolder
from completions_cli.batch.cluster.writers import writer, writers
from completions_cli.batch.formats import Outcome, line
from completions_cli.batch.inputs.fingerprint import Identity
from completions_cli.batch.inputs.kinds import Format
from completions_cli.batch.inputs.verified import InputChangedError
from completions_cli.batch.merging import merge
from completions_cli.batch.recipe import PLAIN, Recipe
from completions_cli.batch.recovery import Retry
from completions_cli.batch.rows import Row
from completions_cli.batch.run_file import RunFile
from completions_cli.batch.selection import Selection
from completions_cli.batch.source import open_source
from completions_cli.errors import CompletionsError, NetworkError, UsageError
from completions_cli.wall_clock import unix_time

pytest.importorskip("pyarrow")

LINES = [b'"a"', b"", b'{"prompt": "b", "id": 7}', b'\xef\xbb\xbf"c"', b"\xff\xfe", b"not JSON", b'"d\r"', b"  "]


def plan_of(place: Path, selection: Selection = Selection(), kind: Format | None = None) -> Partition:  # noqa: B008 - frozen
    files = inputs.find(str(place), kind)
    return Partition(files, [inputs.count(file) for file in files], selection, inputs.STRIDE)


def read(plan: Partition) -> list[Row]:
    wanted = {part for part, _ in plan.parts()}
    blocks = [block for split in plan.splits(wanted, Recipe()) for block in splits.blocks(split)]
    assert len({block.part for block in blocks}) == len(blocks)
    for block in blocks:
        assert all(block.part <= row.number < block.part + plan.part_rows for row in block.rows)
    return [row for block in blocks for row in block.rows]


@given(
    picks=st.lists(st.integers(0, len(LINES) - 1), max_size=40),
    compressed=st.booleans(),
    kind=st.sampled_from(["jsonl", "txt"]),
)
def test_rows_are_those_of_a_run_on_one_machine(
    tmp_path_factory: pytest.TempPathFactory, picks: list[int], *, compressed: bool, kind: str
) -> None:
    lines = [LINES[pick] for pick in picks] * 40
    path = tmp_path_factory.mktemp("in") / f"in.{kind}{'.gz' if compressed else ''}"
    content = b"\n".join([b'"first"', *lines])
    path.write_bytes(gzip.compress(content) if compressed else content)
    source = open_source(str(path), kind=None, recipe=Recipe(), stdin=io.BytesIO, spool_folder=None)
    expected = list(source.rows())
    source.close()
    plan = plan_of(path)
    assert inputs.total(plan.contents) == len(expected)
    assert repr(read(plan)) == repr(expected)


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz", "in.txt", "in.csv", "in.json"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_row_of_each_part_is_its_own(name: str, end: str, tmp_path: Path) -> None:
    prompts = [f"row {number} " + "é" * (number % 97) for number in range(1700)]
    texts = prompts if name in ("in.txt", "in.csv") else [json.dumps(prompt) for prompt in prompts]
    content = end.join(["prompt", *texts] if name == "in.csv" else texts)
    content = f"[{content.replace(end, ',')}]" if name == "in.json" else content + end
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    plan = plan_of(path)
    assert [row.prompt for row in read(plan)] == prompts
    for part, _ in plan.parts():  # and when the others are done
        found = [block for split in plan.splits({part}, PLAIN) for block in splits.blocks(split)]
        assert [row.prompt for block in found for row in block.rows] == prompts[part : part + 500]


@pytest.mark.parametrize("name", ["in.jsonl", "in.txt", "in.csv", "in.jsonl.gz", "in.parquet"])
@pytest.mark.parametrize("part", [0, 500, 1500])
def test_an_input_that_was_changed_since_it_was_counted_is_not_read(name: str, part: int, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content_of(name, "a"))
    plan = plan_of(path)
    path.write_bytes(content_of(name, "b"))
    split = next(split for split in plan.splits({part}, PLAIN))
    with pytest.raises(InputChangedError):
        list(splits.blocks(split))


def content_of(name: str, letter: str) -> bytes:
    """Return rows of a kind; those of another letter take as many bytes."""
    import pyarrow as pa
    from pyarrow import parquet

    prompts = [f"{number} {letter * 90}" for number in range(1700)]
    if name.endswith(".parquet"):
        target = io.BytesIO()
        parquet.write_table(pa.table({"prompt": prompts}), target, compression="none", use_dictionary=False)
        return target.getvalue()
    lines = ["prompt", *prompts] if name.endswith(".csv") else prompts
    text = "".join(f"{json.dumps(line) if 'jsonl' in name else line}\n" for line in lines).encode()
    return gzip.compress(text, mtime=0) if name.endswith(".gz") else text


def test_a_file_that_grew_at_its_end_is_the_earlier_one_with_more(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('"a"\n"b"\n')
    [file] = inputs.find(str(path), None)
    first = inputs.identity("in.jsonl", [inputs.count(file)])
    for content, has_grown in (('"a"\n"b"\n"c"\n', True), ('"a"\n"c"\n"b"\n', False), ('"a"\n"b"\n', False)):
        path.write_text(content)
        assert inputs.count(file, first).has_grown is has_grown
    path.write_text('"a"')
    torn = inputs.identity("in.jsonl", [inputs.count(file)])
    for content, has_grown in (('"a"\n"b"', True), ('"a" ', False)):
        path.write_text(content)
        assert inputs.count(file, torn).has_grown is has_grown


def test_a_folder_that_gained_files_has_grown_and_its_rows_keep_their_numbers(tmp_path: Path) -> None:
    def plan(earlier: Sequence[Identity] = ()) -> Partition:
        files = inputs.in_order(inputs.find(str(tmp_path), None), earlier)
        known = {file.name: file for file in earlier[-1:]}
        return Partition(files, [inputs.count(file, known.get(file.name)) for file in files], Selection(), 500)

    def write(**texts: str) -> None:
        for name, text in texts.items():
            (tmp_path / f"{name}.jsonl").write_text(text)

    write(b='"0"\n', d='"1"\n')
    before = plan().identities
    assert [known.name for known in before] == ["b.jsonl", "d.jsonl"]
    write(a='"3"\n', c='"4"\n', d='"1"\n"2"\n')
    assert [row.prompt for row in read(plan(before))] == ["0", "1", "2", "3", "4"]
    assert plan(before).has_grown_since(before)
    write(d='"1"\n')
    assert plan(before).has_grown_since(before)
    write(b='"0"\n"1"\n')  # rows after it would have other numbers
    assert not plan(before).has_grown_since(before)
    (tmp_path / "b.jsonl").unlink()
    assert not plan(before).has_grown_since(before)


def test_parts_of_an_input_that_grew_keep_their_size() -> None:
    assert [part_rows([11_000_000], held) for held in ((), (0,), (0, 500), (0, 5000))] == [5000, 5000, 500, 5000]
    assert [part_rows([700, 11_000_000], held) for held in ((0, 700), (0, 5700), (0, 1200))] == [5000, 5000, 500]


def test_files_of_a_folder_follow_one_another(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('"0"\n' * 700)
    (tmp_path / "b.csv").write_text('prompt,note\n"1,\n1",x\n2,y\n')
    (tmp_path / "_run.json").write_text("none of it")
    (tmp_path / "c.txt").write_text("3\n4")
    found = read(plan_of(tmp_path))
    assert [row.number for row in found] == list(range(704))
    assert [row.prompt for row in found[700:]] == ["1,\n1", "2", "3", "4"]
    assert [row.number for row in read(plan_of(tmp_path / "*.jsonl", Selection(1, 3, 2)))] == [1, 4]


def test_tables_of_parquet(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    count = 1700
    columns = {
        "prompt": [f"p{number}" for number in range(count)],
        "max_tokens": [number % 5 or None for number in range(count)],
        "note": ["n"] * count,
    }
    parquet.write_table(pa.table(columns), tmp_path / "in.parquet", row_group_size=333)
    found = read(plan_of(tmp_path / "in.parquet"))
    assert [(row.number, row.prompt) for row in found] == [(number, f"p{number}") for number in range(count)]
    assert (found[3].parameters, found[5].parameters, found[3].metadata) == ({}, {}, {"max_tokens": 3, "note": "n"})


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 7), st.integers(0, 6), st.none() | st.integers(0, 12))
def test_selected_rows_are_counted_right(first: int, more: int, count: int, index: int, limit: int | None) -> None:
    selection = Selection(index % count, count, limit)
    expected = sum(number in selection for number in range(first, first + more))
    assert selection.among(first, first + more) == expected


def test_parts_are_of_a_size_that_keeps_them_few() -> None:
    assert [part_rows([rows]) for rows in (0, 10**7, 10**8, 10**9)] == [500, 500, 5000, 50000]


def outcome(number: int, *, failed: bool = False) -> bytes:
    error = UsageError("no") if failed else None
    choices = [] if failed else [{"index": 0, "text": f"t{number} \u2028é", "finish_reason": "stop"}]
    return line(Outcome(Row(number, id=f"r{number}", metadata={"a": 1}), choices=choices, error=error), "native")


def writer_of(place: Path) -> Writer:
    owner = writers(str(place), "now", lambda writer, folder: salvage(writer, folder, "native"))
    owner.open()
    owner.admit("one")
    return writer(str(place), "now", "one")


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_part_is_gone_on_with(kind: parts.PartKind, tmp_path: Path) -> None:
    folder, writer = LocalFolder(tmp_path), writer_of(tmp_path)
    log = PartLog(writer, 500, kind, "native")
    log.append(outcome(502) + outcome(500, failed=True))
    entry = log.commit()
    assert entry is not None
    assert (entry.rows, entry.ok, entry.failed) == (2, 1, {"usage": 1})
    kept = PartLog(writer, 500, kind, "native")
    assert [row in kept for row in (500, 501, 502)] == [True, False, True]
    again = PartLog(writer, 500, kind, "native", retry="all")
    assert 500 not in again
    again.append(outcome(500) + outcome(501))
    again.commit()
    content = folder.read(parts.name(500, kind))
    assert content is not None
    found = [json.loads(text) for text in parts.decode(content, kind, "native")]
    assert found == [json.loads(outcome(number)) for number in (500, 501, 502)]


def test_parquet_parts_have_the_text_of_the_first_choice(tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "part.parquet"
    path.write_bytes(parts.encode([outcome(1)[:-1], outcome(2, failed=True)[:-1]], "parquet", "native"))
    assert parquet.read_table(path).column("text").to_pylist() == ["t1 \u2028é", None]


RUN = RunFile(Identity("in", 3, "abc"), {"temperature": 1}, "native", (0, 1))
PLAN = Partition([InputFile("in", "jsonl")], [Contents(3, "abc", 1700)], Selection(), 500)


def one_answer(part: int) -> parts.PartEntry:
    return parts.PartEntry(len(outcome(part)), 1, 1, models={"unknown": 1}, finish_reasons={"stop": 1})


def test_parts_are_the_truth_whatever_the_record_says(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"), "jsonl")
    output.lock()
    output.prepare(RUN, PLAN, overwrite=False)
    output.writers.admit("one")
    worker = writer(output.place, output.epoch, "one")
    for part in (0, 500):
        worker.replace(parts.name(part, "jsonl"), outcome(part))
    output.record(0, one_answer(0))
    output.record(500, parts.PartEntry(99999, 9, 9))  # it has been written again since
    output.record(1000, parts.PartEntry(1, 1, 1))  # it is gone
    output.save()
    output.close()
    again = Output(str(tmp_path / "out"), "jsonl")
    again.lock()
    again.prepare(RUN, PLAN, overwrite=False)
    assert again.entries == {part: one_answer(part) for part in (0, 500)}
    with pytest.raises(FencedError):  # workers of the first run write no more
        worker.replace(parts.name(0, "jsonl"), b"")
    again.close()


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1.0])
def test_a_part_that_was_written_after_its_record_is_read(seconds: float, tmp_path: Path) -> None:
    output, again = (Output(str(tmp_path / "out"), "jsonl") for _ in range(2))
    output.lock()
    output.prepare(RUN, PLAN, overwrite=False)
    path = tmp_path / "out" / parts.name(0, "jsonl")
    path.write_bytes(outcome(0))
    output.record(0, one_answer(0))
    output.save()
    output.close()
    record = next((tmp_path / "out" / "_parts").iterdir())
    path.write_bytes(outcome(0).replace(b"stop", b"size"))
    os.utime(path, (0, record.stat().st_mtime + seconds))
    again.lock()
    again.prepare(RUN, PLAN, overwrite=False)
    assert (again.entries[0] == one_answer(0)) is (seconds < 0)
    path.write_bytes(b"\0" * path.stat().st_size)
    again.close()
    with pytest.raises(UsageError, match="part-000000000000"):
        again.prepare(RUN, PLAN, overwrite=False)


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize("is_dismissed", [True, False])
def test_what_a_worker_has_left_is_added_to_its_part(
    kind: parts.PartKind, tmp_path: Path, *, is_dismissed: bool
) -> None:
    output, again = (Output(str(tmp_path / "out"), kind) for _ in range(2))
    output.lock()
    output.prepare(RUN, PLAN, overwrite=False)
    output.writers.admit("one")
    worker = writer(output.place, output.epoch, "one")
    log = PartLog(worker, 500, kind, "native")
    log.append(outcome(500) + outcome(502, failed=True))
    log.commit()
    log.append(outcome(501))
    log.append(outcome(502))  # a row that was asked again
    worker.log("part-000000001000.jsonl", b'{"torn')
    if is_dismissed:
        output.writers.dismiss("one")
        with pytest.raises(FencedError):
            PartLog(worker, 1500, kind, "native").append(outcome(1500))
        output.verify(PLAN)
        assert output.entries[500].rows == 3
    output.close()
    again.lock()
    again.prepare(RUN, PLAN, overwrite=False)
    assert {part: (entry.rows, entry.ok) for part, entry in again.entries.items()} == {500: (3, 3)}
    again.prepare(RUN, PLAN, overwrite=True)
    again.close()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_lock", "_parts", "_run.json"]


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_lines_of_a_row_that_has_another_one_are_no_rows_of_a_part(kind: parts.PartKind, tmp_path: Path) -> None:
    """Two halves that somebody joined: as many lines as rows, but not of all rows."""
    place = tmp_path / "out"
    output = Output(str(place), kind)
    output.lock()
    output.prepare(RUN, PLAN, overwrite=False)
    halves = [outcome(row, failed=row == 299) for row in range(300)], [outcome(row) for row in range(297, 497)]
    path = place / parts.name(0, kind)
    path.write_bytes(parts.encode([line[:-1] for half in halves for line in half], kind, "native"))
    output.close()
    again = Output(str(place), kind)
    again.lock()
    again.prepare(RUN, PLAN, overwrite=False)
    assert (again.entries[0].rows, again.entries[0].ok) == (497, 497)
    assert f"{path.name} because another line has the same row: 3" in again.notes[0]
    assert 0 in again.open_parts(PLAN, None)
    left = [parts.read(line, "native", "").row for line in parts.decode(path.read_bytes(), kind, "native")]
    assert left == [*range(497)]
    again.close()


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("ends", "kept"), [("aa", 0), ("fa", 1), ("af", 0), ("ff", 1), ("faa", 1), ("aafa", 0), ("fff", 2)]
)
def test_the_line_of_a_row_that_stays_is_the_one_that_a_merge_takes(
    kind: parts.PartKind, ends: str, kept: int, tmp_path: Path
) -> None:
    """The first answer or, where there is none, the last failure."""
    writer = writer_of(tmp_path)
    lines = [
        line(Outcome(Row(0, id=str(number)), choices=[] if end == "f" else [{"text": ""}], error=lost), "native")
        for number, end in enumerate(ends)
        for lost in [NetworkError("lost") if end == "f" else None]
    ]
    writer.replace(parts.name(0, kind), parts.encode([line[:-1] for line in lines], kind, "native"))
    (tmp_path / run_file.IN_FOLDER).write_bytes(RUN.as_bytes())
    log = PartLog(writer, 0, kind, "native")
    left = PartLog(writer, 500, kind, "native")  # as a lost worker's lines
    left.append(b"".join(lines))
    left.commit()
    with staging.local([str(tmp_path)], tmp_path) as places:
        merge(places, tmp_path / "merged")
    log.append(outcome(1))
    log.commit()
    [first, _] = parts.decode(writer.read(parts.name(0, kind)) or b"", kind, "native")
    assert json.loads(first)["id"] == str(kept)
    assert parts.decode(writer.read(parts.name(500, kind)) or b"", kind, "native") == [first]
    assert json.loads((tmp_path / "merged").read_bytes()) == json.loads(first)


def test_rows_beyond_a_limit_do_not_stand_for_those_before_it(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"), "jsonl")
    output.lock()
    output.prepare(RUN, PLAN, overwrite=False)
    path = tmp_path / "out" / parts.name(500, "jsonl")
    path.write_bytes(b"".join(outcome(row) for row in range(550, 900)))
    output.verify(PLAN)
    limited = replace(PLAN, selection=Selection(limit=600))
    assert output.open_parts(limited, None) == {0, 500}
    path.write_bytes(b"".join(outcome(row) for row in range(500, 600)))
    output.verify(PLAN)
    assert output.open_parts(limited, None) == {0}
    output.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there it is always a file")
def test_a_lock_file_in_place_of_a_lock_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(*_: object) -> None:
        raise OSError(errno.ENOSYS, "")

    monkeypatch.setattr("fcntl.flock", without_locks)
    for _ in range(2):
        output = Output(str(tmp_path / "out"), "jsonl")
        output.lock()
        output.prepare(RUN, PLAN, overwrite=False)
        assert "does not support locks" in output.notes[0]
        output.close()


def test_two_drivers_on_one_folder_are_one_too_many(tmp_path: Path) -> None:
    output, other = (Output(str(tmp_path / "out"), "jsonl") for _ in range(2))
    output.lock()
    refused: list[BaseException] = []

    def try_it() -> None:
        try:
            other.lock()
        except UsageError as error:
            refused.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    output.close()
    assert len(refused) == 1
    other.lock()
    other.close()


@pytest.mark.parametrize(("seconds", "is_taken"), [(-59, True), (-61, False), (3600, False)])
def test_a_lock_in_an_object_store_is_a_sign_of_life_of_the_last_minute(seconds: float, *, is_taken: bool) -> None:
    place = f"memory://bucket/locked{seconds}"
    RemoteFolder(place).put("_lock", json.dumps({"at": unix_time() + seconds}).encode())  # perhaps of another clock
    output = Output(place, "jsonl")
    with pytest.raises(UsageError, match="another run") if is_taken else contextlib.nullcontext():
        output.lock()


def test_a_driver_says_that_it_lives_whatever_else_it_does() -> None:
    said = threading.Event()
    heartbeat = Heartbeat(said.set, seconds=0.01)
    heartbeat.start()
    assert said.wait(60)
    heartbeat.stop()


def test_another_run_and_foreign_files_are_refused(tmp_path: Path) -> None:
    output = Output(str(tmp_path / "out"), "jsonl")
    output.lock()
    output.prepare(RUN, PLAN, overwrite=False)
    (tmp_path / "out" / parts.name(0, "jsonl")).write_bytes(outcome(0))
    changed = RunFile(RUN.input, {"temperature": 2}, "native", (0, 1))
    with pytest.raises(UsageError, match="another temperature: 1, now 2"):
        output.prepare(changed, PLAN, overwrite=False)
    output.prepare(changed, PLAN, overwrite=True)
    assert output.entries == {}
    output.close()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    foreign = Output(str(tmp_path / "other"), "jsonl")
    foreign.lock()
    with pytest.raises(UsageError, match="not the output of a batch"):
        foreign.prepare(RUN, PLAN, overwrite=False)
    foreign.close()


def failed(number: int, error: CompletionsError) -> bytes:
    return line(Outcome(Row(number), error=error), "native")


def test_failures_that_may_pass_are_asked_again_when_told_so(tmp_path: Path) -> None:
    log = PartLog(writer_of(tmp_path), 500, "jsonl", "native")
    log.append(outcome(500) + failed(501, UsageError("no")) + failed(502, NetworkError("gone", retryable=True)))
    entry = log.commit()
    assert entry is not None
    assert (entry.failed, entry.retryable) == ({"usage": 1, "network": 1}, 1)
    assert entry.examples == {"usage": (501, "no"), "network": (502, "gone")}
    cases: list[tuple[Retry | None, list[int]]] = [(None, []), ("retryable", [502]), ("all", [501, 502])]
    for retry, again in cases:
        kept = PartLog(writer_of(tmp_path), 500, "jsonl", "native", retry=retry)
        assert [row for row in (500, 501, 502) if row not in kept] == again
        assert entry.again(retry) == len(again)
        assert PLAN.open_parts({0: WHOLE, 500: replace(entry, rows=500), 1000: WHOLE, 1500: WHOLE}, retry) == (
            {500} if again else set()
        )


WHOLE = parts.PartEntry(1, 500, 500)


def test_the_sums_of_parts_follow_what_is_written() -> None:
    table = PartTable()
    first = parts.PartEntry(9, 3, 1, {"timeout": 2}, 2, {"a": 1}, {"stop": 1}, {"n": 1}, {"timeout": (1, "late")})
    table.put(0, first)
    table.put(500, parts.PartEntry(9, 2, 2, models={"b": 1, "unknown": 1}, finish_reasons={"length": 2}))
    assert (table.rows, table.ok, table.failed, table.worth_retrying) == (5, 3, {"timeout": 2}, 2)
    assert (table.known_models, table.finish_reasons) == (["a", "b"], {"stop": 1, "length": 2})
    assert closing.lines(table)[-1].startswith("worth retrying: 2 rows")
    table.put(0, parts.PartEntry(9, 3, 3, models={"b": 3}, finish_reasons={"stop": 3}, profiles={"east": 2, "west": 1}))
    assert (table.rows, table.ok, table.failed, table.models) == (5, 5, {}, {"b": 4, "unknown": 1})
    assert (table.examples, table.ignored, table.again("all")) == ({}, {}, 0)
    assert table.profiles == {"east": 2, "west": 1}
    table.drop(500)
    assert (table.rows, dict(table)) == (3, {0: table[0]})


def test_a_part_takes_little_memory() -> None:
    tracemalloc.start()
    table = PartTable()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(2000):
        counts = ({"rejected": 1}, 0, {"a-model": 499}, {"stop": 499 - number % 300, "length": number % 300})
        table.put(number * 500, parts.PartEntry(200_000 + number, 500, 499, *counts))
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert taken < 2000 * 300
    assert table[500].finish_reasons == {"stop": 498, "length": 1}


def test_parts_whose_description_was_lost_are_adopted(tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    (place / parts.name(500, "jsonl")).write_bytes(outcome(501))
    output = Output(str(place), "jsonl")
    output.lock()
    with pytest.raises(UsageError) as refused:
        output.prepare(RUN, PLAN, overwrite=False)
    assert "--adopt" in str(refused.value.hint)
    output.prepare(RUN, PLAN, overwrite=False, adopt=True)
    assert (output.kept(None), (place / "_run.json").exists()) == (1, True)
    output.close()


@pytest.mark.parametrize(("part", "row"), [(250, 250), (2000, 2000), (500, 1000), (1500, 1700)])
def test_parts_of_another_input_are_refused(part: int, row: int, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    path = place / parts.name(part, "jsonl")
    path.write_bytes(outcome(row))
    output = Output(str(place), "jsonl")
    output.lock()
    with pytest.raises(UsageError, match="input"):
        output.prepare(RUN, PLAN, overwrite=False, adopt=True)
    assert (path.read_bytes(), (place / "_run.json").exists()) == (outcome(row), False)
    output.close()


def test_a_folder_of_an_object_store() -> None:
    folder = RemoteFolder("memory://bucket/out")
    assert (folder.files(), folder.read("a")) == ({}, None)
    folder.put("a", b"123")
    folder.put("below/b", b"1")
    assert (folder.files()["a"].size, [*folder.files("below")], folder.read("a")) == (3, ["b"], b"123")
    folder.remove("a")
    folder.remove("a")
    assert folder.files() == {}


def test_a_store_without_its_driver_names_the_extra() -> None:
    drivers = {"s3": "s3fs", "gcs": "gcsfs", "azure": "adlfs"}
    extra = next((extra for extra, driver in drivers.items() if find_spec(driver) is None), None)
    if extra is None:
        pytest.skip("all drivers are installed")
    with pytest.raises(UsageError) as raised:
        inputs.find(f"{extra.replace('azure', 'abfs')}://bucket/in.jsonl", None)
    assert f"[{extra}]" in str(raised.value.hint)


def test_all_formats_are_read_on_a_cluster_too(tmp_path: Path) -> None:
    zstd = pytest.importorskip("backports.zstd")
    (tmp_path / "a.json").write_text('["0", {"prompt": "1"}]')
    (tmp_path / "b.tsv").write_text("prompt\tmodel\n2\tGolf\n")
    (tmp_path / "c.csv").write_text("id;prompt\nx;3\n")
    (tmp_path / "d.jsonl.zst").write_bytes(zstd.compress(b'"4"\n'))
    found = read(plan_of(tmp_path))
    assert [(row.number, row.prompt) for row in found] == [(number, str(number)) for number in range(5)]
    assert (found[2].metadata, found[2].model) == ({"model": "Golf"}, None)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"prose\n", "txt"),
        ("a.json", b'{"prompt":"a"}\n', "jsonl"),
        ("a.csv", b"text\nx\n", "prompt"),
        ("a.parquet", b"none", "Parquet"),
    ],
)
def test_what_is_no_input_of_a_cluster_is_found_first(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        inputs.survey(inputs.find(str(tmp_path / name), None)[0], Recipe())
    assert said in f"{caught.value.message} {caught.value.hint}"


def test_a_compressed_file_of_a_cluster_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(gzip.compress(b'"a"\n'))
    with pytest.raises(UsageError, match="gzip"):
        inputs.count(inputs.find(str(tmp_path / "a.jsonl"), None)[0])


def test_tables_of_openai_lines_say_who_answered() -> None:
    lines = [
        b'{"id":"batch_req_000000000000","custom_id":"a","profile":"east","response":{"status_code":200,"body":{"choices":[{"text":"x"}]}},"error":null}',
        b'{"id":"batch_req_000000000001","custom_id":"b","response":{"status_code":200,"body":{"choices":[{"text":"x"}]}},"error":null}',
    ]
    content = parts.encode(lines, "parquet", "openai")
    assert parts.decode(content, "parquet", "openai") == lines
    assert parts.entry(content, lines, "openai").profiles == {"east": 1}
