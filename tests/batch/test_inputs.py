"""Inputs of every format, compressed or not, under right and wrong names; what is none of them is refused."""

import bz2
import csv
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from completions_cli.batch.inputs import json_array
from completions_cli.batch.inputs.kinds import FORMATS, Format
from completions_cli.batch.recipe import Recipe
from completions_cli.batch.rows import Row
from completions_cli.batch.source import Source, open_source
from completions_cli.batch.template import Template
from completions_cli.errors import UsageError
from tests.batch.conftest import batch
from tests.command import Cli

zstd = pytest.importorskip("backports.zstd")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PROMPTS = ["plain", "two words", "ünï — 漢字 😀", 'a "quote", a ; and a comma', "tab\there"]
MORE = ["two\nlines", "", " spaces "]  # which a line of text cannot be


def parquet_of(prompts: list[str], row_group_size: int = 2) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    target = io.BytesIO()
    parquet.write_table(pa.table({"prompt": prompts}), target, row_group_size=row_group_size)
    return target.getvalue()


def table_of(prompts: list[str], delimiter: str) -> bytes:
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=delimiter)
    writer.writerows([["id", "prompt"], *([str(number), prompt] for number, prompt in enumerate(prompts))])
    return target.getvalue().encode()


WRITERS: dict[str, tuple[Format, Callable[[list[str]], bytes]]] = {
    "a.jsonl": ("jsonl", lambda prompts: "".join(json.dumps({"prompt": text}) + "\n" for text in prompts).encode()),
    "a.json": ("json", lambda prompts: json.dumps([{"prompt": text} for text in prompts]).encode()),
    "b.json": ("json", lambda prompts: json.dumps(prompts, indent=2, ensure_ascii=False).encode()),
    "c.json": ("jsonl", lambda prompts: "".join(json.dumps({"prompt": text}) + "\n" for text in prompts).encode()),
    "b.jsonl": ("json", lambda prompts: json.dumps([{"prompt": text} for text in prompts], indent=4).encode()),
    "a.txt": ("txt", lambda prompts: "".join(text + "\n" for text in prompts).encode()),
    "a.csv": ("csv", lambda prompts: table_of(prompts, ",")),
    "b.csv": ("csv", lambda prompts: table_of(prompts, ";")),
    "c.csv": ("csv", lambda prompts: table_of(prompts, "\t")),
    "d.csv": ("csv", lambda prompts: b"sep=;\r\n" + table_of(prompts, ";")),
    "a.tsv": ("tsv", lambda prompts: table_of(prompts, "\t")),
    "a.parquet": ("parquet", parquet_of),
}
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".zst": zstd.compress,
}


def opened(path: Path, kind: Format | None = None, recipe: Recipe | None = None) -> Source:
    return open_source(str(path), kind=kind, recipe=recipe or Recipe(), stdin=io.BytesIO, spool_folder=path.parent)


def rows_of(path: Path, kind: Format | None = None, recipe: Recipe | None = None) -> list[Row]:
    source = opened(path, kind, recipe)
    try:
        source.survey()
        found = list(source.rows())
        assert source.lines == len(found)
        return found
    finally:
        source.close()


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_compressed_or_not(name: str, suffix: str, tmp_path: Path) -> None:
    kind, write = WRITERS[name]
    prompts = PROMPTS if kind == "txt" else PROMPTS + MORE
    path = tmp_path / (name + suffix)
    path.write_bytes(PACKERS[suffix](write(prompts)))
    assert [row.prompt for row in rows_of(path)] == prompts
    source = opened(path)
    assert source.kind == kind
    source.close()


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("name", WRITERS)
def test_content_counts_and_not_the_name(name: str, suffix: str, tmp_path: Path) -> None:
    """Compression and Parquet are known under any name, JSON under one that tells nothing."""
    kind, write = WRITERS[name]
    path = tmp_path / ("data.jsonl" if kind == "parquet" else "data" if kind in ("json", "jsonl") else f"data.{kind}")
    path.write_bytes(PACKERS[suffix](write(PROMPTS)))
    assert [row.prompt for row in rows_of(path)] == PROMPTS


