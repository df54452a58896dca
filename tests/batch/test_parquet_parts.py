"""Parts as Parquet: whatever a line holds can be written, and what other tools made of a table is read or refused."""

import datetime as dt
import io
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.batch import outputs
from completions_cli.batch.cluster import parts, staging
from completions_cli.batch.cluster.output import Output
from completions_cli.batch.cluster.part_log import PartLog
from completions_cli.batch.cluster.writers import writer
from completions_cli.batch.formats import Outcome, line
from completions_cli.batch.rows import Row
from completions_cli.errors import NetworkError, UsageError
from completions_cli.models import Json
from tests.batch.test_cluster_parts import PLAN, RUN

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")

PART = parts.name(0, "parquet")
Table = Any  # of pyarrow, which has no types
HALF = "\ud800"
TEXTS = ("id", "model", "system_fingerprint", "finish_reason", "request_id", "profile", "method")

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def answer(row: int, text: str = "", *, is_failure: bool = False) -> bytes:
    choices: list[Json] = [] if is_failure else [{"index": 0, "text": text or f"t{row}", "finish_reason": "stop"}]
    error = NetworkError("lost") if is_failure else None
    return line(Outcome(Row(row, id=f"r{row}", metadata={"a": 1}), choices=choices, error=error), "native")[:-1]


LINES = [answer(0), answer(1), answer(2, is_failure=True)]


def folder(place: Path, content: bytes) -> Path:
    """Make an output of one part, as another tool left it."""
    output = Output(str(place), "parquet")
    output.lock()
    output.prepare(RUN, PLAN, overwrite=False)
    output.close()
    (place / PART).write_bytes(content)
    return place / PART


def saved(table: Table) -> bytes:
    target = io.BytesIO()
    parquet.write_table(table, target, compression="none")
    return target.getvalue()


def table() -> Table:
    return parquet.read_table(io.BytesIO(parts.encode(LINES, "parquet", "native")))


def replaced(name: str, change: Callable[[Json], object], kind: object = None) -> Table:
    values = [None if cell is None else change(cell) for cell in table().column(name).to_pylist()]
    return table().set_column(table().schema.get_field_index(name), name, pa.array(values, kind))


def resumed(place: Path) -> Output:
    output = Output(str(place), "parquet")
    output.lock()
    try:
        output.prepare(RUN, PLAN, overwrite=False)
    finally:
        output.close()
    return output


def loaded(lines: Sequence[bytes]) -> list[Json]:
    return [json.loads(line) for line in lines]


@given(cells=st.fixed_dictionaries({}, optional=dict.fromkeys((*TEXTS, "attempts", "latency_ms", "error"), anything)))
def test_whatever_a_server_says_becomes_a_table(cells: dict[str, Json]) -> None:
    text = json.dumps({"row": 0, "choices": [{"text": HALF, "index": 2**70}], **cells}).encode()
    [found] = loaded(parts.decode(parts.encode([text], "parquet", "native"), "parquet", "native"))
    assert isinstance(found, dict)
    assert (found["row"], found["choices"]) == (0, [{"text": HALF, "index": 2**70}])
    assert found["error"] == cells.get("error")


@pytest.mark.parametrize("name", ["id", "custom_id", "profile"])
def test_halves_of_surrogate_pairs_are_question_marks_in_texts_alone(name: str) -> None:
    record = {"id": "batch_req_000000000000", "response": {"body": {"choices": [{"text": HALF}]}}, name: f"a{HALF}"}
    content = parts.encode([json.dumps(record).encode()], "parquet", "openai")
    [found] = loaded(parts.decode(content, "parquet", "openai"))
    assert isinstance(found, dict)
    assert (found["response"], found[name]) == (record["response"], "a?")


def test_answers_that_an_earlier_version_could_not_write_are_added(tmp_path: Path) -> None:
    folder(tmp_path, b"").unlink()
    left = tmp_path / "_work" / "gone-1" / "gone-2" / "driver"
    left.mkdir(parents=True)
    text = json.dumps({"row": 7, "id": HALF, "model": HALF, "choices": [{"text": HALF}]}).encode()
    (left / f"{PART}.kept-000000000000").write_bytes(text + b"\n")
    assert resumed(tmp_path).entries[0].ok == 1
    assert not (tmp_path / "_work").exists()


