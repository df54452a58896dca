"""The README says what the code does."""

import re
from pathlib import Path

from completions_cli.errors import ExitCode

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_exit_codes_are_those_of_the_code() -> None:
    section = README.partition("## Exit codes")[2].partition("\n## ")[0]
    rows = {int(code): meaning for code, meaning in re.findall(r"^\| (\d+) \| (.+) \|$", section, re.MULTILINE)}
    assert rows == {int(code): code.meaning for code in ExitCode}


def test_every_variable_that_is_read_is_listed() -> None:
    from completions_cli.settings.table import SETTINGS

    read = {setting.variable for setting in SETTINGS.values() if setting.variable} - {"COMPLETIONS_AUTHORITY"}
    assert all(f"`{variable}`" in README for variable in read)
