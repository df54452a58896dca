"""Shards as docs/scale.md shows them: its own scripts, run as Slurm and Kubernetes would."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.batch.conftest import Rows, batch, row_numbers
from tests.command import COMMAND, Cli
from tests.emulator_process import Start

PAGE = Path(__file__).parent.parent.parent / "docs" / "scale.md"


def slurm() -> str:
    found = re.search(r"```shell\n(#!/bin/sh\n#SBATCH.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def kubernetes() -> str:
    found = re.search(r"args: \['(.*?)'\]", PAGE.read_text(encoding="utf-8"))
    assert found
    return found[1].replace("/data/", "")


@pytest.mark.skipif(sys.platform == "win32", reason="shell scripts")
@pytest.mark.parametrize(
    ("script", "variables"),
    [
        (slurm, {"SLURM_ARRAY_TASK_ID": "{}", "SLURM_ARRAY_TASK_COUNT": "4"}),
        (kubernetes, {"JOB_COMPLETION_INDEX": "{}"}),
    ],
    ids=["slurm", "kubernetes"],
)
def test_the_job_arrays_of_the_documentation(
    script: Callable[[], str], variables: dict[str, str], cli: Cli, emulator: Start, rows: Rows
) -> None:
    server = emulator()
    cli.service(server.url)
    folder = rows(10).rename(cli.home.parent / "rows.jsonl").parent
    environ = {**cli.env, "PATH": f"{Path(COMMAND).parent}{os.pathsep}{cli.env['PATH']}"}
    running = [
        subprocess.Popen(
            ["/bin/sh", "-c", script()],
            cwd=folder,
            env={**environ, **{name: value.format(index) for name, value in variables.items()}},
        )
        for index in range(4)
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0, 0]
    shards = sorted(folder.glob("shard-*.jsonl"))
    assert [row_numbers(shard) for shard in shards] == [[0, 4, 8], [1, 5, 9], [2, 6], [3, 7]]
    merged = folder / "answers.jsonl"
    assert batch(cli, "merge", *shards, "-o", merged).code == 0
    assert row_numbers(merged) == list(range(10))
    assert batch(cli, folder / "rows.jsonl", "-o", merged).code == 0
    assert len(server.log()) == 10
