"""A journal takes lines whole or not at all, and says what the disk refuses."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from completions_cli.batch.journal import CutShortError, Journal
from completions_cli.batch.row_set import RowSet
from completions_cli.errors import OutputError


@given(st.lists(st.integers(0, 20000)))
def test_a_set_of_rows_is_a_set(numbers: list[int]) -> None:
    rows, known = RowSet(), set[int]()
    for number in numbers:
        assert rows.add(number) is (number not in known)
        known.add(number)
        if number % 3 == 0:
            assert [rows.discard(number) for _ in range(2)] == [True, False]
            known.discard(number)
    assert len(rows) == len(known)
    assert [number in rows for number in range(20010)] == [number in known for number in range(20010)]


def test_a_line_is_whole_or_not_there(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "out"
    book = Journal(path)
    for _ in range(2):
        book.append(b"x" * 49 + b"\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150, before[1]))
    try:
        with pytest.raises(CutShortError) as cut:
            book.append(b"y" * 29 + b"\n" + b"w" * 99 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert cut.value.kept == 30
    assert path.read_bytes() == (b"x" * 49 + b"\n") * 2 + b"y" * 29 + b"\n"
    book.append(b"z\n")
    book.sync()
    book.close()
    assert path.read_bytes() == (b"x" * 49 + b"\n") * 2 + b"y" * 29 + b"\n" + b"z\n"


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
    with pytest.raises(OutputError, match="no/out cannot be written: No such file") as missing:
        Journal(tmp_path / "no" / "out")
    assert "space" not in str(missing.value.hint)
    full, null = Journal(Path("/dev/full")), Journal(Path("/dev/null"))
    with pytest.raises(OutputError, match="/dev/full cannot be written: No space left") as filled:
        full.append(b"x\n")
    assert "Free some space" in str(filled.value.hint)
    with pytest.raises(OutputError, match="/dev/null cannot be written: Invalid argument"):
        null.sync()
    full.close()
    null.close()
