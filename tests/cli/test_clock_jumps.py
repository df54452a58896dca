"""The wall clock jumps an hour whenever it is read, forward or back: no wait is longer or shorter for it."""

from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from completions_cli.wall_clock import unix_time
from tests.answers import ANSWER
from tests.batch.conftest import row_numbers
from tests.command import Cli
from tests.emulator_process import EmulatorProcess
from tests.scripted_server import ScriptedServer, response

# Python loads a module of this name when it starts.
JUMPING = """
import itertools
import time

real, jumps = time.time, itertools.count(1)
time.time = lambda: real() + next(jumps) * {hours} * 3600
"""
PATIENT = ("--timeout", "20", "--deadline", "40", "--connect-timeout", "10", "--max-wait", "5")


@pytest.fixture(params=[1, -1], ids=["forward", "back"])
def jumping(cli: Cli, request: pytest.FixtureRequest) -> Cli:
    """Run commands under such a clock."""
    (cli.home / "sitecustomize.py").write_text(JUMPING.format(hours=request.param), encoding="utf-8")
    cli.env["PYTHONPATH"] = str(cli.home)
    return cli


def refusal(*headers: str) -> bytes:
    return response(b"{}", "429 Too Many Requests", headers)


def date(seconds: float) -> str:
    return formatdate(int(unix_time()) + seconds, usegmt=True)


def test_a_wait_until_a_date_is_the_servers_own(jumping: Cli, scripted_server: ScriptedServer) -> None:
    scripted_server.play([refusal(f"date: {date(0)}", f"retry-after: {date(1)}")], [ANSWER])
    jumping.profile(f"[profiles.p]\nendpoint = '{scripted_server.url}'\nkey_command = ['echo', 'key-of-a-command']\n")
    done = jumping.run("complete", "P", "-p", "p", *PATIENT)
    assert (done.code, done.text, len(scripted_server.requests)) == (0, "ok\n", 2), done.stderr
    assert "again in 1.0 s" in done.stderr


def test_a_date_without_the_servers_own_is_no_wait_or_too_long_a_one(
    jumping: Cli, scripted_server: ScriptedServer
) -> None:
    scripted_server.play([refusal(f"retry-after: {date(1)}")], [ANSWER])
    done = jumping.service(scripted_server.url).run("complete", "P", *PATIENT)
    assert (done.code, len(scripted_server.requests)) in ((0, 2), (8, 1)), done.stderr


def test_a_batch_asks_and_waits_as_ever(jumping: Cli, emulator: Callable[..., EmulatorProcess], tmp_path: Path) -> None:
    server = emulator("--seed", "1", "--fault", "429-date:0.1")
    output = tmp_path / "out.jsonl"
    done = jumping.service(server.url).run(
        "batch", "-", "-o", str(output), "--rpm", "6000", "-q", *PATIENT, stdin=b'"Say"\n' * 20
    )
    assert (done.code, row_numbers(output)) == (0, list(range(20))), done.stderr
    refused = sum(record["status"] != 200 for record in server.log())
    assert 0 < refused == len(server.log()) - 20