def members(content: bytes) -> bytes:
    return b"".join(gzip.compress(content[at : at + 7]) for at in range(0, len(content), 7))


def frames(content: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18\x02\0\0\0ab" + b"".join(
        zstd.compress(content[at : at + 7]) for at in range(0, len(content), 7)
    )


@pytest.mark.parametrize("pack", [members, frames])
def test_members_and_frames_are_read_one_after_the_other(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(pack(WRITERS["a.jsonl"][1](PROMPTS)))
    assert [row.prompt for row in rows_of(tmp_path / "in.jsonl")] == PROMPTS


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.txt", "a.csv"])
def test_compressed_input_that_was_cut_anywhere_is_found_first(name: str, suffix: str, tmp_path: Path) -> None:
    content = PACKERS[suffix](WRITERS[name][1]([f"prompt {number} {number**7}" for number in range(50)]))
    path = tmp_path / (name + suffix)
    for cut in [0, *range(2, 40), *range(40, len(content), 17), len(content) - 1]:
        path.write_bytes(content[:cut])
        with pytest.raises(UsageError):  # noqa: PT012 - either may find it
            source = opened(path)
            source.survey()
            source.identity()


def test_damage_is_named(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(b'"a"\n' * 1000))
    content[-6] ^= 1
    (tmp_path / "crc.jsonl.gz").write_bytes(content)
    (tmp_path / "cut.parquet").write_bytes(parquet_of(PROMPTS)[:-9])
    middle = bytearray(parquet_of([f"text {number}" * 9 for number in range(5000)], 5000))
    middle[200:3000] = bytes(2800)
    (tmp_path / "middle.parquet").write_bytes(middle)
    (tmp_path / "cut.json").write_bytes(json.dumps(PROMPTS).encode()[:-3])
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(UsageError) as caught:
            rows_of(path)
        assert caught.value.hint
        assert any(word in caught.value.message for word in ("damaged", "cut off"))


def test_a_parquet_file_with_one_wrong_byte_is_read_or_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    content = parquet_of(PROMPTS)
    path, refused = tmp_path / "a.parquet", 0
    for at in range(len(content)):
        damaged = bytearray(content)
        damaged[at] ^= 0x80
        path.write_bytes(damaged)
        try:
            rows_of(path)
        except UsageError as error:
            refused += str(path) in error.message
    assert refused > len(content) // 2


@given(st.lists(texts | st.integers() | st.dictionaries(texts, texts) | st.lists(st.integers())), st.integers(0, 3))
def test_elements_of_an_array_come_through_unchanged(values: list[object], indent: int) -> None:
    for ascii_only in (True, False):
        content = json.dumps(values, indent=indent or None, ensure_ascii=ascii_only).encode()
        found = list(json_array.elements(io.BytesIO(content)))
        assert [json.loads(element.content) for element in found] == values
        lines = content.split(b"\n")
        assert all(element.content[:1] in lines[element.line - 1] for element in found)


@given(st.lists(texts, min_size=1), st.data())
def test_an_array_that_was_cut_is_refused(values: list[str], data: st.DataObject) -> None:
    content = json.dumps(values).encode()
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(UsageError, match=r"broken at line 1: (it is cut off|it does not begin)"):
        list(json_array.elements(io.BytesIO(content[:cut])))


@pytest.mark.parametrize(
    ("content", "line"),
    [(b'["a"\n"b"]', 2), (b'[\n"a",\n]', 3), (b'["a"] x', 1), (b'["a",,"b"]', 1), (b"[\n\n{'a': 1}]", 3)],
)
def test_a_broken_array_is_refused_with_its_line(content: bytes, line: int) -> None:
    with pytest.raises(UsageError, match=f"broken at line {line}"):
        list(json_array.elements(io.BytesIO(content)))


# What is refused, and with which option


def tar_of(content: bytes) -> bytes:
    """Return an archive of one file."""
    member = tarfile.TarInfo("rows.jsonl")
    member.size = len(content)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


PROSE = b"Once upon a time\nthere was a file\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows", PROSE, "--input-format txt"),
        ("rows.jsonl", PROSE, "--input-format txt"),
        ("rows.json", PROSE, "--input-format txt"),
        ("rows.log", b"id,prompt\n1,x\n", "--input-format csv"),
        ("rows.jsonl", b"id;prompt\n1;x\n", "--input-format csv"),
        ("rows.jsonl", b"id\tprompt\n1\tx\n", "--input-format tsv"),
        ("rows.jsonl", b'{\n  "prompt": "a"\n}\n{\n  "prompt": "b"\n}\n', "jq -c"),
        ("rows.txt", "one\ntwo\n".encode("utf-16"), "iconv -f UTF-16"),
        ("rows.txt", "one\ntwo three\n".encode("utf-16-le"), "iconv -f UTF-16"),
        ("rows.txt", "one\ntwo\n".encode("utf-32"), "iconv -f UTF-32"),
        ("rows.csv", b"\0\0\xfe\xff" + "prompt\nx\n".encode("utf-32-be"), "iconv -f UTF-32"),
        ("rows.txt", "one\ntwo three\n".encode("utf-32-le"), "iconv -f UTF-32"),
        ("rows.csv", b"PK\x03\x04\x14\0\x06\0", "CSV"),
        ("rows.jsonl.xz", lzma.compress(b'"a"\n'), "xzcat"),
        ("rows.jsonl", bz2.compress(b'"a"\n'), "bzcat"),
        ("rows.parquet", PROSE, "Parquet"),
        ("rows.jsonl", tar_of(b'{"prompt": "a"}\n'), "tar -xf"),
        ("rows.tar.gz", gzip.compress(tar_of(b'"a"\n')), "tar -xf"),
        ("rows.txt", tar_of(PROSE), "tar -xf"),
        ("rows.txt", b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", "a PDF"),
        ("rows.txt", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n", "git lfs pull"),
        ("rows.txt", b"one\0two\0", "tr '\\0' '\\n'"),
        ("rows.txt", b'{"prompt": "a"}\n\n{"id": 1, "prompt": "b"}\n', "--input-format jsonl"),
        ("rows.txt", b'{"custom_id": "a", "body": {}}\n', "--input-format jsonl"),
        ("rows.txt", b"id,prompt\n1,x\n", "--input-format csv"),
        ("rows.txt", b"prompt\tid\nx\t1\n", "--input-format tsv"),
        ("rows.txt", b"one\rtwo\r", "tr '\\r' '\\n'"),
        ("rows.csv", b"prompt,id\rx,1\r", "tr '\\r' '\\n'"),
        ("empty", b"", "--input-format"),
    ],
)
def test_what_is_no_input_is_refused_with_what_helps(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError) as caught:
        opened(tmp_path / name)
    assert said in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("content", [b"one\0two", b'{"prompt": "a"}', b"id,prompt\n1,x", b"one\rtwo", b"prompt", b"{}"])
