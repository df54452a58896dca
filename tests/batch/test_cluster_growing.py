"""Machines that join a run, and machines that are taken away with notice."""

import sys
from pathlib import Path

import pytest

from tests.batch.conftest import Rows, part_records
from tests.batch.on_a_cluster import Joined, until
from tests.emulator_process import Start

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc"),
    pytest.mark.xdist_group("ray"),
]


def test_a_node_that_joins_works_and_one_that_leaves_hands_back(
    joined: Joined, emulator: Start, rows: Rows, tmp_path: Path
) -> None:
    server, nodes = emulator("--latency", "0.2"), joined.cluster
    joined.cli.service(server.url)
    driver = joined.start(rows(4000), "-o", tmp_path / "out", "-j", "30")
    until(lambda: len(server.log()) > 50)
    before = nodes.count("ray::_Asker")
    nodes.add_node()
    until(lambda: nodes.count("ray::_Asker") == before + 1)
    nodes.drain_node()
    until(lambda: nodes.count("ray::_Asker") == before)
    assert driver.poll() is None
    _, stderr = driver.communicate(timeout=240)
    assert driver.returncode == 0, stderr
    assert sorted(record["row"] for record in part_records(tmp_path / "out")) == list(range(4000))
    assert len(server.log()) == 4000  # what was under way there was waited for
