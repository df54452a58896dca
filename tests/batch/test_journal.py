"""Whatever a crash leaves of an output, what is whole is kept and the rest is asked again."""

import json
import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.batch import formats, journal
from completions_cli.batch.formats import Outcome, OutputFormat
from completions_cli.batch.journal import Entry, Journal, RowSet
from completions_cli.batch.ordering import arrange, sort_in_place
from completions_cli.batch.rows import Row
from completions_cli.errors import OutputError, RejectedError, RowError

native = partial(formats.entry, output_format="native")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
tricky = st.sampled_from(['"row":5,', '{"id":1,"row":7,', ',"error":null}', '\\"row\\":3', "\n", "\u2028"])
ids = st.none() | st.integers() | texts | tricky
metadata = st.none() | st.dictionaries(texts | tricky, texts | tricky, max_size=3)


@st.composite
def outcomes(draw: st.DrawFn) -> list[Outcome]:
    """Draw outcomes of different rows."""
    numbers = draw(st.lists(st.integers(0, 2000), unique=True, max_size=12))
    made = []
    for number in numbers:
        row = Row(number, id=draw(ids), metadata=draw(metadata))
        if draw(st.booleans()):
            choices = [{"index": 0, "text": draw(texts | tricky), "finish_reason": "stop"}]
            made.append(Outcome(row, response={"model": "m"}, choices=choices, attempts=1))
        else:
            made.append(Outcome(row, error=RejectedError(draw(texts | tricky), status=400), attempts=2))
    return made


@given(outcomes(), st.sampled_from(["native", "openai"]))
def test_every_line_is_read_back(made: list[Outcome], kind: OutputFormat) -> None:
    for outcome in made:
        line = formats.line(outcome, kind)
        assert line.count(b"\n") == 1
        json.loads(line)
        failure = outcome.error.kind if outcome.error else None
        assert formats.entry(line[:-1], kind) == Entry(outcome.row.number, failure)


@given(outcomes(), st.floats(0, 1), st.binary(max_size=40) | st.just(b"\0" * 50) | st.just(b'{"id":1,"row":99999,'))
def test_any_prefix_with_any_garbage_is_recovered(made: list[Outcome], cut: float, garbage: bytes) -> None:
    content = b"".join(formats.line(outcome, "native") for outcome in made)
    kept = content[: round(len(content) * cut)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        path.write_bytes(kept + garbage)
        found = journal.recover(path, native)
        whole = kept[: kept.rfind(b"\n") + 1]
        expected = {json.loads(line)["row"] for line in whole.split(b"\n")[:-1]}
        assert path.read_bytes() == whole
        assert {number for number in range(2001) if number in found.done} == expected
        assert found.ok + found.failed.total() == len(expected) == len(found.done)


@given(outcomes())
def test_failures_are_dropped_on_demand(made: list[Outcome]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        path.write_bytes(b"".join(formats.line(outcome, "native") for outcome in made))
        found = journal.recover(path, native, keep_failed=False)
        assert path.read_bytes() == b"".join(formats.line(outcome, "native") for outcome in made if not outcome.error)
        assert not found.failed


@given(outcomes())
def test_sorting_loses_nothing(made: list[Outcome]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        path.write_bytes(b"".join(formats.line(outcome, "native") for outcome in made))
        sort_in_place(path, native)
        in_order = sorted(made, key=lambda outcome: outcome.row.number)
        assert path.read_bytes() == b"".join(formats.line(outcome, "native") for outcome in in_order)


def test_of_a_row_in_two_parts_success_counts(tmp_path: Path) -> None:
    def line(number: int, *, failed: bool, name: str) -> bytes:
        error = RowError("no prompt") if failed else None
        return formats.line(Outcome(Row(number, id=name), response=None if failed else {}, error=error), "native")

    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(line(2, failed=True, name="a") + line(0, failed=False, name="a") + b'{"torn')
    two.write_bytes(line(2, failed=False, name="b") + line(0, failed=True, name="b") + line(5, failed=True, name="b"))
    done = arrange([one, two], [native, native], tmp_path / "out")
    found = [json.loads(text) for text in (tmp_path / "out").read_bytes().splitlines()]
    assert [(record["row"], record["id"], bool(record["error"])) for record in found] == [
        (0, "a", False), (2, "b", False), (5, "b", True),
    ]  # fmt: skip
    assert (done.rows, done.failed, done.torn, done.repeated) == (3, 1, 1, 2)


@given(st.lists(st.integers(0, 5000)))
def test_a_set_of_rows_is_a_set(numbers: list[int]) -> None:
    rows, known = RowSet(), set[int]()
    for number in numbers:
        assert rows.add(number) is (number not in known)
        known.add(number)
    assert len(rows) == len(known)
    assert [number in rows for number in range(5010)] == [number in known for number in range(5010)]


def test_a_line_is_whole_or_not_there(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "out"
    book = Journal(path)
    for _ in range(2):
        book.append(b"x" * 49 + b"\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, before[1]))
    try:
        with pytest.raises(OutputError):
            book.append(b"y" * 99 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == (b"x" * 49 + b"\n") * 2
    book.append(b"z\n")
    book.sync()
    book.close()
    assert path.read_bytes() == (b"x" * 49 + b"\n") * 2 + b"z\n"


def _line(number: int, *, failed: bool = False) -> bytes:
    error = RejectedError("no", status=400) if failed else None
    return formats.line(Outcome(Row(number), response=None if failed else {}, error=error), "native")


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "out"
    twice = _line(0) + _line(1, failed=True) + _line(0) + _line(1, failed=True)
    path.write_bytes(twice + b"{]\n" * 3 + _line(2) + b'{"id":null,"row":')
    found = journal.recover(path, native)
    assert path.read_bytes() == _line(0) + _line(1, failed=True) + _line(2)
    assert (found.ok, dict(found.failed), found.dropped) == (2, {"rejected": 1}, 5)


def test_a_journal_without_damage_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "out"
    whole = _line(0) + _line(1, failed=True) + _line(2)
    for content in (whole, whole + b'{"torn', whole + b"\0" * 99):
        path.write_bytes(content)
        before = path.stat().st_ino
        journal.recover(path, native)
        assert (path.read_bytes(), path.stat().st_ino) == (whole, before)


def test_a_line_needs_its_end_and_no_zeros(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"1\n2\0\n3\n4")
    journal.recover(path, lambda line: Entry(line[0], None))
    assert path.read_bytes() == b"1\n3\n"


def test_it_is_known_what_is_not_yet_on_the_disk(tmp_path: Path) -> None:
    book = Journal(tmp_path / "out")
    seen = [book.is_dirty]
    book.append(b"x\n")
    seen.append(book.is_dirty)
    book.sync()
    seen.append(book.is_dirty)
    book.close()
    assert seen == [False, True, False]
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device /dev/full is Linux's")
def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no/out cannot be written: No such file"):
        Journal(tmp_path / "no" / "out")
    with pytest.raises(OutputError, match=f"{tmp_path.name} cannot be written: Is a directory"):
        journal.recover(tmp_path, native)
    full, null = Journal(Path("/dev/full")), Journal(Path("/dev/null"))
    with pytest.raises(OutputError, match="/dev/full cannot be written: No space left"):
        full.append(b"x\n")
    with pytest.raises(OutputError, match="/dev/null cannot be written: Invalid argument"):
        null.sync()
    full.close()
    null.close()
