"""The way around the code: what is said of modules is said of all, and of those that there are."""

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
ROOMS = ("completions_cli", "tests", "benchmarks", "scripts")
PACKAGE = TOP / "completions_cli"


@pytest.mark.parametrize("room", ["api", "batch", "batch/cluster", "client", "commands", "transport"])
def test_the_map_of_a_large_package_has_each_module(room: str) -> None:
    said = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    mapped = re.findall(r"\w+", "".join(line for line in said.splitlines(keepends=True) if line.startswith("    ")))
    assert {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__", *mapped} == set()


@pytest.mark.parametrize("page", ["docs/layout.md", "docs/testing.md", "CONTRIBUTING.md", "benchmarks/batch_stages.py"])
def test_modules_that_a_page_names_exist(page: str) -> None:
    modules = [f"/{path.relative_to(TOP).as_posix()}" for room in ROOMS for path in (TOP / room).rglob("*.py")]
    named = re.findall(r"[`\"]([\w/]+\.py)[`\"]", (TOP / page).read_text(encoding="utf-8"))
    assert [name for name in named if not any(module.endswith(f"/{name}") for module in modules)] == []
