"""The same batch on a cluster of three nodes: every row once, whatever is killed, at one pace for all."""

import gzip
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.answering_server import Answered, answering
from tests.batch.conftest import Rows, batch, part_records, records, row_numbers, summary
from tests.batch.on_a_cluster import TIME_LIMIT, TOKEN, Joined, until
from tests.emulator_process import Start

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes by /proc"),
    pytest.mark.xdist_group("ray"),
]

KEY = "sekret-0123456789-abcdef"


def test_every_row_once_whatever_is_killed(joined: Joined, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    server = emulator("--latency", "0.2")
    cli, cluster = joined.cli.service(server.url), joined.cluster
    folder = tmp_path / "out"
    args = (rows(2000), "-o", folder, "-j", "60")
    driver = joined.start(*args)
    until(lambda: len(server.log()) > 100)
    second = joined.run(*args)
    assert (second.code, "another run is writing" in second.stderr) == (2, True)
    assert cluster.kill_one("ray::_Coordinator")
    asked = len(server.log())
    until(lambda: len(server.log()) > asked + 200)
    assert cluster.kill_one("ray::_Asker")
    until(lambda: bool(list(folder.glob("part-*.jsonl"))))
    driver.kill()
    driver.communicate()
    kept = {record["row"]: record for record in part_records(folder)}
    assert 0 < len(kept) < 2000
    result = joined.run(*args)
    assert result.code == 0, result.stderr
    told = summary(result)
    assert (told["all_runs"]["rows"], told["all_runs"]["ok"], told["failed"]) == (2000, 2000, {})
    # What was answered outlives worker and driver: only what was in flight is asked again.
    assert len(server.log()) <= 2000 + 2 * 60
    assert told["resumed"] >= len(kept)
    found = part_records(folder)
    assert [(record["row"], record["id"]) for record in found] == [(row, f"r{row}") for row in range(2000)]
    assert all(found[row] == record for row, record in kept.items())
    merged = tmp_path / "merged.jsonl"
    assert batch(cli, "merge", folder, "-o", merged).code == 0
    assert row_numbers(merged) == list(range(2000))
    # It is the output of the same batch here: nothing is left to do.
    assert batch(cli, tmp_path / "in.jsonl", "-o", merged).code == 0


def test_tables_in_and_parquet_out_and_no_key_left_anywhere(joined: Joined, emulator: Start, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    server = emulator("--key", KEY)
    joined.cli.service(server.url, KEY)
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.csv").write_text("id,prompt\nx,one\ny,two\n")
    (source / "b.jsonl.gz").write_bytes(gzip.compress(b'"three"\nnot JSON\n{"prompt": "four", "id": 4}\n'))
    parquet.write_table(pa.table({"prompt": ["five"], "note": ["n"]}), source / "c.parquet")
    folder = tmp_path / "out"
    result = joined.run(source, "-o", folder, "--parts", "parquet", "--pack", "2")
    assert (result.code, result.stdout.count(b"\n")) == (13, 1), result.stderr
    assert not any(KEY.encode() in trace for trace in joined.cluster.traces())
    assert not any(KEY.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    tables = [parquet.read_table(part).to_pylist() for part in sorted(folder.glob("part-*.parquet"))]
    assert [(row["row"], row["id"], row["text"] is None) for table in tables for row in table] == [
        (0, "x", False),
        (1, "y", False),
        (2, None, False),
        (3, None, True),
        (4, "4", False),
        (5, None, False),
    ]
    merged = tmp_path / "merged.jsonl"
    assert batch(joined.cli, "merge", folder, "-o", merged).code == 13
    found = records(merged)
    assert [record["row"] for record in found] == list(range(6))
    assert (found[3]["error"]["kind"], found[5]["metadata"]) == ("input", {"note": "n"})


def test_a_key_is_only_in_the_memory_of_those_who_send_it(
    joined: Joined, emulator: Start, rows: Rows, tmp_path: Path
) -> None:
    server = emulator("--latency", "0.2", "--key", KEY)
    joined.cli.service(server.url, KEY)
    driver = joined.start(rows(1000), "-o", tmp_path / "out", "-j", "30")
    until(lambda: len(server.log()) > 100)
    assert not any(KEY.encode() in trace for trace in joined.cluster.traces())
    # What Ray itself knows: actors, jobs, calls, objects and logs.
    assert not any(KEY.encode() in memory for memory in joined.cluster.memories("gcs/gcs_server", "raylet/raylet"))
    of_worker = joined.cluster.memories("ray::_Asker")  # none where a user may not read it
    assert any(KEY.encode() in memory for memory in of_worker) or not any(joined.cluster.memories("ray::_Asker"))
    driver.terminate()
    driver.communicate(timeout=TIME_LIMIT)
    assert driver.returncode == 143


def test_a_budget_holds_for_the_whole_cluster(joined: Joined, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    server = emulator("--latency", "0.05")
    joined.cli.service(server.url)
    result = joined.run(rows(1500), "-o", tmp_path / "out", "-M", "8", "-j", "30", "--max-tokens-total", "2000")
    told = summary(result)
    assert (result.code, told["stopped_by"]) == (14, "max_tokens_total"), result.stderr
    assert 2000 <= told["total_tokens"] < 2000 + 30 * 20
    assert told["ok"] == told["requests"] == len(server.log()) == len(part_records(tmp_path / "out"))


def test_a_budget_of_a_cluster_holds_where_the_server_reports_no_usage(
    joined: Joined, rows: Rows, tmp_path: Path
) -> None:
    """An answer of 400 characters counts as some 100 tokens."""
    body = {"choices": [{"index": 0, "text": "word" * 100, "finish_reason": "stop"}]}
    with answering(lambda _: Answered(body)) as server:
        joined.cli.service(server.url)
        result = joined.run(rows(50), "-o", tmp_path / "out", "-j", "1", "--max-tokens-total", "300")
    assert (result.code, summary(result)["rows"], summary(result)["stopped_by"]) == (14, 3, "max_tokens_total")
    assert "usage: 3 answers came without it; their tokens are estimated" in result.stderr


def test_sigterm_before_and_after_the_work_ends_a_run_as_it_does_everywhere(joined: Joined) -> None:
    """Ray has a handler of its own, whose exit codes are those of other failures."""
    program = """
import os, signal, sys
from completions_cli import interruption
from completions_cli.batch.cluster import environment
interruption.raise_on_signals()
with environment.environment(is_local=False):
    from completions_cli.batch.cluster import engine
    with engine.cluster(sys.argv[1]):
        os.kill(os.getpid(), signal.SIGTERM)
"""
    command = [sys.executable, "-c", program, joined.cluster.address]
    ended = subprocess.run(command, env=joined.cli.env, check=False, timeout=TIME_LIMIT)
    assert ended.returncode == 143


def test_processes_that_end_while_they_count_are_no_bug(joined: Joined, tmp_path: Path) -> None:
    """As those are ended whose machine lacks memory. Here it is done by what they are to count with."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("row\n")
    program = """
import os, sys
from completions_cli.batch.cluster import environment, inputs
from completions_cli.errors import BatchStoppedError
class Deadly:
    def __reduce__(self):
        return os._exit, (1,)
with environment.environment(is_local=False):
    from completions_cli.batch.cluster import engine
    with engine.cluster(sys.argv[1]):
        try:
            engine.count(inputs.find(sys.argv[2], None), Deadly(), (), {})
        except BatchStoppedError:
            sys.exit(14)
"""
    command = [sys.executable, "-c", program, joined.cluster.address, str(tmp_path)]
    ended = subprocess.run(command, env=joined.cli.env, check=False, timeout=TIME_LIMIT)
    assert ended.returncode == 14


def test_a_file_that_lacks_what_is_needed_is_found_before_anything_is_sent(
    joined: Joined, emulator: Start, tmp_path: Path
) -> None:
    server = emulator()
    joined.cli.service(server.url)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text("text\none\n")
    (tmp_path / "in" / "b.csv").write_text("other\ntwo\n")
    refused = joined.run(tmp_path / "in", "-o", tmp_path / "out", "--template", "{text}")
    assert (refused.code, "b.csv" in refused.stderr, server.log()) == (2, True, []), refused.stderr


def test_what_cannot_be_joined_is_said_within_seconds(joined: Joined, rows: Rows, tmp_path: Path) -> None:
    cluster, args = joined.cluster, (rows(2), "-o", tmp_path / "out")
    joined.cli.service("http://127.0.0.1:9")
    joined.cli.env["RAY_AUTH_TOKEN"] = "f" * 64
    refused = joined.run(*args)
    assert (refused.code, "does not accept the token" in refused.stderr) == (10, True), refused.stderr
    joined.cli.env["RAY_AUTH_TOKEN"] = TOKEN
    at_raylet = f"{cluster.address.rpartition(':')[0]}:{cluster.raylet_port()}"
    elsewhere = batch(joined.cli, *args, "--engine", "ray", "--address", at_raylet)
    assert (elsewhere.code, at_raylet in elsewhere.stderr) == (10, True), elsewhere.stderr
    cluster.pretend("1.0.0")
    other = joined.run(*args)
    cluster.pretend(version("ray"))
    assert (other.code, "Ray: 1.0.0" in other.stderr) == (3, True), other.stderr
    assert not list((tmp_path / "out").glob("part-*"))


def test_nothing_that_ray_prints_is_seen(joined: Joined, emulator: Start, rows: Rows, tmp_path: Path) -> None:
    server = emulator("--latency", "0.1")
    joined.cli.service(server.url)
    driver = joined.start(rows(1000), "-o", tmp_path / "out", "-j", "40")
    until(lambda: len(server.log()) > 20)
    for _ in range(3):  # what it says again it keeps for the moment when it shuts down
        joined.cluster.say()
    stdout, stderr = driver.communicate(timeout=TIME_LIMIT)
    assert driver.returncode == 0, stderr
    assert (stdout.count(b"\n"), stdout[:1]) == (1, b"{")
    assert b"Ray says" not in stdout + stderr


@pytest.mark.parametrize(
    ("faults", "number", "code"),
    [
        (("--fault", "401"), None, 4),
        (("--latency", "0.3"), signal.SIGTERM, 143),
        (("--latency", "0.3"), signal.SIGKILL, -signal.SIGKILL),
    ],
    ids=["auth", "signal", "gone"],  # all kinds: benchmarks/cluster_endings.py
)
def test_a_run_that_should_end_ends(
    faults: tuple[str, str], number: signal.Signals | None, code: int, joined: Joined, emulator: Start, rows: Rows
) -> None:
    server = emulator(*faults)
    joined.cli.service(server.url)
    source = rows(20_000)
    output = source.with_name("out")
    driver = joined.start(source, "-o", output, "-j", "40")
    if number is not None:
        until(lambda: len(server.log()) > 20)
        driver.send_signal(number)
    _, stderr = driver.communicate(timeout=TIME_LIMIT)
    assert driver.returncode == code, stderr
    until(lambda: not joined.cluster.count("ray::_Asker"))
    assert len(server.log()) < 2000
    assert len({record["row"] for record in part_records(output)}) == len(part_records(output))
