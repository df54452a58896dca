"""The README says what the code does."""

import re
from pathlib import Path

from completions_cli.exit_codes import ExitCode

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_exit_codes_are_those_of_the_code() -> None:
    section = README.partition("## Exit codes")[2].partition("\n## ")[0]
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+) \|$", section, re.MULTILINE)}
    assert rows == {int(code): code.meaning for code in ExitCode}


def test_every_variable_that_is_read_is_listed() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "completions_cli").rglob("*.py")]
    read = {name for text in sources for name in re.findall(r'"((?:COMPLETIONS|AZURE_INFERENCE)_[A-Z_]*[A-Z])"', text)}
    assert len(read) > 10
    section = README.partition("## Environment")[2].partition("\n## ")[0]
    assert {name for name in read if f"`{name}`" not in section} == set()
