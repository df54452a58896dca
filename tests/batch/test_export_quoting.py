"""Texts in CSV and TSV: whatever they hold, readers find the same rows, and no line that a spreadsheet would run."""

import csv
import io
import itertools
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.atomic import AtomicFile
from completions_cli.batch.export.writers import Table, open_writer

BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
SIGNS = "=+-@\t\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
BLANKS = " \0\xa0\ufeff\u200b\u202e\u2066\u061c\x7f\x9b"
PIECES = [*BREAKS, *SIGNS, *BLANKS, *",\"';|x1", ";=1;", ';"=1;', '\n"=1', '\r"@', "\r\n", "=1+cmd|calc!A0", "\r=1"]
DELIMITERS: dict[Table, str] = {"csv": ",", "tsv": "\t"}
TEXTS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)


def written(directory: Path, table: Table, rows: list[str]) -> bytes:
    """Return a table of these texts, each with a number beside it."""
    target = directory / "table"
    file = AtomicFile(target)
    writer = open_writer(table, file, {"n": "integer", "text": "text", "x": "number"})
    for text in rows:
        writer.add([-1, text, -0.5])
    writer.close()
    file.commit()
    return target.read_bytes()


@given(rows=st.lists(TEXTS, min_size=1, max_size=4), table=st.sampled_from(sorted(DELIMITERS)))
def test_readers_find_the_rows_and_no_formula(
    rows: list[str], table: Table, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = written(tmp_path_factory.mktemp("table"), table, rows).decode()
    header, *found = csv.reader(io.StringIO(content, newline=""), delimiter=DELIMITERS[table], strict=True)
    assert header == ["n", "text", "x"]
    assert [(line[0], line[2]) for line in found] == [("-1", "-0.5")] * len(rows)
    for text, (_, cell, _) in zip(rows, found, strict=True):
        assert re.sub(r"'", "", cell) == re.sub(r"'", "", text)
        for line in re.split(f"[{BREAKS}]", cell):
            assert not line.lstrip(BLANKS).startswith(tuple(SIGNS)), (text, cell)


@given(rows=st.lists(TEXTS, min_size=1, max_size=4), separator=st.sampled_from(";\t"))
def test_readers_that_split_elsewhere_find_no_formula(
    rows: list[str], separator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = written(tmp_path_factory.mktemp("table"), "csv", rows).decode()
    found = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
    split = (line.split(separator)[1:] for line in re.split(f"[{BREAKS}]", content))
    bare = (cell.lstrip(BLANKS + '"') for cell in itertools.chain(*split))
    for cell in itertools.chain(*found, bare):
        assert not cell.removeprefix("-1,").lstrip(BLANKS).startswith(tuple(SIGNS)), (rows, cell)


@given(rows=st.lists(TEXTS, min_size=1, max_size=4))
def test_a_spreadsheet_that_splits_tsv_at_commas_too_finds_no_formula(
    rows: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = written(tmp_path_factory.mktemp("table"), "tsv", rows).decode()
    # A comma within quotes separates nothing.
    bare = re.sub(r'"(?:[^"]|"")*"', lambda quoted: quoted[0].replace(",", ""), content)
    assert "," not in bare


@given(rows=st.lists(TEXTS, min_size=1, max_size=4), table=st.sampled_from(sorted(DELIMITERS)))
def test_a_break_is_always_within_quotes(
    rows: list[str], table: Table, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = written(tmp_path_factory.mktemp("table"), table, rows).decode()
    bare = re.sub(r'"(?:[^"]|"")*"', "", content)
    assert bare.count("\n") == len(rows) + 1
    assert not set(BREAKS.replace("\n", "") + "\0") & set(bare)


@given(rows=st.lists(TEXTS, min_size=1, max_size=4), table=st.sampled_from(sorted(DELIMITERS)))
def test_pandas_finds_the_rows(rows: list[str], table: Table, tmp_path_factory: pytest.TempPathFactory) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    content = written(tmp_path_factory.mktemp("table"), table, rows)
    found = pandas.read_csv(io.BytesIO(content), sep=DELIMITERS[table], keep_default_na=False)
    assert found["n"].tolist() == [-1] * len(rows)
    assert found["x"].tolist() == [-0.5] * len(rows)


def test_nothing_unseen_before_a_sign_hides_it(tmp_path: Path) -> None:
    kinds = {"Cc", "Cf", "Me", "Mn", "Zs"}
    unseen = [mark for mark in map(chr, range(sys.maxunicode)) if unicodedata.category(mark) in kinds]
    # Blank letters, a blank symbol, and code points that are kept free for what is unseen.
    unseen += "\u115f\u1160\u2065\u2800\u3164\uffa0\ufff0\U000e0000\U000e0fff"
    texts = [f"{mark}{sign}1" for mark in unseen if mark not in BREAKS + SIGNS for sign in "=-"]
    found = csv.reader(io.StringIO(written(tmp_path, "csv", texts).decode(), newline=""))
    assert [cell for _, cell, _ in found] == ["text", *(f"'{text}" for text in texts)]


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("中=x; é-y", "中=x; é-y"),
        ("fine\r=1+cmd|calc!A0\r", "fine\r'=1+cmd|calc!A0\r"),
        ("\ufeff =1", "'\ufeff =1"),
        ("a\r\n@x", "a\r\n'@x"),
        ("-x", "'-x"),
        ('said\n"-x"; -y', "said\n'\"-x\";' -y"),
        ("\rx", "'\rx"),
        ("1-2 = x\ny - z", "1-2 = x\ny - z"),
    ],
)
def test_only_what_would_run_is_changed(text: str, cell: str, tmp_path: Path) -> None:
    content = written(tmp_path, "csv", [text]).decode()
    assert list(csv.reader(io.StringIO(content, newline="")))[1] == ["-1", cell, "-0.5"]
