"""A pool on a cluster: the health of members, their paces and their models are those of all workers."""

import itertools
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.answering_server import Answered
from tests.batch.conftest import Rows, Serve, part_records, summary
from tests.batch.on_a_cluster import Joined
from tests.batch.wrong_answers import OUT_OF_ORDER, REFUSED, after, as_asked
from tests.two_members import EAST, WEST, pool

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc"),
    pytest.mark.xdist_group("ray"),
]


def test_members_that_fail_are_done_without_on_all_machines(
    joined: Joined, serve: Serve, rows: Rows, tmp_path: Path
) -> None:
    numbers = itertools.count()

    def steady(body: dict[str, Any]) -> Answered:
        if next(numbers) == 1000:
            joined.cluster.kill_one("ray::_Coordinator")
        threading.Event().wait(0.01)  # a server with something to do
        return as_asked(body)

    east, west, north = serve(after(300, REFUSED)), serve(after(200, OUT_OF_ORDER)), serve(steady)
    config = pool(joined.cli, east.url, west.url, of_east='deployment = "blue"', of_west='model = "m"')
    config.write_text(
        config.read_text().replace('"west"]', '"west", "north"]')
        + f'[profiles.north]\nendpoint = "{north.url}"\nauth = "none"\n'
    )
    folder = tmp_path / "out"
    result = joined.run(rows(4000), "-o", folder, "-p", "all", "-j", "24", "--limit", "3500")
    assert result.code == 0, result.stderr
    assert result.stderr.count("warning: east is left out for the rest of the run: 401: the key is wrong") == 1
    assert "note: west is set aside until it answers again: 503: out of order" in result.stderr
    found = part_records(folder)
    assert [record["row"] for record in found] == list(range(3500))
    assert all(record["error"] is None for record in found)
    by_name = summary(result)["profiles"]
    assert by_name == Counter(record["profile"] for record in found)
    assert sorted(by_name) == ["east", "north", "west"]
    assert len(east.requests) < 300 + 3 * 24
    for server, own, model in ((east, EAST, None), (west, WEST, "m"), (north, "", None)):
        assert {request.get("model") for request in server.requests} == {model}
        assert all(own in head for head in server.heads)
        assert not any(other in head for head in server.heads for other in {EAST, WEST} - {own})
    traces = [*joined.cluster.traces(), *(path.read_bytes() for path in folder.rglob("*") if path.is_file())]
    assert not any(key.encode() in trace for trace in traces for key in (EAST, WEST))

    # The rest is asked of other members.
    west.answer = as_asked
    rest = joined.run(tmp_path / "in.jsonl", "-o", folder, "-p", "west", "-p", "north")
    assert rest.code == 0, rest.stderr
    assert "was started with the profile east, west, north, now it is west, north" in rest.stderr
    found = part_records(folder)
    assert [record["row"] for record in found] == list(range(4000))
    assert summary(rest)["all_runs"]["profiles"] == Counter(record["profile"] for record in found)


def test_members_with_different_models_are_refused_unless_allowed(
    joined: Joined, serve: Serve, rows: Rows, tmp_path: Path
) -> None:
    east, west = serve(lambda body: as_asked(body, "one")), serve(lambda body: as_asked(body, "two"))
    pool(
        joined.cli,
        east.url,
        west.url,
        of_east="price_in = 1\nprice_out = 0",
        of_west="price_in = 0\nprice_out = 1_000_000",
    )
    folder = tmp_path / "out"
    refused = joined.run(rows(2000), "-o", folder, "-p", "all")
    assert (refused.code, "answers with the model" in refused.stderr) == (2, True), refused.stderr
    assert len({record["model"] for record in part_records(folder)}) == 1
    mixed = joined.run(tmp_path / "in.jsonl", "-o", folder, "-p", "all", "--mixed-models")
    told = summary(mixed)
    assert (mixed.code, len(part_records(folder))) == (0, 2000), mixed.stderr
    assert told["cost"] == pytest.approx(told["profiles"]["east"] / 1_000_000 + 2 * told["profiles"]["west"])