def test_text_is_taken_as_it_is_where_its_format_is_stated(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_bytes(content)
    assert [row.prompt for row in rows_of(tmp_path / "rows.txt", "txt")] == content.decode().split("\n")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "a", "id": 1}\n{"text": "b"}\n', "text, id. --template"),
        ('{"messages": []}\n', "messages are for chat"),
        ('{"custom_id": "a", "url": "/v1/chat/completions", "body": {"messages": []}}\n', "messages are for chat"),
        ('{"custom_id": "a", "url": "/v1/embeddings", "body": {"input": "a"}}\n', "They have: input"),
    ],
)
def test_rows_without_any_prompt_are_refused_before_they_are_recorded(
    content: str, said: str, cli: Cli, tmp_path: Path
) -> None:
    """The option that helps would be refused afterwards, as that of another run."""
    (tmp_path / "in.jsonl").write_text(content)
    result = batch(cli.service("http://127.0.0.1:1"), tmp_path / "in.jsonl", "-o", tmp_path / "out")
    assert (result.code, said in result.stderr, (tmp_path / "out").exists()) == (2, True, False), result.stderr


def test_rows_that_are_broken_are_no_prose(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"prompt": "a"\n')
    (tmp_path / "b.jsonl").write_bytes(b'[1]\nnot json\n"good"\n')
    assert [row.error is None for row in rows_of(tmp_path / "a.jsonl")] == [False]
    assert [row.error is None for row in rows_of(tmp_path / "b.jsonl")] == [False, False, True]


@given(st.binary(max_size=200), st.sampled_from([*FORMATS, None]))
@example(b"\xef\xbb\xbf", "jsonl")
@example(b"\xef\xbb\xbf \n{}\n\xef\xbb\xbf\n", "jsonl")
@example(b"\xef\xbb\xbf", "txt")
def test_no_bytes_break_the_opening(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: Format | None
) -> None:
    path = tmp_path_factory.mktemp("in") / "in.jsonl"
    path.write_bytes(content)
    try:
        found = rows_of(path, kind)
    except UsageError as error:
        assert error.message  # noqa: PT017 - nothing else may be raised
    else:
        assert all((row.error is None) != (row.prompt is None) for row in found)


@pytest.mark.parametrize("missing", ["backports", "both"])
def test_a_library_that_is_missing_is_named(missing: str, cli: Cli, tmp_path: Path) -> None:
    """Without its own library pyarrow reads Zstandard; without either the error names what to install."""
    without = "raise ImportError\n"
    for name in ("backports",) if missing == "backports" else ("backports", "pyarrow"):
        (tmp_path / "without" / name).mkdir(parents=True)
        (tmp_path / "without" / name / "__init__.py").write_text(without)
    (tmp_path / "in.jsonl.zst").write_bytes(zstd.compress(b'"a"\n"b"\n'))
    (tmp_path / "in.parquet").write_bytes(parquet_of(PROMPTS))
    cli.service("http://127.0.0.1:1").env["PYTHONPATH"] = str(tmp_path / "without")
    packed, table = (batch(cli, tmp_path / name, "--plan") for name in ("in.jsonl.zst", "in.parquet"))
    if missing == "backports":
        assert ("rows: 2 to send" in packed.text, "rows: 5 to send" in table.text) == (True, True)
    else:
        assert (packed.code, "[zstd]" in packed.stderr) == (2, True)
        assert (table.code, "[parquet]" in table.stderr) == (2, True)


def test_columns_of_the_same_name_are_refused_where_they_are_used(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,prompt,x\n1,2,3\n")
    with pytest.raises(UsageError, match="several columns prompt"):
        rows_of(tmp_path / "a.csv")


def test_of_columns_of_the_same_name_one_comes_back_and_a_warning_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("prompt,a,b,a,,\n1,2,3,4,,\n")
    source = opened(tmp_path / "a.csv")
    notes = source.survey().notes
    source.close()
    assert notes == ["warning: the table has several columns a; only the last of each comes back"]


def test_empty_lines_of_text_are_sent_and_a_warning_says_so(tmp_path: Path) -> None:
    notes = {
        b"a\n \n": [],
        b"a\n\nb\n": ["warning: line 2 is empty, and sent as an empty prompt"],
        b"a\r\n\r\n\r\n": ["warning: 2 of the first lines are empty, and sent as an empty prompt"],
    }
    for content, expected in notes.items():
        (tmp_path / "a.txt").write_bytes(content)
        source = opened(tmp_path / "a.txt")
        assert source.survey().notes == expected
        source.close()


# Bad rows and their places


def test_bad_rows_keep_their_id_and_name_their_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(
        b'"good"\n\n{"id":"torn","prompt":"x\n{"prompt":"a","id":7,"x":}\n{"id":"none"}\n{"a":{"id":1},"prompt":}\n'
        b'{"custom_id":"c","body":[}\n{"id":"u","prompt":"\xff"}\n'
    )
    found = [(row.id, row.error.message.rpartition("(")[2]) for row in rows_of(tmp_path / "a.jsonl") if row.error]
    assert found == [
        ("torn", "line 3)"), (7, "line 4)"), ("none", "line 5)"), (None, "line 6)"), ("c", "line 7)"), ("u", "line 8)"),
    ]  # fmt: skip
    (tmp_path / "a.csv").write_bytes(b'id,prompt\na,"two\nlines"\nb,x,more\n\nc\nd,"\xff"\ne,"open\n')
    rows = rows_of(tmp_path / "a.csv")
    assert [(row.id, row.error.message.rpartition("(")[2]) for row in rows if row.error] == [
        ("b", "line 4, row 1)"), ("c", "line 6, row 2)"), ("d", "line 7, row 3)"), ("e", "line 8, row 4)"),
    ]  # fmt: skip


# Templates


@pytest.mark.parametrize(
    ("template", "prompt"),
    [
        ("{a.b}", "deep"), ("{a.list.1}", "2"), ("{a.b}/{top}", "deep/T"), ("{{{top}}}", "{T}"), ("{a.c.d}", "dotted"),
    ],
)  # fmt: skip
def test_templates_reach_nested_fields(template: str, prompt: str, tmp_path: Path) -> None:
    record = {"a": {"b": "deep", "list": [1, 2]}, "top": "T", "a.c.d": "dotted"}
    (tmp_path / "a.jsonl").write_text(json.dumps(record))
    assert rows_of(tmp_path / "a.jsonl", recipe=Recipe(Template(template)))[0].prompt == prompt


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.txt"])
def test_a_template_of_fields_that_are_not_there_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(WRITERS[name][1](PROMPTS))
    with pytest.raises(UsageError) as caught:
        rows_of(tmp_path / name, recipe=Recipe(Template("Translate: {text}")))
    assert "text" in caught.value.message
    assert caught.value.hint


def test_a_field_that_a_later_row_lacks_is_that_rows_error(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"t":"a"}\n{"u":"b"}\n{"t":"c"}\n')
    rows = rows_of(tmp_path / "a.jsonl", recipe=Recipe(Template("{t}!")))
    assert [row.prompt for row in rows] == ["a!", None, "c!"]


# Tables of typed cells


def test_cells_of_parquet_become_json(tmp_path: Path) -> None:
    import datetime as dt
    from decimal import Decimal

    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "id": [7, None],
        "prompt": ["a", "b"],
        "when": [dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), None],
        "price": [Decimal("1.50"), Decimal("2.25")],
        "raw": [b"text", b"\xff"],
        "nan": [float("nan"), 1.5],
        "nested": [{"a": [1, None]}, None],
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    first, second = rows_of(tmp_path / "a.parquet")
    assert (first.id, first.metadata) == (
        7, {"when": "2026-01-02T03:04:00+00:00", "price": 1.5, "raw": "text", "nan": None, "nested": {"a": [1, None]}},
    )  # fmt: skip
    assert second.metadata == {"when": None, "price": 2.25, "raw": "/w==", "nan": 1.5, "nested": None}
    rows = rows_of(tmp_path / "a.parquet", recipe=Recipe(keep=frozenset({"price"})))
    assert [row.metadata for row in rows] == [{"price": 1.5}, {"price": 2.25}]


def test_bytes_that_are_no_text_are_no_prompt(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pa.table({"id": [1, 2], "prompt": [b"caf\xc3\xa9", b"\xff"]}), tmp_path / "a.parquet")
    for recipe in (Recipe(), Recipe(Template("{prompt}"))):
        good, bad = rows_of(tmp_path / "a.parquet", recipe=recipe)
        assert (good.prompt, bad.prompt, bad.id) == ("café", None, 2)
        assert str(bad.error) == "prompt is binary and not UTF-8 (row 1)"
    table = pa.table({"id": [1, 2], "prompt": pa.array([b"caf\xc3\xa9", b"\xff"]).view(pa.string())})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert [row.prompt for row in rows_of(tmp_path / "a.parquet")] == ["café", None]


def test_times_that_python_does_not_know_are_read(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    columns = {
        "prompt": ["a", "b"],
        "early": pa.array([-(2**52), None], pa.timestamp("s")),
        "long": pa.array([2**55, None], pa.duration("s")),
        "elsewhere": pa.array([2**60, None], pa.timestamp("ns", "Mars/Phobos")),
        "usual": pa.array([0, None], pa.timestamp("s")),
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet", coerce_timestamps=None, store_schema=True)
    first, second = rows_of(tmp_path / "a.parquet")
    assert {name: first.metadata[name] for name in ("long", "elsewhere")} == {"long": 2**55, "elsewhere": 2**60}
    assert first.metadata["usual"] == "1970-01-01T00:00:00"
    assert set(second.metadata.values()) == {None}
