"""The same batch on a cluster of three nodes: every row once, whatever is killed, at one pace for all."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch.conftest import batch, records, row_numbers, summary
from tests.cluster_process import ClusterProcess
from tests.command import Cli, Result
from tests.emulator_process import EmulatorProcess

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc"),
    pytest.mark.xdist_group("ray"),
]

Start = Callable[..., EmulatorProcess]
Rows = Callable[[int], Path]
_TIME_LIMIT = 240  # seconds; machines of a cluster take their time to start
TOKEN = "0123456789abcdef" * 4


def until(is_so: Callable[[], bool]) -> None:
    """Wait for a moment of the run; how long it takes says nothing."""
    ends = time.monotonic() + _TIME_LIMIT
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cluster() -> Iterator[ClusterProcess]:
    """Give a cluster that all tests of this module share."""
    quiet = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    environ = {**os.environ, **quiet, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}
    running = ClusterProcess(environ)
    yield running
    running.stop()


class Joined:
    """Runs batches on the cluster."""

    def __init__(self, cli: Cli, cluster: ClusterProcess) -> None:
        self.cli, self.cluster = cli, cluster
        cli.env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN}

    def start(self, *args: str | Path) -> subprocess.Popen[bytes]:
        options = ("--engine", "ray", "--address", self.cluster.address, "--summary", "-")
        return self.cli.start("batch", *map(str, args), *options)

    def run(self, *args: str | Path) -> Result:
        process = self.start(*args)
        stdout, stderr = process.communicate(timeout=_TIME_LIMIT)
        return Result(process.returncode, stdout, stderr.decode())


@pytest.fixture
def joined(cli: Cli, cluster: ClusterProcess) -> Joined:
    """Give the command, run on the cluster."""
    return Joined(cli, cluster)


def part_records(folder: Path) -> list[dict[str, Any]]:
    return [record for part in sorted(folder.glob("part-*.jsonl")) for record in records(part)]


def test_every_row_once_whatever_is_killed(joined: Joined, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    server = emulator("--latency", "0.2")
    cli, cluster = joined.cli.service(server.url), joined.cluster
    folder = tmp_path / "out"
    args = (rows(3000), "-o", folder, "-j", "60")
    driver = joined.start(*args)
    until(lambda: len(server.log()) > 100)
    assert cluster.kill_one("ray::_Coordinator")
    asked = len(server.log())
    until(lambda: len(server.log()) > asked + 200)
    assert cluster.kill_one("ray::MapWorker")
    until(lambda: bool(list(folder.glob("part-*.jsonl"))))
    driver.kill()
    driver.communicate()
    kept = {record["row"]: record for record in part_records(folder)}
    assert 0 < len(kept) < 3000
    result = joined.run(*args)
    assert result.code == 0, result.stderr
    told = summary(result)
    assert (told["rows"], told["ok"], told["failed"]) == (3000, 3000, {})
    assert told["resumed"] >= len(kept)
    found = part_records(folder)
    assert [record["row"] for record in found] == list(range(3000))
    assert all(found[row] == record for row, record in kept.items())
    merged = tmp_path / "merged.jsonl"
    assert batch(cli, "merge", folder, "-o", merged).code == 0
    assert row_numbers(merged) == list(range(3000))
    # It is the output of the same batch here: nothing is left to do.
    assert batch(cli, tmp_path / "in.jsonl", "-o", merged).code == 0
