"""Whatever a crash leaves of an output and whoever rewrote it: each line that names its row counts, nothing else goes."""

import json
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.batch import entry, formats, output_lines, recovery
from completions_cli.batch.formats import Outcome, OutputFormat
from completions_cli.batch.journal import Journal
from completions_cli.batch.ordering import arrange, sort_in_place
from completions_cli.batch.output_lines import EntryReader
from completions_cli.batch.recovery import Recovered
from completions_cli.batch.rows import Row
from completions_cli.errors import OutputError, RejectedError, RowError, ServerError, UsageError

native = partial(entry.read, output_format="native")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
tricky = st.sampled_from(
    ['"row":5,', '{"id":1,"row":7,', ',"error":null}', '\\"row\\":3', "\n", "\r\n", "\u2028", "\0"]
)
ids = st.none() | st.integers() | texts | tricky
metadata = st.none() | st.dictionaries(texts | tricky | st.just("row"), texts | tricky | st.integers(), max_size=3)


@st.composite
def outcomes(draw: st.DrawFn) -> list[Outcome]:
    """Draw outcomes of different rows."""
    numbers = draw(st.lists(st.integers(0, 2000), unique=True, max_size=12))
    made = []
    for number in numbers:
        row = Row(number, id=draw(ids), metadata=draw(metadata))
        if draw(st.booleans()):
            choices = [{"index": 0, "text": draw(texts | tricky), "finish_reason": "stop"}]
            made.append(Outcome(row, response={"model": "m"}, model="m", choices=choices, attempts=1))
        else:
            made.append(Outcome(row, error=RejectedError(draw(texts | tricky), status=400), attempts=2))
    return made


def recover(path: Path, reader: EntryReader, row_total: int | None = None) -> Recovered:
    """Recover an output and let go of it."""
    journal = Journal(path)
    try:
        return recovery.recover(journal, reader, row_total=row_total)
    finally:
        journal.close()


def sort(path: Path, reader: EntryReader) -> None:
    """Sort an output and let go of it."""
    journal = Journal(path)
    sort_in_place(journal, reader)
    journal.close()


