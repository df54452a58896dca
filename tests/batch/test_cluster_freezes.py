"""Workers that freeze, are given up, and thaw: nothing is lost, nothing doubled. By hand, see docs/testing.md."""

import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.batch.conftest import Rows, records
from tests.batch.on_a_cluster import Joined, until
from tests.emulator_process import Start

pytest.importorskip("ray")
FREEZES = int(os.environ.get("COMPLETIONS_TEST_FREEZES", "0"))
pytestmark = [
    pytest.mark.skipif(not FREEZES, reason="takes a minute each: COMPLETIONS_TEST_FREEZES says how many"),
    pytest.mark.xdist_group("ray"),
]
ROWS = 3000


@pytest.mark.parametrize("turn", range(FREEZES))
def test_a_thaw_changes_nothing(turn: int, joined: Joined, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    chance = random.Random(turn)
    server = emulator("--latency", "0.2")
    joined.cli.service(server.url)
    folder = tmp_path / "out"
    driver = joined.start(rows(ROWS), "-o", folder, "-j", "60")
    least = chance.randrange(100, ROWS - 500)
    until(lambda: len(server.log()) > least)
    stopped = joined.cluster.freeze(is_whole=turn % 2 == 0)
    assert stopped
    if turn % 4 < 2:  # it thaws when all is over
        code = driver.wait(240)
        joined.cluster.thaw(stopped)
    else:  # it thaws while others do its work
        time.sleep(chance.uniform(5, 90))
        joined.cluster.thaw(stopped)
        code = driver.wait(240)
    _, stderr = driver.communicate()
    assert code == 0, stderr
    before = {part.name: part.read_bytes() for part in folder.glob("part-*")}
    time.sleep(15)
    assert {part.name: part.read_bytes() for part in folder.glob("part-*")} == before
    found = Counter(record["row"] for part in sorted(folder.glob("part-*.jsonl")) for record in records(part))
    assert found == Counter(range(ROWS))
    sys.stderr.write(f"{len(server.log()) - ROWS} requests more than rows\n")
