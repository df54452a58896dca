"""Records of every format as rows."""

import csv
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli import limits
from completions_cli.batch.inputs.compression import Compression
from completions_cli.batch.inputs.kinds import Format
from completions_cli.batch.inputs.reading import Reading
from completions_cli.batch.recipe import PLAIN, Recipe
from completions_cli.batch.rows import Row
from completions_cli.batch.source import Source, open_source
from completions_cli.batch.template import Template
from completions_cli.errors import UsageError

# What JSON can hold and UTF-8 can carry.
texts = st.text(st.characters(exclude_categories=["Cs"]))
ids = st.none() | texts | st.integers()
awkward = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\U0001f600 \ufeff"


def read(
    content: bytes,
    kind: Format,
    template: str | None = None,
    compressed: Compression | None = None,
    recipe: Recipe = PLAIN,
) -> list[Row]:
    recipe = Recipe(Template(template)) if template else recipe
    return list(Source(io.BytesIO(content), Reading("in", kind, recipe), compressed).rows())


def errors(rows: list[Row]) -> list[str | None]:
    """Give the errors of rows, the places of their records aside."""
    return [re.sub(r" \(line \d+(, row \d+)?\)$", "", row.error.message) if row.error else None for row in rows]


@given(st.lists(texts))
def test_strings_of_jsonl_come_through_unchanged(prompts: list[str]) -> None:
    for ascii_only in (True, False):
        content = "".join(json.dumps(prompt, ensure_ascii=ascii_only) + "\n" for prompt in prompts).encode()
        rows = read(content, "jsonl")
        assert [row.prompt for row in rows] == prompts
        assert [row.number for row in rows] == list(range(len(prompts)))


@given(st.lists(st.tuples(ids, texts, st.dictionaries(texts, st.integers()))))
def test_objects_of_jsonl_come_through_unchanged(items: list[tuple[Any, str, dict[str, int]]]) -> None:
    lines = [json.dumps({"id": name, "prompt": prompt, "metadata": data}) for name, prompt, data in items]
    rows = read("\r\n".join(lines).encode(), "jsonl")
    assert [(row.id, row.prompt, row.metadata) for row in rows] == items


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    kinds: tuple[Format, ...] = ("jsonl", "txt")
    for kind in kinds:
        try:
            rows = read(content, kind)
        except UsageError as error:
            assert "UTF-16" in error.message  # noqa: PT017 - nothing else may be raised
        else:
            assert all((row.error is None) != (row.prompt is None) for row in rows)


@given(st.lists(texts.filter(lambda text: "\n" not in text and not text.endswith("\r"))))
def test_each_line_of_text_is_a_prompt(lines: list[str]) -> None:
    rows = read("".join(line + "\n" for line in lines).encode(), "txt")
    assert [row.prompt for row in rows] == [
        line.removeprefix("\ufeff") if i == 0 else line for i, line in enumerate(lines)
    ]


def test_text_loses_its_carriage_returns_and_only_those() -> None:
    content = f"one\r\ntwo\rtwo\r\n\r\n{awkward}".encode()
    assert [row.prompt for row in read(content, "txt")] == ["one", "two\rtwo", "", awkward]