def test_an_output_that_is_gone_is_not_sorted(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out.jsonl")
    (tmp_path / "out.jsonl").unlink()
    with pytest.raises(OutputError, match="was removed or moved"):
        sort_in_place(journal, lambda _: None)
    journal.close()


def _line(number: int, *, failed: bool = False, name: str = "") -> bytes:
    row = Row(number, id=name)
    answer = Outcome(row, response={}, choices=[{"index": 0, "text": "", "finish_reason": "stop"}])
    return formats.line(Outcome(row, error=RejectedError("no", status=400)) if failed else answer, "native")


@given(outcomes(), st.sampled_from(["native", "openai"]))
def test_every_line_is_read_back(made: list[Outcome], kind: OutputFormat) -> None:
    for outcome in made:
        line = formats.line(outcome, kind)
        assert line.count(b"\n") == 1
        found = entry.read(line[:-1], kind)
        assert found is not None
        assert (found.row, found.failure) == (outcome.row.number, outcome.error.kind if outcome.error else None)


# What other tools make of a line.
REWRITERS: dict[str, Callable[[dict[str, object]], str]] = {
    "json.dumps": json.dumps,
    "jq -cS": lambda record: json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    "an editor": lambda record: " \t" + json.dumps(record, separators=(" , ", " : ")) + "  ",
    "last key first": lambda record: json.dumps(dict(reversed(record.items()))),
    "a key more": lambda record: json.dumps({"note": {"row": 3, "error": None}, **record, "score": float("nan")}),
}


@given(
    outcomes(),
    st.sampled_from(["native", "openai"]),
    st.sampled_from(sorted(REWRITERS)),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_a_rewritten_output_loses_nothing(
    made: list[Outcome],
    kind: OutputFormat,
    rewriter: str,
    end: str,
    has_bom: bool,
    has_blanks: bool,
    order: random.Random,
) -> None:
    reader = partial(entry.read, output_format=kind)
    kept = [outcome for outcome in made if order.random() < 0.8]
    order.shuffle(kept)
    lines = [REWRITERS[rewriter](json.loads(formats.line(outcome, kind))) for outcome in kept]
    spaced = [part for line in lines for part in ([line, "", "  "] if has_blanks else [line])]
    content = ("\ufeff" if has_bom else "") + end.join(spaced) + (end if order.random() < 0.5 else "")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        path.write_bytes(content.encode())
        found = recover(path, reader, row_total=2001)
        answered = {outcome.row.number for outcome in kept if outcome.error is None}
        failed = {outcome.row.number for outcome in kept} - answered
        assert {row for row in range(2001) if row in found.answered} == answered
        assert {row for row in range(2001) if row in found.done} == answered | failed
        assert found.failed.total() == len(failed)
        assert found.notes(path) == []
        assert path.read_bytes().removesuffix(b"\n") == content.encode().removesuffix(b"\n")
        sort(path, reader)
        numbers = [line.entry.row for line in output_lines.read(path, reader) if line.entry]
        assert numbers == sorted(answered | failed)


@given(outcomes(), st.floats(0, 1), st.integers(0, 9999))
def test_any_prefix_is_recovered(made: list[Outcome], cut: float, zeros: int) -> None:
    content = b"".join(formats.line(outcome, "native") for outcome in made)
    kept = content[: round(len(content) * cut)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        path.write_bytes(kept + b"\0" * zeros)
        found = recover(path, native)
        whole = kept[: kept.rfind(b"\n") + 1]
        if kept[len(whole) :].endswith(b"}") and native(kept[len(whole) :]):
            whole = kept + b"\n"
        expected = {json.loads(line)["row"] for line in whole.split(b"\n")[:-1]}
        assert path.read_bytes() == whole
        assert {number for number in range(2001) if number in found.done} == expected
        assert found.ok + found.failed.total() == len(expected) == len(found.done)
        assert bool(found.torn) == (len(kept) + zeros > len(whole))


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"hello\n",
        b"{]\n",
        b'{"torn\n',
        b'{"a":1}',
        b"[1]\n",
        b"7\n",
        b"null\n",
        b'"row"\n',
        b'{"id":"a","metadata":{"row":3}}\n',
        b'{"row":-1}\n',
        b'{"row":1.5}\n',
        b'{"row":true}\n',
        b'{"row":"three"}\n',
        b'{"row":null}\n',
        b'{"row":99999999999999999999}\n',
        b'{"row":1e400}\n',
        b'{"row":100}\n',
        b'{"row":99999999999}\n',
        b"[{\n",
        b"\xff\n",
        '{"row":3}\n'.encode("utf-16"),
        '{"row":3}\n'.encode("utf-16-le"),
        b"\0hello\n",
    ],
)
@pytest.mark.parametrize("before", [b"", _line(0) + _line(1, failed=True) + _line(1)])
def test_what_is_not_understood_is_not_touched(content: bytes, before: bytes, tmp_path: Path) -> None:
    path = tmp_path / "out"
    number = before.count(b"\n") + 1
    for after in (b"", _line(2) if content.endswith(b"\n") else b""):
        path.write_bytes(before + content + after)
        with pytest.raises(UsageError, match=f"^line {number} of "):
            recover(path, native, row_total=100)
        assert path.read_bytes() == before + content + after


# Lines without choices that hold no answer that we know.
NO_ANSWERS = [b"", b',"text":null', b',"text":5', b',"text":NaN', b',"answer":"a"', b',"choices":null', b',"scores":5']
# Choices that hold no answer.
DAMAGED = [b"5", b"true", b'"txt"', b"[null]", b'{"a":1}', b'[{"text":5}]', b'[{"text":null}]', b'[{"text":"a"},null]']
DAMAGED += [b"\"[{'text': a}]\"", b'"{\\"text\\":\\"a\\"}"', b"\"[{[]: 1, 'text': 'a'}]\"", b'"[%s]"' % (b"[" * 9999)]


@pytest.mark.parametrize(
    ("line", "row", "failure"),
    [
        (b'{"row":3.0,"text":"a","error":{}}', 3, None),
        (b'{"row":3,"text":"a","choices":null}', 3, None),
        (b'{"row":3,"text":"a","scores":null,"error_kind":null}', 3, None),
        *((b'{"row":3%s}' % rest, 3, "unknown") for rest in NO_ANSWERS),
        (b'{"row":3,"text":null,"error_kind":"rejected","error_message":"no"}', 3, "rejected"),
        (b'{"row":3,"error":"what"}', 3, "unknown"),
        (b'{"error":{"kind":7},"row":0}', 0, "unknown"),
        (b'{"row":3,"choices":[{"text":"","logprobs":[NaN,-Infinity,1e999]}]}', 3, None),
        (b'{"row":3,"choices":"[{\\"index\\":0,\\"text\\":\\"a\\"}]"}', 3, None),
        (b"{\"row\":3,\"choices\":\"[{'index': 0, 'text': 'a'}]\"}", 3, None),
        (b'{"row":3,"choices":null,"scores":[{"logprob":-1.0}]}', 3, None),
        *((b'{"row":3,"choices":%s}' % damaged, 3, "unknown") for damaged in DAMAGED),
        (b'{"row":3,"id":"\\ud83d","text":"a","error":null}', 3, None),
        (b'{"row":9007199254740991,"text":""}', 2**53 - 1, None),
    ],
)
def test_what_names_its_row_counts(line: bytes, row: int, failure: str | None) -> None:
    found = native(line)
    assert found is not None
    assert (found.row, found.failure) == (row, failure)


def test_of_a_row_that_is_there_twice_the_answer_counts(tmp_path: Path) -> None:
    path = tmp_path / "out"
    lines = [
        _line(0, name="a"), _line(1, failed=True, name="a"), _line(0, name="b"), _line(1, failed=True, name="b"),
        _line(2, failed=True, name="a"), _line(2, name="b"), _line(2, failed=True, name="c"),
        _line(1, failed=True, name="c"),
    ]  # fmt: skip
    path.write_bytes(b"".join(lines))
    found = recover(path, native)
    assert path.read_bytes() == lines[0] + lines[5] + lines[7]
    assert (found.ok, dict(found.failed), found.repeated, len(found.done)) == (2, {"rejected": 1}, 5, 3)
    assert [note.split()[-1] for note in found.notes(path)] == ["5"]


def test_zeros_of_a_power_cut_cost_only_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(_line(0) + b"\0" * 4000 + _line(1) + _line(2)[:50] + b"\0" * 100 + b"\n" + _line(3) + b"\0" * 9)
    found = recover(path, native)
    assert path.read_bytes() == _line(0) + _line(1) + _line(3)
    assert (found.ok, found.damaged, found.padded, found.torn) == (3, 1, 1, 9)
    assert [note.split()[0] for note in found.notes(path)] == ["the", "lines", "zeros"]


@pytest.mark.parametrize("end", [b"\n", b"", b"\0" * 20])
@pytest.mark.parametrize("zeros", [(1, 0), (16, 0), (4096, 4096), (0, 1), (0, 16)], ids=repr)
def test_a_whole_line_among_zeros_stays(zeros: tuple[int, int], end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "out"
    before, after = zeros
    path.write_bytes(_line(0) + b"\0" * before + _line(1)[:-1] + b"\0" * after + end)
    found = recover(path, native)
    assert (path.read_bytes(), found.ok) == (_line(0) + _line(1), 2)
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"\0" * before + _line(1)[:-1] + b"\0" * after + end)
    two.write_bytes(_line(0))
    assert arrange([one, two], [native, native], Journal(tmp_path / "merged")).rows == 2
    assert (tmp_path / "merged").read_bytes() == _line(0) + _line(1)


@pytest.mark.parametrize(
    "lines",
    [
        (b'{"row":3,"sample":0,"text":"a"}', b'{"row":3,"sample":1,"text":"b"}'),
        (b'{"row":3,"continuation":"a","logprob":-1}', b'{"row":3,"continuation":"b","logprob":-2}'),
        (b'{"row":3,"text":"a"}', b'{"row":4,"text":"a"}', b'{"row":3,"text":null}'),
    ],
)
def test_no_line_of_a_table_gives_way_to_another_of_its_row(lines: tuple[bytes, ...], tmp_path: Path) -> None:
    path = tmp_path / "out"
    content = b"\n".join(lines) + b"\n"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=f"^line {len(lines)} of .* row 3"):
        recover(path, native)
    with pytest.raises(UsageError, match=f"^line {len(lines)} of .* row 3"):
        arrange([path], [native], Journal(tmp_path / "merged"))
    assert path.read_bytes() == content


