"""Whatever ends a run, the same command finishes it: every row once, no torn line, little asked twice."""

import contextlib
import json
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tests.answers import ANSWER
from tests.batch.conftest import Rows, batch, records, row_numbers
from tests.command import Cli
from tests.emulator_process import Start
from tests.scripted_server import Pause, ScriptedServer, Silence

# Hundreds of kills take minutes: COMPLETIONS_TEST_KILLS=300 scripts/test tests/batch/test_durability.py -k kill
KILLS = int(os.environ.get("COMPLETIONS_TEST_KILLS", "12"))
IN_FLIGHT = 8


@pytest.mark.parametrize("extra", [(), ("--pack", "3")], ids=["single", "packed"])
def test_kill_at_any_moment(extra: tuple[str, ...], cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator("--latency", "0.04")
    cli.service(server.url)
    count = KILLS * 60
    args = ("batch", str(rows(count)), "-o", str(output), "-j", str(IN_FLIGHT), *extra)
    moment = random.Random(os.getpid())
    kept = b""
    kills = 0
    for _ in range(KILLS if not extra else KILLS // 3):
        process = cli.start(*args)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moment.uniform(0.3, 1.2))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        now = output.read_bytes() if output.exists() else b""
        whole = now[: now.rfind(b"\n") + 1]
        assert whole.startswith(kept)
        kept = whole
    process = cli.start(*args, "-j", "64")
    _, stderr = process.communicate(timeout=KILLS * 5)
    assert process.returncode == 0, stderr
    assert output.read_bytes().startswith(kept)
    assert row_numbers(output) == list(range(count))
    asked = sum(len(_prompts(record["body"])) for record in server.log())
    size = 3 if extra else 1
    assert asked - count <= kills * IN_FLIGHT * size


def test_a_kill_while_failures_are_asked_again_loses_none(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    args = ("batch", str(rows(60)), "-o", str(output), "-j", "4")
    cli.service(emulator("--fault", "422").url).run(*args, "--max-errors", "1000")
    assert row_numbers(output) == list(range(60))
    cli.service(emulator("--latency", "0.05", "--fault", "422:0.3").url)
    moment = random.Random(os.getpid())
    answered: set[int] = set()
    for _ in range(4):
        process = cli.start(*args, "--retry-failed")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=moment.uniform(0.4, 1.0))
        process.kill()
        process.communicate()
        now = output.read_bytes()
        found = [json.loads(line) for line in now[: now.rfind(b"\n") + 1].splitlines()]
        assert {record["row"] for record in found} == set(range(60))
        before, answered = answered, {record["row"] for record in found if not record["error"]}
        assert before <= answered
    cli.service(emulator().url)
    done = cli.run(*args, "--retry-failed")
    assert (done.code, row_numbers(output)) == (0, list(range(60))), done.stderr


def _prompts(body: str) -> list[str]:
    prompt = json.loads(body)["prompt"]
    return prompt if isinstance(prompt, list) else [prompt]


@pytest.mark.parametrize("tail", [b'{"id":"r1","row":1,"choi', b"\0" * 4096, b'{"id":null,"row":'])
def test_a_torn_end_is_mended(tail: bytes, cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator().url)
    batch(cli, rows(8), "-o", output, "--limit", "5")
    before = output.read_bytes()
    output.write_bytes(before + tail)
    result = batch(cli, rows(8), "-o", output)
    assert (result.code, f"its {len(tail)} bytes were removed" in result.stderr) == (0, True)
    assert output.read_bytes().startswith(before)
    assert row_numbers(output) == list(range(8))


def test_damage_in_the_middle_costs_only_those_rows(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    server = emulator()
    cli.service(server.url)
    batch(cli, rows(8), "-o", output)
    lines = output.read_bytes().splitlines(keepends=True)
    lines[3] = b"\0" * len(lines[3]) + b"\n"
    output.write_bytes(b"".join([*lines, lines[5]]))
    assert batch(cli, rows(8), "-o", output).code == 0
    assert row_numbers(output) == list(range(8))
    assert len(server.log()) == 9


def test_a_full_disk_ends_the_run_resumably(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator().url)
    path = rows(200)
    # A limit on the size of files fails like a full disk does.
    limited = cli.start("batch", str(path), "-o", str(output), "--summary", "-", preexec_fn=_small_files)
    stdout, stderr = limited.communicate(timeout=60)
    assert (limited.returncode, b"cannot be written" in stderr) == (16, True)
    before = output.read_bytes()
    said = json.loads(stdout)
    assert (said["stopped_by"], said["ok"]) == ("output", len(row_numbers(output)))  # no row that is not there
    assert before.endswith(b"\n")
    assert 0 < len(row_numbers(output)) < 200
    assert len(before) > 40_000 - max(map(len, before.splitlines(keepends=True)))  # each line that fits is kept
    assert batch(cli, path, "-o", output).code == 0
    assert output.read_bytes().startswith(before)
    assert row_numbers(output) == list(range(200))


def _small_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def test_a_second_run_on_the_same_output_is_refused(
    cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path
) -> None:
    pause = Pause()
    scripted_server.play([pause, ANSWER])
    cli.service(scripted_server.url)
    path = rows(1)
    first = cli.start("batch", str(path), "-o", str(output))
    scripted_server.wait_for_requests(1)
    for extra in ((), ("--overwrite",)):
        second = batch(cli, path, "-o", output, *extra)
        assert (second.code, "another run" in second.stderr) == (2, True)
    pause.go.set()
    first.communicate(timeout=60)
    assert (first.returncode, row_numbers(output), len(scripted_server.requests)) == (0, [0], 1)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_the_first_signal_lets_what_is_under_way_end(
    number: signal.Signals, code: int, cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path
) -> None:
    pause = Pause()
    scripted_server.play([pause, ANSWER])
    path = rows(9)
    process = cli.service(scripted_server.url).start("batch", str(path), "-o", str(output), "-j", "2")
    scripted_server.wait_for_requests(2)
    process.send_signal(number)
    assert process.stderr
    assert b"stopping; 2 requests" in process.stderr.readline()
    pause.go.set()
    process.communicate(timeout=60)
    assert (process.returncode, row_numbers(output), len(scripted_server.requests)) == (code, [0, 1], 2)
    assert batch(cli, path, "-o", output).code == 0
    assert row_numbers(output) == list(range(9))


def test_the_second_signal_ends_it_now(cli: Cli, scripted_server: ScriptedServer, rows: Rows, output: Path) -> None:
    scripted_server.play([Silence()])
    process = cli.service(scripted_server.url).start("batch", str(rows(3)), "-o", str(output))
    scripted_server.wait_for_requests(3)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    assert b"stopping" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert (process.returncode, records(output)) == (130, [])


def test_a_pipe_is_known_by_its_content(cli: Cli, emulator: Start, output: Path) -> None:
    server = emulator()
    cli.service(server.url)
    content = b'"a"\n"b"\n"c"\n'
    assert batch(cli, "-", "-o", output, "--limit", "2", stdin=content).code == 0
    assert batch(cli, "-", "-o", output, stdin=content).code == 0
    assert (row_numbers(output), len(server.log())) == ([0, 1, 2], 3)
    assert batch(cli, "-", "-o", output, stdin=b'"d"\n' + content).code == 2
    assert batch(cli, "-", "-o", output, stdin=content + b'"d"\n').code == 0
    assert sorted(path.name for path in output.parent.glob("out*")) == ["out.jsonl", "out.jsonl.run"]


def test_closed_streams_do_no_harm(cli: Cli, emulator: Start, rows: Rows, output: Path) -> None:
    cli.service(emulator().url)
    process = cli.start("batch", str(rows(5)), "-o", str(output), stderr=subprocess.DEVNULL, preexec_fn=_close_streams)
    process.communicate(timeout=60)
    assert (process.returncode, row_numbers(output)) == (0, list(range(5)))


def _close_streams() -> None:
    for fd in (0, 1, 2):
        os.close(fd)