@given(st.lists(st.tuples(texts, texts), min_size=1))
def test_cells_of_a_table_come_through_unchanged(records: list[tuple[str, str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["id", "prompt"])
    writer.writerows(records)
    rows = read(file.getvalue().encode(), "csv")
    assert [(row.id or "", row.prompt) for row in rows] == records


def test_columns_of_a_table() -> None:
    content = b"id,prompt,max_tokens,label,stop\nx,Hello,5,note,END\n,World,,,\n"
    rows = read(content, "csv")
    assert [(row.id, row.prompt, row.metadata) for row in rows] == [
        ("x", "Hello", {"max_tokens": "5", "label": "note", "stop": "END"}),
        (None, "World", {"max_tokens": "", "label": "", "stop": ""}),
    ]
    assert all(not row.extra and not row.parameters and row.model is None for row in rows)
    rows = read(content, "csv", recipe=Recipe(send=frozenset({"max_tokens", "stop"})))
    assert [(row.id, row.prompt, dict(row.parameters), row.metadata) for row in rows] == [
        ("x", "Hello", {"max_tokens": 5, "stop": "END"}, {"label": "note"}),
        (None, "World", {}, {"label": ""}),
    ]


def test_bad_records_of_a_table_are_rows_of_their_own() -> None:
    content = b'prompt,max_tokens\ngood,1\nbad,many\n"bad\xff",1\na,1,extra\n\ngood,2\n'
    rows = read(content, "csv", recipe=Recipe(send=frozenset({"max_tokens"})))
    assert errors(rows) == [
        None, "max_tokens must be a number", "not UTF-8", "3 cells under 2 columns", None,
    ]  # fmt: skip


def test_a_quotation_mark_that_is_never_closed_is_no_prompt_of_many_lines() -> None:
    rows = read(b'id,prompt\n1,"one\ntwo"\n2,"three\n3,four\n', "csv")
    assert [row.prompt for row in rows] == ["one\ntwo", None]
    assert errors(rows) == [None, "a quotation mark is never closed: the rest of the table is in this record"]
    with pytest.raises(UsageError, match="never closed"):
        read(b'id,"prompt\n1,one\n', "csv")


def test_a_quotation_mark_that_is_not_doubled_garbles_no_prompt() -> None:
    """As MySQL, Spark and pandas can write them: escaped with a backslash."""
    content = b'id,prompt\n1,"he said \\"hi\\""\n2,"C:\\"\n3,"a ""b"""\n4,a "b"\n"5" ,c\n'
    rows = read(content, "csv")
    assert [(row.id, row.prompt) for row in rows] == [
        ("1", None), ("2", "C:\\"), ("3", 'a "b"'), ("4", 'a "b"'), ("5 ", None),
    ]  # fmt: skip
    reason = "text or a space follows a closing quotation mark; one within a cell must be doubled"
    assert errors(rows) == [reason, None, None, None, reason]


def test_a_table_without_its_column_is_refused() -> None:
    with pytest.raises(UsageError, match="no column prompt"):
        read(b"text\nx\n", "csv")
    with pytest.raises(UsageError, match="no column ' text '") as caught:
        read(b"text, lang\nx,en\n", "csv", "{ text }")
    assert caught.value.hint is not None
    assert "It has: text, ' lang'." in caught.value.hint
    with pytest.raises(UsageError, match="no column lang"):
        read(b"text\nx\n", "csv", "To {lang}: {text}")
    assert read(b"", "csv") == []


@pytest.mark.parametrize(
    ("header", "advice"),
    [
        ("id,question,answer", "--template '{question}' makes it the prompt"),
        ("id, Prompt ,n", "--template '{ Prompt }' makes it the prompt"),
        ("$a'b", "--template '{text}'"),
        ("id|prompt", "--delimiter '|'"),
        ("prompt:id", "--delimiter ':'"),
    ],
)
def test_a_table_without_a_prompt_is_told_what_fits_it(header: str, advice: str) -> None:
    with pytest.raises(UsageError, match="no column prompt") as caught:
        read(f"{header}\nx\n".encode(), "csv")
    assert advice in str(caught.value.hint)


def test_templates_use_columns_and_send_none_of_them() -> None:
    rows = read(b"id,text,lang,n\n7,Guten Tag,en,3\n", "csv", "To {lang}: {text} {{}}")
    assert [(row.id, row.prompt, row.metadata) for row in rows] == [
        ("7", "To en: Guten Tag {}", {"text": "Guten Tag", "lang": "en", "n": "3"})
    ]
    line = b'{"id":1,"text":"t","n":3,"list":[1,"x"],"top_k":4,"temperature":0.5}\n"bare"\n{"text":"t"}\n'
    rows = read(line, "jsonl", "{text} {n} {list}")
    assert rows[0].prompt == 't 3 [1,"x"]'
    assert rows[0].metadata == {"text": "t", "n": 3, "list": [1, "x"], "top_k": 4}
    assert (dict(rows[0].extra), dict(rows[0].parameters)) == ({}, {"temperature": 0.5})
    assert errors(rows)[1:] == ["not an object", "no value for {n} of the template"]


@pytest.mark.parametrize("text", ["{", "}", "{}", "a {b", "{{}"])
def test_a_template_with_a_stray_brace_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--template"):
        Template(text)


@pytest.mark.parametrize("prompt", ["text", ["a", "b"], [1, 2], [[1], [2, 3]], ""])
def test_every_form_of_a_prompt(prompt: object) -> None:
    assert [row.prompt for row in read(json.dumps({"prompt": prompt}).encode(), "jsonl")] == [prompt]


def test_null_fields_say_nothing_and_stream_is_ours() -> None:
    (row,) = read(b'{"prompt":"x","temperature":null,"model":null,"stream":true,"top_k":null}', "jsonl")
    assert (dict(row.parameters), row.model, dict(row.extra), row.metadata) == ({}, None, {}, {"top_k": None})


def test_lines_of_the_openai_format() -> None:
    body = {"model": "m", "prompt": "P", "max_tokens": 3, "metadata": {"a": 1}}
    lines = [
        {"custom_id": "one", "method": "POST", "url": "/v1/completions", "body": body},
        {"custom_id": "two", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": []}},
        {"custom_id": "three", "body": {}},
        {"custom_id": "four", "body": 5},
        {"custom_id": "five", "method": "POST", "url": "/v1/completions"},
        {"custom_id": "six", "body": {"messages": []}},
        {"id": "seven", "messages": []},
    ]
    rows = read("\n".join(json.dumps(line) for line in lines).encode(), "jsonl")
    assert [row.id for row in rows] == ["one", "two", "three", "four", "five", "six", "seven"]
    assert (rows[0].prompt, rows[0].model, dict(rows[0].parameters)) == ("P", "m", {"max_tokens": 3})
    assert dict(rows[0].extra) == {"metadata": {"a": 1}}
    assert errors(rows)[1:] == [
        "not a completions request: POST /v1/chat/completions", "no prompt in body", *["body is not an object"] * 2,
        "no prompt in body: messages are for chat, this API completes text",
        "no prompt: messages are for chat, this API completes text",
    ]  # fmt: skip


def test_a_row_that_is_too_large_is_an_error_and_the_next_is_read() -> None:
    large = b'{"prompt":"' + b"x" * limits.ROW_BYTES + b'"}\n'
    for kind, content in (
        ("jsonl", large + b'"next"\n'),
        ("txt", large + b"next\n"),
        ("csv", b"prompt\n" + large + b"next\n"),
    ):
        rows = read(content, kind)  # type: ignore[arg-type] # a format
        assert errors(rows) == ["larger than 16 MiB", None]
        assert rows[1].prompt == "next"


def test_a_byte_order_mark_is_none_of_the_text() -> None:
    assert [row.prompt for row in read(b'\xef\xbb\xbf"a"\n', "jsonl")] == ["a"]
    assert [row.prompt for row in read(b"\xef\xbb\xbfa\n", "txt")] == ["a"]
    assert [row.prompt for row in read(b"\xef\xbb\xbfprompt\na\n", "csv")] == ["a"]
    with pytest.raises(UsageError, match="UTF-16"):
        read("prompt\n".encode("utf-16"), "csv")


def test_compressed_input() -> None:
    content = gzip.compress(b'"a"\n') + gzip.compress(b'"b"\n')
    assert [row.prompt for row in read(content, "jsonl", compressed="gzip")] == ["a", "b"]
    for broken in (content[:-9], b"not gzip", content[:-8] + b"\0" * 4 + content[-4:]):
        with pytest.raises(UsageError, match=r"in is damaged|in cannot be read"):
            read(broken, "jsonl", compressed="gzip")
    for end in range(20, len(content), 3):  # in the middle of the first or second member
        with pytest.raises(UsageError, match=r"in is damaged: it (ends too early|cannot be decompressed)"):
            read(content[:end], "jsonl", compressed="gzip")


def test_only_wanted_rows_are_read() -> None:
    source = Source(io.BytesIO(b'"a"\nbroken\n\n"c"\n'), Reading("in", "jsonl"))
    assert [row.number for row in source.rows(lambda number: number != 1)] == [0, 2]
    assert [row.number for row in source.rows()] == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jsonl", "jsonl"), ("a.NDJSON", "jsonl"), ("a.txt", "txt"), ("a.csv.gz", "csv"), ("a.jsonl.gz", "jsonl")],
)
def test_the_name_tells_the_format(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    source = _open(tmp_path / name)
    assert source.kind == kind
    source.close()


def test_a_name_that_tells_nothing_needs_a_word(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(b"x\n")
    with pytest.raises(UsageError, match="unknown kind"):
        _open(tmp_path / "rows")
    source = _open(tmp_path / "rows", "txt")
    assert [row.prompt for row in source.rows()] == ["x"]
    source.close()


def _open(path: Path, kind: Format | None = None) -> Source:
    def no_stdin() -> BinaryIO:
        raise AssertionError

    return open_source(str(path), kind=kind, recipe=Recipe(), stdin=no_stdin, spool_folder=None)