REWRITTEN = {
    "nested": lambda: replaced("choices", lambda cell: json.loads(str(cell))),
    "bytes": lambda: replaced("choices", lambda cell: str(cell).encode()),
    "spaced": lambda: replaced("error", lambda cell: json.dumps(json.loads(str(cell)), indent=1)),
    "decimals": lambda: replaced("row", lambda cell: Decimal(str(cell)), pa.decimal128(20, 0)),
    "floats": lambda: replaced("row", lambda cell: float(str(cell))),
    "texts": lambda: replaced("row", str),
    "dictionary": lambda: replaced("model", str, pa.dictionary(pa.int32(), pa.string())),
    "without text": lambda: table().drop(["text"]),
    "without choices": lambda: table().drop(["choices"]),
    "groups": lambda: pa.concat_tables([table().slice(2), table().slice(0, 2)]),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_rewritten_table_holds_the_same_answers(name: str, tmp_path: Path) -> None:
    content = saved(REWRITTEN[name]())
    path = folder(tmp_path, content)
    assert (resumed(tmp_path).entries[0].rows, path.read_bytes()) == (3, content)
    log = PartLog(writer(str(tmp_path), "now", "one"), 0, "parquet", "native")
    assert all(row in log for row in (0, 1, 2))
    again = parts.encode(parts.decode(content, "parquet", "native"), "parquet", "native")
    for lines in (parts.decode(content, "parquet", "native"), parts.decode(again, "parquet", "native")):
        entries = sorted(parts.read_all(lines, "native", ""))
        assert [(entry.row, entry.failure) for entry in entries] == [(0, None), (1, None), (2, "network")]
        texts = parquet.read_table(io.BytesIO(parts.encode(lines, "parquet", "native"))).column("text").to_pylist()
        assert sorted(texts, key=str) == [None, "t0", "t1"]


OWN: dict[str, list[Any]] = {
    "rating": ["good", None, "5"],
    "quoted": ['"good"', "null", "{bad"],
    "empty": [None, None, None],
    "count": [1, None, 2**40],
    "score": [0.5, 1.0, None],
    "tags": [["a"], [], None],
    "nested": [{"a": 1}, {"a": None}, None],
}


@pytest.mark.parametrize("name", OWN)
def test_a_column_of_the_users_own_outlives_rewriting(name: str) -> None:
    changed = saved(table().append_column(name, pa.array(OWN[name])))
    lines = parts.decode(changed, "parquet", "native")
    again = parquet.read_table(io.BytesIO(parts.encode([*lines, answer(3)], "parquet", "native")))
    assert again.column(name).to_pylist() == [*OWN[name], None]
    assert again.schema.field(name).type == pa.array(OWN[name]).type


def test_values_that_json_has_not_are_texts() -> None:
    cells = {"day": dt.date(2026, 11, 28), "at": dt.datetime(2026, 11, 28, 1, 2), "raw": b"x", "of": Decimal("1.10")}  # noqa: DTZ001 - as tables have them
    changed = table()
    for name, cell in cells.items():
        changed = changed.append_column(name, pa.array([cell] * 3))
    first = loaded(parts.decode(saved(changed), "parquet", "native"))[0]
    assert isinstance(first, dict)
    assert [first[name] for name in cells] == ["2026-11-28", "2026-11-28T01:02:00", "x", 1.1]


def test_a_text_that_was_edited_is_kept_beside_the_choices() -> None:
    lines = parts.decode(saved(replaced("text", lambda _: "edited")), "parquet", "native")
    again = parquet.read_table(io.BytesIO(parts.encode(lines, "parquet", "native")))
    assert again.column("text").to_pylist() == ["edited", "edited", None]
    assert again.column("choices") == table().column("choices")


def middle_zeroed(content: bytes) -> bytes:
    return content[:40] + bytes(400) + content[440:]


def footer_lengthened(content: bytes) -> bytes:
    return content[:-8] + (int.from_bytes(content[-8:-4], "little") + 50).to_bytes(4, "little") + content[-4:]


DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "cut": (lambda: saved(table())[:-100], "is a damaged Parquet file"),
    "footer": (lambda: footer_lengthened(saved(table())), "is a damaged Parquet file"),
    "zeros": (lambda: middle_zeroed(saved(table())), "is a damaged Parquet file"),
    "no table": (lambda: b"PAR1", "is a damaged Parquet file"),
    "two rows": (lambda: saved(pa.table([*table().columns, table()["row"]], [*table().column_names, "row"])), "two"),
    "renamed": (lambda: saved(table().rename_columns([f"_{name}" for name in table().column_names])), " 1 of "),
    "no row": (lambda: saved(replaced("row", lambda cell: None if cell == 1 else cell)), " 2 of "),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_table_that_cannot_be_read_is_named_and_left_alone(name: str, tmp_path: Path) -> None:
    made, said = DAMAGED[name]
    content = made()
    path = folder(tmp_path / "out", content)
    with pytest.raises(UsageError, match=said) as resuming:
        resumed(tmp_path / "out")
    with pytest.raises(UsageError, match=said) as merging, staging.local([str(tmp_path / "out")], tmp_path) as places:
        outputs.find(places).read()
    for raised in (resuming, merging):
        assert str(path) in str(raised.value)
        assert ".merge-" not in str(raised.value)
    assert path.read_bytes() == content
    assert sorted(entry.name for entry in tmp_path.rglob("*")) == ["_lock", "_run.json", "out", PART]


def test_no_part_is_changed_where_another_cannot_be_read(tmp_path: Path) -> None:
    repeated = parts.encode([*LINES, *LINES], "parquet", "native")
    path = folder(tmp_path, repeated)
    (tmp_path / parts.name(500, "parquet")).write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="damaged"):
        resumed(tmp_path)
    assert path.read_bytes() == repeated
