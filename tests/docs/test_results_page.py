"""The programs of docs/results.md find the one error among 22,000 lines, far behind where readers guess their types."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import COMMAND

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
FAILED = 21_500


def _line(row: int) -> str:
    choice = {"index": 0, "text": f"text {row}", "finish_reason": "stop", "logprobs": None}
    error = {"kind": "rejected", "status": 422, "code": None, "message": "no", "retryable": False}
    is_failed = row == FAILED
    record = {
        "id": f"r{row}",
        "row": row,
        "choices": [] if is_failed else [choice],
        "usage": None if is_failed else {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
        "model": None if is_failed else "m",
        "system_fingerprint": None,
        "finish_reason": None if is_failed else "stop",
        "request_id": None,
        "attempts": 1,
        "latency_ms": 1.5,
        "metadata": None,
        "error": error if is_failed else None,
    }
    return json.dumps(record, separators=(",", ":")) + "\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with an output and its table."""
    made = tmp_path_factory.mktemp("results")
    (made / "answers.jsonl").write_text("".join(_line(row) for row in range(22_000)), encoding="utf-8")
    subprocess.run([COMMAND, "batch", "export", "answers.jsonl", "-o", "answers.parquet"], cwd=made, check=True)
    return made


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda text: re.findall(r"(?:import|from) (\w+)", text)[0])
def test_programs_find_the_only_error(program: str, folder: Path) -> None:
    for name in re.findall(r"^(?:import|from) (\w+)", program, re.MULTILINE):
        pytest.importorskip(name, reason=f"{name} is not installed")
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "22000 rows, 21999 texts, 1 failed\n"), done.stderr


def test_all_of_them_are_tried() -> None:
    assert len(PROGRAMS) == 5
