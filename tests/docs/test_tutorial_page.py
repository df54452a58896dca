"""The tutorial works from its first line to its last, typed as it stands, in one folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local_weights import DATA_HOME, weights_path

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(csv|template|shell|python)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
FILES = {"csv": "reviews.csv", "template": "prompt.txt"}
PROGRAMS = {"shell": ["bash", "-c"], "python": [sys.executable, "-c"]}
# What differs from run to run.
VARYING = re.compile(r"\d+(\.\d+)? (s|rows/s|per second)\b")
# Printed every ten seconds, which a run takes on a busy machine alone.
PROGRESS = re.compile(r"^batch: rows=.*\n", re.MULTILINE)


def test_the_tutorial_works_as_it_stands(tmp_path: Path) -> None:
    for name in ("pandas", "duckdb", "pyarrow"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    weights_path()
    environ = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_DATA_HOME": str(DATA_HOME),
        "COMPLETIONS_NO_KEYRING": "1",
    }
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert {language for language, _, _ in blocks} == {*FILES, *PROGRAMS}
    for language, text, expected in blocks:
        if language in FILES:
            (tmp_path / FILES[language]).write_text(text, encoding="utf-8")
            continue
        done = subprocess.run(
            [*PROGRAMS[language], text],
            cwd=tmp_path,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        if expected:
            assert VARYING.sub(r"N \2", PROGRESS.sub("", done.stdout)) == VARYING.sub(r"N \2", expected)
