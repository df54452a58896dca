"""docs/SECURITY.md: each promise names what was tried against it and tests that exist."""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "SECURITY.md").read_text(encoding="utf-8")
_NAMED = re.compile(r"`(?P<file>tests/[\w/]+\.py)(?:::(?P<test>\w+))?`")
PROMISES = [row for row in re.findall(r"^\| (.*) \|$", PAGE, re.MULTILINE) if "`tests/" in row]


def names_in(file: Path) -> set[str]:
    """Return the names of the tests in a file."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def test_there_are_promises() -> None:
    tables = PAGE.partition("## Promises")[2].partition("## What else")[0]
    rows = [row for row in tables.splitlines() if row.startswith("| ") and not row.startswith("| promise")]
    assert len(rows) == len(PROMISES) > 30


@pytest.mark.parametrize("row", PROMISES, ids=lambda row: row[:40])
def test_each_promise_has_tests_that_exist(row: str) -> None:
    promise, tried, tests = row.split(" | ")
    assert promise
    assert tried
    found = list(_NAMED.finditer(tests))
    assert _NAMED.sub("", tests).strip(", ") == ""
    for named in found:
        names = names_in(PROJECT / named["file"])
        assert names
        assert named["test"] is None or named["test"] in names