def test_an_output_without_damage_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "out"
    whole = _line(0) + _line(1, failed=True) + _line(2)
    for content in (whole, whole + b'{"torn', whole + b"\0" * 99, whole[:-1], whole + b"\0\0\n\0\0\n"):
        path.write_bytes(content)
        before = path.stat().st_ino
        recover(path, native)
        assert (path.read_bytes(), path.stat().st_ino) == (whole, before)


def test_absurd_numbers_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"".join(b'{"row":%d}\n' % (99999999999 * number) for number in range(1, 50)) + _line(0))
    assert len(recover(path, native).done) == 50
    sort(path, native)
    assert path.read_bytes().startswith(_line(0))


def test_names_without_end_take_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "out"
    lines = [
        f'{{"row":{row},"model":"m{row}","text":"","error":{"null" if row % 2 else json.dumps({"kind": f"k{row}"})}}}\n'
        for row in range(2000)
    ]
    path.write_text("".join(lines), encoding="utf-8")
    found = recover(path, native)
    assert (found.ok, found.failed.total()) == (1000, 1000)
    assert (len(found.models), found.models["other"]) == (301, 700)
    assert len(found.failed) <= 65


def test_what_may_pass_is_told_from_what_lasts(tmp_path: Path) -> None:
    path = tmp_path / "out"
    errors = [RejectedError("no", status=400), ServerError("down", status=500, retryable=True), RowError("bad")]
    for kind in ("native", "openai"):
        made = [Outcome(Row(number), error=error) for number, error in enumerate(errors)]
        path.write_bytes(b"".join(formats.line(outcome, kind) for outcome in made))
        found = recover(path, partial(entry.read, output_format=kind))
        assert [number in found.retryable for number in range(3)] == [False, True, False]
        assert found.forget_failure(1) == "server"
        assert (len(found.retryable), found.forget_failure(1)) == (0, None)


def test_of_a_row_in_two_parts_success_counts(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(_line(2, failed=True, name="a") + _line(0, name="a") + b'{"torn')
    two.write_bytes(_line(2, name="b") + _line(0, failed=True, name="b") + _line(5, failed=True, name="b"))
    done = arrange([one, two], [native, native], Journal(tmp_path / "out"))
    found = [json.loads(text) for text in (tmp_path / "out").read_bytes().splitlines()]
    assert [(record["row"], record["id"], bool(record["error"])) for record in found] == [
        (0, "a", False), (2, "b", False), (5, "b", True),
    ]  # fmt: skip
    assert (done.rows, done.failed, done.torn, done.repeated) == (3, 1, 1, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "out", "two"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=f"{tmp_path.name} cannot be read: Is a directory"):
        recovery.scan(tmp_path, native)
